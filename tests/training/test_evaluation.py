"""Searching: exact, in one tie order, whoever asks along; and what a check during training searches."""

import numpy as np
import pytest

from syneg_data.collection import Collection, Document
from syneg_data.errors import InputError
from syneg_data.training.evaluation import Searcher, small_corpus, texts_of

VECTORS = {
    "query one": (1.0, 0.0),
    "query two": (0.0, 1.0),
    "text a": (1.0, 0.0),
    "text b": (0.6, 0.8),
    "text c": (0.6, 0.8),
    "text q1": (0.8, 0.6),
    "broken": (float("nan"), 0.0),
}


class Table:
    """Encodes by looking up, and counts."""

    def __init__(self):
        self.asked = []

    def encode(self, texts, role):
        self.asked += [(role, text) for text in texts]
        return np.array([VECTORS[text] for text in texts], dtype=np.float32)


DOCUMENTS = {"c": "text c", "a": "text a", "b": "text b"}


def test_the_order_is_score_then_id():
    run = Searcher(Table(), DOCUMENTS, "table").run({"q1": "query one", "q2": "query two"})
    assert [doc_id for doc_id, _ in run["q1"]] == ["a", "b", "c"]
    assert [doc_id for doc_id, _ in run["q2"]] == ["b", "c", "a"]
    assert run["q2"][0][1] == pytest.approx(0.8, abs=1e-5)


def test_a_document_with_the_querys_id_is_not_ranked():
    run = Searcher(Table(), {**DOCUMENTS, "q1": "text q1"}, "table").run({"q1": "query one"}, depth=2)
    assert [doc_id for doc_id, _ in run["q1"]] == ["a", "b"]


def test_the_corpus_is_encoded_once_for_all_splits():
    table = Table()
    searcher = Searcher(table, DOCUMENTS, "table")
    for _ in range(3):
        searcher.run({"q1": "query one"})
    assert [role for role, _ in table.asked].count("document") == 3
    assert [role for role, _ in table.asked].count("query") == 3


def test_queries_do_not_change_each_others_ranking():
    queries = {"q1": "query one", "q2": "query two"}
    searcher = Searcher(Table(), DOCUMENTS, "table")
    assert searcher.run(queries) == searcher.run({"q1": "query one"}) | searcher.run({"q2": "query two"})


@pytest.mark.parametrize("where", ["document", "query"])
def test_vectors_that_are_not_finite_are_refused(where):
    documents = {**DOCUMENTS, "d": "broken"} if where == "document" else DOCUMENTS
    with pytest.raises(InputError, match="model table: gives vectors that are not finite"):
        Searcher(Table(), documents, "table").run({"q1": "broken"})


def test_a_check_searches_the_best_and_all_judged():
    documents = {name: Document(name, f"text of {name}") for name in "abcdef"}
    dev = Collection(documents, {"q1": "?", "q2": "?"}, {"q1": {"e": 1}, "q2": {"a": 1, "f": 0}}, "digest")
    run = {"q1": [("b", 0.9), ("c", 0.8)], "q2": [("b", 0.7), ("d", 0.6)]}
    assert list(small_corpus(dev, run, 1)) == ["a", "b", "e", "f"]
    assert small_corpus(dev, run, 2)["d"] == "text of d"
    assert texts_of(dev, ["c"]) == {"c": "text of c"}
