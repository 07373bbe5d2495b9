"""Which level of version change: every rule of docs/versioning.md, with literals."""

import pytest

from syneg_data.errors import InputError
from syneg_data.licenses import LICENSES, duties
from syneg_data.publishing.versioning import Changes, Columns, Reason, Rows, decide, next_version


def same(config, split="train", rows=10):
    return Rows(config, split, rows, rows, 0, 0, 0, rows)


def test_nothing_differs():
    assert decide(Changes(rows=[same("triplet")], licenses=("mit", "mit"))) == ("none", [])


def test_a_card_is_a_patch():
    found = decide(Changes(rows=[same("triplet")], files=["README.md", "report.json"]))
    assert found == ("patch", [Reason("patch", "files beside the rows differ: README.md, report.json")])


def test_the_same_rows_in_another_order_are_a_patch():
    found = decide(Changes(rows=[same("triplet")], files=["triplet/train-00000-of-00001.parquet"]))
    assert found == ("patch", [Reason("patch", "the same rows, in another order or written in another way")])


MINOR = {
    "rows differ in triplet": {"rows": [Rows("triplet", "train", 10, 11, 1, 0, 0, 10)]},
    "rows differ in ids": {"rows": [Rows("ids", "train", 10, 10, 0, 0, 10, 0)]},
    "rows differ in triplet, qrels": {
        "rows": [Rows("triplet", "train", 9, 9, 0, 0, 1, 8), Rows("qrels", "train", 10, 9, 0, 1, 0, 9)],
        "evaluation": {"dev"},
    },
    "config ragged is new": {"rows": [same("triplet"), Rows("ragged", "train", None, 3, 3, 0, 0, 0)]},
    "split test of qrels is new": {"rows": [same("qrels"), Rows("qrels", "test", None, 3, 3, 0, 0, 0)]},
    "n-tuple has the new column negative_3": {"columns": [Columns("n-tuple", added=("negative_3",))]},
    "export beir is new": {"exports": {"beir": "added"}},
    "export beir is other, though its rows are the same": {"exports": {"beir": "changed"}},
    "the licence cc-by-4.0 became cc0-1.0, which asks for nothing more": {"licenses": ("cc-by-4.0", "cc0-1.0")},
    "the licence mit became apache-2.0, which asks for nothing more": {"licenses": ("mit", "apache-2.0")},
}
MAJOR = {
    "config n-tuple is gone": {"rows": [same("triplet"), Rows("n-tuple", "train", 3, None, 0, 3, 0, 0)]},
    "split dev of qrels is gone": {"rows": [same("qrels"), Rows("qrels", "dev", 3, None, 0, 3, 0, 0)]},
    "n-tuple has lost columns negative_2, negative_3": {
        "columns": [Columns("n-tuple", removed=("negative_2", "negative_3"))]
    },
    "column scores of ids is list<string>, and was list<double>": {
        "columns": [Columns("ids", retyped={"scores": ("list<double>", "list<string>")})]
    },
    "the columns of triplet stand in another order, and trainers go by it": {
        "columns": [Columns("triplet", moved=True)]
    },
    "export beir is gone": {"exports": {"beir": "removed"}},
    "the licence cc-by-4.0 became cc-by-nc-sa-4.0, which adds: non-commercial use, share-alike under cc-by-nc-sa-4.0": {
        "licenses": ("cc-by-4.0", "cc-by-nc-sa-4.0")
    },
    "the licence other became mit; which of the two asks for more, nobody can tell": {"licenses": ("other", "mit")},
    "6 of 10 rows of triplet/train are gone: most of what it taught": {
        "rows": [Rows("triplet", "train", 10, 10, 6, 6, 0, 4)]
    },
    "3 of 5 judgements that stayed in qrels/train have another grade": {
        "rows": [Rows("qrels", "train", 9, 5, 0, 4, 3, 2)]
    },
    "2 new beside 10 rows of qrels/dev: figures measured there do not compare": {
        "rows": [same("qrels"), Rows("qrels", "dev", 10, 12, 2, 0, 0, 10)],
        "evaluation": {"dev"},
    },
    "1 other beside 8 rows of queries/dev: figures measured there do not compare": {
        "rows": [Rows("queries", "dev", 9, 9, 0, 0, 1, 8)],
        "evaluation": {"dev"},
    },
    "2 gone and 1 new beside 6 rows of qrels/test: figures measured there do not compare": {
        "rows": [Rows("qrels", "test", 8, 7, 1, 2, 0, 6)],
        "evaluation": {"dev", "test"},
    },
    "1 new beside 40 rows of the corpus without synthetic ones: figures on dev, test do not compare": {
        "searched": Rows("corpus", "train", 40, 41, 1, 0, 0, 40),
        "evaluation": {"dev", "test"},
    },
    "51 of the 100 candidates that both builds judge have another verdict": {"verdicts": (51, 100)},
}


