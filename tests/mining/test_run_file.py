"""Run files: what any search engine found, in its own order; every broken line is named."""

import gzip

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.errors import InputError
from syneg_data.mining.guards import Guards, find_twins
from syneg_data.mining.run_file import RunFile
from syneg_data.recipe import load_recipe

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


def test_twins_go_by_the_id_that_stands_at_their_best_score(here):
    corpus = collection({"d1": "one", "d2": "two", "d4": "Two.", "d5": "one!", "d6": "...", "d3": "three"})
    twins = find_twins(corpus)
    distinct = Guards().open(corpus, twins).distinct()
    assert sorted(distinct.documents) == ["d1", "d2", "d3"]
    content = "q1 Q0 d5 1 9 t\nq1 Q0 d6 2 8 t\nq1 Q0 d2 3 7 t\nq1 Q0 d3 4 7 t\nq1 Q0 d1 5 6 t\nq1 Q0 d4 6 9 t\n"
    assert search(here, content, corpus=distinct) == [("d1", 9.0), ("d2", 9.0), ("d3", 7.0)]


def test_k_counts_texts_not_lines(here):
    corpus = collection({"d1": "one", "d2": "One", "d3": "three"})
    distinct = Guards().open(corpus, find_twins(corpus)).distinct()
    content = "q1 Q0 d2 1 3 t\nq1 Q0 d1 2 2 t\nq1 Q0 d3 3 1 t\n"
    assert search(here, content, k=2, corpus=distinct) == [("d1", 3.0), ("d3", 1.0)]


# What is refused

BAD_LINES = {
    "a column too few": ("q1 Q0 d1 1 3", "5 columns, not 6; write query Q0 document rank score tag"),
    "a column too many": ("q1 Q0 d1 1 3 t t", "7 columns, not 6; write query Q0 document rank score tag"),
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


@pytest.mark.parametrize("content", ["", "\n \n", "q9 Q0 d1 1 1 t\n"], ids=["empty", "blank", "another split"])
def test_a_run_without_a_query_of_the_split_is_refused(here, content):
    assert refused(here, content) == "run.trec: none of its queries is one of this split's; name a run of this split"


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
    with pytest.raises(InputError) as caught:
        RunFile(kind="run_file", path=str(here / "runs")).digest()
    assert str(caught.value) == "runs: not a file; name a TREC run"
