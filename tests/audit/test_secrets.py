"""Secrets and personal data in generated texts; every one is made up here."""

import json

import pytest

from syneg_data.audit.secrets import NAMES, measure
from syneg_data.collection import Document
from syneg_data.confidential import CREDENTIALS
from syneg_data.records import Generation
from tests.confidential.test_scanning import TRUE

TOKEN = "hf" + "_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7"
OTHER = "AK" + "IA" + "IOSFODNN7EXAMPLE"
MAIL = "jane.doe@clinic.org"
PHONE = "+49 30 901820"


def draft(number, text="", reflection="", state="ok", reply="", query="q0", positive="d0"):
    return Generation(
        f"r{number}", f"g{number}", query, positive, None, 0, "syneg", (), "negative", 0, 0, 0, state, "", text,
        reflection, 0, 0, 0, 0, reply,
    )  # fmt: skip


def named(subject):
    return {m.name: m for m in measure(subject)}


def figures(subject):
    return {name: (m.value, m.n) for name, m in named(subject).items()}


def test_nothing_found_is_a_count_of_nothing(subject_of):
    subject = subject_of([("query", "positive", ["a clean text"], [])], generations=[draft(1, "another")])
    found = named(subject)
    assert tuple(found) == NAMES
    assert {(m.value, m.low, m.high, m.n) for m in found.values()} == {(0, None, None, 2)}
    assert found["secrets_written"].sentence == (
        "None of 2 generated texts holds what looks like a credential that does not stand in the corpus."
    )


def test_what_is_made_up_and_what_is_copied_are_counted_apart(subject_of):
    subject = subject_of(
        [(f"who is {PHONE}", f"write to\n{MAIL} now", [], [])],
        generations=[
            draft(1, f"write to {MAIL}, with {TOKEN}", f"and {OTHER}"),
            draft(2, f"{TOKEN} or joe@clinic.org"),
            draft(3, f"call {PHONE}"),
            draft(4, "nothing"),
        ],
    )
    assert figures(subject) == {
        "secrets_written": (2, 4),
        "secrets_copied": (0, 4),
        "personal_data_written": (1, 4),
        "personal_data_copied": (2, 4),
    }
    assert named(subject)["secrets_written"].sentence == (
        "2 of 4 generated texts hold what looks like a credential that does not stand in the corpus "
        "(aws key: 1, hugging face token: 2)."
    )


def test_what_stands_elsewhere_in_the_corpus_is_copied(subject_of):
    subject = subject_of([("query", "positive", [], ["someone@clinic.org here"])], generations=[draft(1, f"a {MAIL}")])
    assert figures(subject)["personal_data_written"] == (1, 1)
    subject.collection.documents["far"] = Document("far", f"a document with  {MAIL}  in it")
    assert figures(subject)["personal_data_written"] == (0, 1)
    assert figures(subject)["personal_data_copied"] == (1, 1)


@pytest.mark.parametrize(("kind", "piece"), TRUE)
def test_every_kind_is_found_again_far_off_in_the_corpus(subject_of, kind, piece):
    subject = subject_of([("query", "positive", [], [])], generations=[draft(1, f"drafted: {piece}\n-")])
    name = "secrets" if kind in CREDENTIALS else "personal_data"
    assert figures(subject)[f"{name}_written"] == (1, 1)
    subject.collection.documents["far"] = Document("far", f"x\n({piece}), é".replace(" ", "\n "))
    assert figures(subject)[f"{name}_copied"] == (1, 1)
    assert figures(subject)[f"{name}_written"] == (0, 1)


def test_another_generated_text_is_no_corpus(subject_of):
    subject = subject_of(
        [("query", "positive", [f"first {MAIL}", f"second {MAIL}"], [])], generations=[draft(1, f"third {MAIL}")]
    )
    subject.collection.documents["g1"] = Document("g1", f"third {MAIL}")
    assert figures(subject)["personal_data_written"] == (3, 3)


def test_a_text_that_is_draft_and_negative_counts_once(subject_of):
    subject = subject_of([("query", "positive", [f"mail {MAIL}"], [])])
    written = subject.examples[0].negative_ids[0]
    import dataclasses

    row = dataclasses.replace(draft(1, f"mail {MAIL}"), doc_id=written)
    assert figures(dataclasses.replace(subject, generations=[row]))["personal_data_written"] == (1, 1)


def test_replies_that_were_refused_are_published_and_so_looked_at(subject_of):
    replies = [
        json.dumps({"passage": f"line\n{MAIL}", "notes": [{"more": TOKEN}]}),
        f"no json, but {TOKEN}",
        '{"cut off": "' + MAIL,
        "[" * 100_000,
        "",
    ]
    subject = subject_of(
        [("query", f"positive {MAIL}", [], [])],
        generations=[draft(i, state="degenerate", reply=reply) for i, reply in enumerate(replies)],
    )
    assert figures(subject) == {
        "secrets_written": (2, 5),
        "secrets_copied": (0, 5),
        "personal_data_written": (0, 5),
        "personal_data_copied": (2, 5),
    }


def test_no_figure_shows_what_was_found(subject_of):
    pieces = [TOKEN, OTHER, MAIL, PHONE]
    subject = subject_of([("query", f"positive {PHONE}", pieces, [])], generations=[draft(1, " ".join(pieces))])
    told = json.dumps([m.record() for m in measure(subject)])
    assert named(subject)["secrets_written"].value == 3
    assert not any(part in told for part in [*pieces, "jane", "clinic", "901820"])


def test_without_generated_texts_there_is_no_figure(subject_of):
    found = named(subject_of([("query", "positive", [], ["mined"])]))
    assert {(m.value, m.n, m.sentence) for m in found.values()} == {(None, 0, "No text was generated.")}