@pytest.mark.parametrize("what", MINOR)
def test_what_keeps_the_promise_is_minor(what):
    assert decide(Changes(**MINOR[what])) == ("minor", [Reason("minor", what)])


@pytest.mark.parametrize("what", MAJOR)
def test_what_breaks_the_promise_is_major(what):
    level, reasons = decide(Changes(**MAJOR[what]))
    assert (level, reasons[0]) == ("major", Reason("major", what))
    assert [reason.level for reason in reasons[1:]] in ([], ["minor"]), "rows that differ are said too"


def test_a_corpus_that_nothing_is_measured_on_is_no_ruler():
    assert decide(Changes(searched=Rows("corpus", "train", 40, 41, 1, 0, 0, 40))) == ("none", [])


def test_half_is_not_wholesale():
    changes = Changes(
        rows=[Rows("triplet", "train", 10, 10, 5, 5, 0, 5), Rows("qrels", "train", 4, 4, 0, 0, 2, 2)],
        verdicts=(50, 100),
    )
    assert decide(changes) == ("minor", [Reason("minor", "rows differ in triplet, qrels")])


def test_the_gravest_reason_comes_first_and_none_is_left_out():
    level, reasons = decide(
        Changes(
            rows=[Rows("triplet", "train", 10, 11, 1, 0, 0, 10)],
            columns=[Columns("n-tuple", removed=("negative_2",))],
            licenses=("cc-by-4.0", "cc0-1.0"),
            files=["README.md"],
        )
    )
    assert (level, [reason.level for reason in reasons]) == ("major", ["major", "minor", "minor", "patch"])


@pytest.mark.parametrize(
    ("level", "after"), [("major", "2.0.0"), ("minor", "1.10.0"), ("patch", "1.9.4"), ("none", "1.9.3")]
)
def test_the_version_that_follows(level, after):
    assert next_version("1.9.3", level) == after
    assert next_version("v1.9.3", level) == f"v{after}"


@pytest.mark.parametrize(
    "version", ["1.2", "1.2.3.4", "1.02.3", "1.2.3-rc1", "", "one", "1.2.3\n", "V1.2.3", "\u0661.2.3"]
)
def test_what_is_no_version(version):
    with pytest.raises(InputError, match=r"no version; write three numbers, such as 1\.2\.0"):
        next_version(version, "none")


def test_duties_of_licences():
    assert duties("cc0-1.0") == duties("pddl") == frozenset()
    assert duties("mit") == duties("cc-by-4.0") == {"attribution"}
    assert duties("odbl") == {"attribution", "share-alike under odbl"}
    assert duties("cc-by-nc-nd-3.0") == {"attribution", "non-commercial use", "no derivatives"}
    assert duties("other") == duties("never heard of") == {"attribution", "terms of its own"}


@pytest.mark.parametrize("license_id", sorted(LICENSES))
def test_no_licence_asks_for_more_than_itself_and_only_the_public_domain_for_nothing(license_id):
    level, _ = decide(Changes(licenses=(license_id, license_id)))
    assert level == "none"
    assert (duties(license_id) == frozenset()) == (license_id in {"cc0-1.0", "pddl", "unlicense"})
    assert ("non-commercial use" in duties(license_id)) == ("nc" in license_id.split("-"))
    assert ("no derivatives" in duties(license_id)) == ("nd" in license_id.split("-"))
