"""Run files: what any search engine found, in its own order; every broken line is named."""

import gzip
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.errors import InputError
from syneg_data.mining.candidates import Source, mine_queries
from syneg_data.mining.guards import Guards, find_twins
from syneg_data.mining.run_file import RunFile
from syneg_data.recipe import load_recipe
from syneg_data.report.ledger import mine_entry

TEXTS = {"d1": "one", "d2": "two", "d3": "three", "d4": "four", "d10": "ten"}
GOOD = """\
q1 Q0 d2 1 12.5 bm25
q1 Q0 d1 2 11 bm25
q1 Q0 d3 3 -1.5e1 bm25
q2 Q0 d4 1 0.25 bm25
"""
RECIPE = """\
name: tiny
seed: 13
source: {kind: beir, path: data, split: train, license: cc-by-4.0}
mining:
  - kind: run_file
    path: runs/splade.trec
validation:
  rerankers:
    - {kind: bi_encoder, model: data}
mixing: {kind: mined_only}
publishing: {license: cc-by-4.0}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The current folder, so that messages show `run.trec`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def collection(texts=TEXTS):
    documents = {doc_id: Document(doc_id, text) for doc_id, text in texts.items()}
    return Collection(documents, {"q1": "first", "q2": "second", "q3": "third"}, {}, "digest")


def open_run(here, content, corpus=None, name="run.trec"):
    path = here / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return RunFile(kind="run_file", path=str(path)).open(corpus or collection(), None)


def search(here, content, query_id="q1", k=10, **options):
    (found,) = open_run(here, content, **options).search([query_id], k)
    return found


def refused(here, content, **options):
    with pytest.raises(InputError) as caught:
        open_run(here, content, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


# What is read


def test_a_run_is_a_list_for_every_query(here):
    run = open_run(here, GOOD)
    first = [("d2", 12.5), ("d1", 11.0), ("d3", -15.0)]
    assert run.search(["q2", "q1", "q3", "q1"], 10) == [[("d4", 0.25)], first, [], first]
    assert run.search(["q1"], 2) == [first[:2]]
    assert run.search([], 2) == []


def test_scores_say_the_order_not_ranks_nor_lines(here):
    assert search(here, "q1 Q0 d1 1 1 t\nq1 Q0 d2 2 3 t\nq1 Q0 d3 3 2 t\n") == [("d2", 3.0), ("d3", 2.0), ("d1", 1.0)]
    assert search(here, "q1 Q0 d1 x 1 t\nq1 Q0 d2 -7 2 t\n") == [("d2", 2.0), ("d1", 1.0)]


def test_ties_go_by_doc_id(here):
    content = "".join(f"q1 Q0 {doc_id} 1 0.5 t\n" for doc_id in ("d3", "d10", "d2", "d1"))
    assert search(here, content) == [("d1", 0.5), ("d10", 0.5), ("d2", 0.5), ("d3", 0.5)]


def test_scores_that_differ_less_than_they_are_rounded_still_say_the_order(here):
    content = "q1 Q0 d3 1 6e-6 t\nq1 Q0 d1 2 2e-6 t\nq1 Q0 d2 3 3e-6 t\nq1 Q0 d4 4 0.1234567 t\n"
    assert search(here, content) == [("d4", 0.12346), ("d3", 0.00001), ("d2", 0.0), ("d1", 0.0)]


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace(" ", "\t"),
        GOOD.replace(" ", "  "),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\n\n \n"),
        GOOD.rstrip("\n"),
        "\ufeff" + GOOD,
        "".join(reversed(GOOD.splitlines(keepends=True))),
        GOOD.replace("Q0", "0"),
    ],
    ids=["tabs", "spaces", "CRLF", "blank lines", "no line feed at the end", "byte order mark", "reversed", "0 for Q0"],
)
def test_the_same_run_in_other_clothes(here, content):
    assert open_run(here, content).search(["q1", "q2"], 9) == open_run(here, GOOD).search(["q1", "q2"], 9)


def test_a_gzipped_run_is_read(here):
    assert search(here, gzip.compress(GOOD.encode()), "q2", name="run.trec.gz") == [("d4", 0.25)]


def test_queries_of_other_splits_are_passed_over_with_whatever_they_found(here):
    content = "q9 Q0 elsewhere 1 9 t\nq9 Q0 elsewhere 2 8 t\n" + GOOD
    assert search(here, content) == [("d2", 12.5), ("d1", 11.0), ("d3", -15.0)]


def test_ranks_are_those_of_the_run_whatever_has_no_text_or_stands_there_twice(here):
    corpus = collection({"d1": "one", "d2": "two", "d4": "Two.", "d5": "one!", "d6": "...", "d3": "three"})
    distinct = Guards().open(corpus, find_twins(corpus)).distinct()
    assert sorted(distinct.documents) == ["d1", "d2", "d3"]
    content = "q1 Q0 d5 1 9 t\nq1 Q0 d6 2 8 t\nq1 Q0 d2 3 7 t\nq1 Q0 d3 4 7 t\nq1 Q0 d1 5 6 t\nq1 Q0 d4 6 9 t\n"
    whole = [("d4", 9.0), ("d5", 9.0), ("d6", 8.0), ("d2", 7.0), ("d3", 7.0), ("d1", 6.0)]
    assert search(here, content, corpus=distinct) == whole
    assert search(here, content, corpus=corpus, k=3) == whole[:3]


ODD = {
    "e1": "",
    "e2": " - ",
    "pos": "apples",
    "a": "pears help",
    "b": "Pears help!",
    "c": "plums",
    "d": "quinces",
    "x": "?",
}


def mined(here, content, skip=0, depth=9, positives=("pos",), others=()):
    """(doc_id, reason, ranks) of every candidate of q1, by a run over documents some of which are none of their own."""
    corpus = replace(collection(ODD), qrels={"q1": dict.fromkeys(positives, 1)})
    guards = Guards().open(corpus, find_twins(corpus))
    runs = [content, *others]
    sources = [
        Source(f"run{i}", skip, depth, open_run(here, run, guards.distinct(), f"{i}.trec"))
        for i, run in enumerate(runs)
    ]
    candidates = mine_queries(["q1"], sources, guards)
    ids = [candidate.doc_id for candidate in candidates]
    assert len(ids) == len(set(ids))
    entry = mine_entry(candidates)
    assert entry["in"] == entry["kept"] + sum(entry["rejected"].values()) == len(candidates)
    return [(c.doc_id, c.reason, [(hit.source, hit.rank) for hit in c.sources]) for c in candidates]


def run_of(*doc_ids):
    return "".join(f"q1 Q0 {doc_id} 0 {100 - i} t\n" for i, doc_id in enumerate(doc_ids))


def test_documents_without_text_and_second_ids_take_their_ranks_and_are_refused_by_name(here):
    assert mined(here, run_of("e1", "e2", "b", "a", "c"), depth=4) == [
        ("e1", "no_text", [("run0", 1)]),
        ("e2", "no_text", [("run0", 2)]),
        ("b", "same_text", [("run0", 3)]),
        ("a", "", [("run0", 4)]),
    ]


def test_a_window_is_cut_from_the_ranks_of_the_run(here):
    assert mined(here, run_of("e1", "e2", "b", "a", "c", "d"), skip=3, depth=2) == [
        ("a", "", [("run0", 4)]),
        ("c", "", [("run0", 5)]),
    ]


def test_a_second_id_alone_in_its_window_stands_for_its_text(here):
    assert mined(here, run_of("c", "b", "d", "a"), depth=3) == [
        ("c", "", [("run0", 1)]),
        ("a", "", [("run0", 2)]),
        ("d", "", [("run0", 3)]),
    ]


def test_runs_that_name_a_text_differently_are_united(here):
    assert mined(here, run_of("b", "a"), others=[run_of("c", "b")]) == [
        ("b", "same_text", [("run0", 1)]),
        ("c", "", [("run1", 1)]),
        ("a", "", [("run0", 2), ("run1", 2)]),
    ]


@pytest.mark.parametrize(
    ("positives", "expected"),
    [
        (("a",), [("b", "text_of_positive"), ("a", "positive")]),
        (("b",), [("b", "positive"), ("a", "text_of_positive")]),
        (("a", "b"), [("b", "positive"), ("a", "positive")]),
        (("e1",), [("b", "same_text"), ("a", "")]),
    ],
)
def test_a_second_id_of_a_positives_text_is_refused_as_that(here, positives, expected):
    assert [(d, reason) for d, reason, _ in mined(here, run_of("b", "a"), positives=positives)] == expected


@given(st.permutations(sorted(ODD)), st.integers(0, 4), st.integers(1, 8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_every_line_of_a_window_is_a_row_at_its_own_rank(here, order, skip, depth):
    found = mined(here, run_of(*order), skip, depth)
    ranks = sorted(rank for _, _, hits in found for _, rank in hits)
    assert ranks == list(range(skip + 1, min(skip + depth, len(order)) + 1))
    assert sum(reason == "no_text" for _, reason, _ in found) == len(
        {"e1", "e2", "x"} & set(order[skip : skip + depth])
    )
    same = {"a", "b"} <= set(order[skip : skip + depth])
    assert sum(reason == "same_text" for _, reason, _ in found) == same
    assert [doc_id for doc_id, reason, _ in found if reason == "same_text"] == ["b"] * same


# What is refused

SPACE = (
    "write query Q0 document rank score tag; an id or tag with a space in it must lose it, an id in the collection's "
    "files too"
)
BAD_LINES = {
    "a column too few": ("q1 Q0 d1 1 3", "5 columns, not 6; write query Q0 document rank score tag"),
    "a column too many": ("q1 Q0 d1 1 3 t t", f"7 columns, not 6; {SPACE}"),
    "a space in an id": ("q1 Q0 d 1 1 3 t", f"7 columns, not 6; {SPACE}"),
    "one word": ("q1", "1 columns, not 6; write query Q0 document rank score tag"),
    "no number": ("q1 Q0 d1 1 best t", "score 'best' is not a finite number; mend the line"),
    "NaN": ("q1 Q0 d1 1 nan t", "score 'nan' is not a finite number; mend the line"),
    "infinity": ("q1 Q0 d1 1 -inf t", "score '-inf' is not a finite number; mend the line"),
    "too large": ("q1 Q0 d1 1 1e999 t", "score '1e999' is not a finite number; mend the line"),
    "underscore": ("q1 Q0 d1 1 1_0 t", "score '1_0' is not a finite number; mend the line"),
    "unknown document": ("q1 Q0 d9 1 3 t", "document 'd9' is not in the corpus; name a run over this corpus"),
    "twice": ("q1 Q0 d3 9 9 t", "document 'd3' stands twice for query 'q1'; keep one line"),
    "bad line of an unknown query": ("q9 Q0 d1 1 nan t", "score 'nan' is not a finite number; mend the line"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_broken_line_is_refused_with_its_number(here, name):
    line, what = BAD_LINES[name]
    assert refused(here, f"{GOOD}\n{line}\nq2 Q0 d1 2 0.2 t\n") == f"run.trec:6: {what}"


def test_one_document_for_two_queries_stands_once_for_each(here):
    assert open_run(here, "q1 Q0 d1 1 2 t\nq2 Q0 d1 1 1 t\n").search(["q1", "q2"], 9) == [[("d1", 2.0)], [("d1", 1.0)]]


def test_a_run_without_a_query_of_the_split_is_refused(here):
    expected = "run.trec: none of its queries is one of this split's; name a run of this split"
    assert refused(here, "q9 Q0 d1 1 1 t\n") == expected


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_run_without_lines_is_said_to_be_empty(here, content):
    assert refused(here, content) == "run.trec: the run is empty; name one that has lines"


def test_bytes_that_are_no_text_are_refused(here):
    assert refused(here, b"q1 Q0 d1 1 3 t\nq1 Q0 d\xff 2 2 t\n") == (
        "run.trec:2: not UTF-8 (byte 7); convert the file to UTF-8"
    )


def test_a_broken_gzip_is_refused(here):
    message = refused(here, gzip.compress(GOOD.encode())[:-9], name="run.gz")
    assert message.startswith("run.gz: broken gzip (")


# The address


def test_the_digest_is_the_files_content(here):
    one, two = here / "one.trec", here / "two.trec"
    one.write_text(GOOD)
    two.write_text(GOOD)
    digest = RunFile(kind="run_file", path=str(one)).digest()
    assert digest == RunFile(kind="run_file", path=str(two)).digest()
    assert len(digest) == 64
    two.write_text(GOOD + "\n")
    assert RunFile(kind="run_file", path=str(two)).digest() != digest


def test_a_run_that_is_not_there_is_a_line_of_the_recipe(here):
    (here / "recipes" / "data").mkdir(parents=True)
    recipe = here / "recipes" / "x.yaml"
    recipe.write_text(RECIPE)
    with pytest.raises(InputError) as caught:
        load_recipe("recipes/x.yaml")
    assert str(caught.value) == (
        "recipes/x.yaml:6: mining[0].path: no such file or folder: 'runs/splade.trec'; paths are relative to the "
        "recipe's folder"
    )
    (here / "recipes" / "runs").mkdir()
    (here / "recipes" / "runs" / "splade.trec").write_text(GOOD)
    (miner,) = load_recipe("recipes/x.yaml").recipe.mining
    assert miner.path == str(here / "recipes" / "runs" / "splade.trec")
    assert miner.model_reference() is None


def test_a_folder_is_no_run(here):
    (here / "runs").mkdir()
    miner = RunFile(kind="run_file", path=str(here / "runs"))
    for use in (miner.digest, lambda: miner.open(collection(), None)):
        with pytest.raises(InputError) as caught:
            use()
        assert str(caught.value) == "runs: not a file; name a TREC run"
