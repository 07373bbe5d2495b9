"""BM25 against ranks by hand and a reference of fifteen lines."""

import math
import re
from collections import Counter

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.mining.bm25 import Bm25

FIVE = {
    "apple": "apple apple banana",
    "banana": "banana cherry",
    "cherry": "cherry cherry cherry grape",
    "grape": "grape apple",
    "long": "apple banana cherry grape lemon melon orange peach plum quince",
}


def index(texts, titles=None, **options):
    documents = {doc_id: Document(doc_id, text, (titles or {}).get(doc_id, "")) for doc_id, text in texts.items()}
    return Bm25(kind="bm25", **options).open(Collection(documents, {}, {}, "digest"), None)


def lucene(texts, query, k1, b):
    """Lucene's BM25 (Kamphuis et al. 2020) without its constant factor k1 + 1."""
    documents = {doc_id: re.findall(r"\b\w\w+\b", text.lower()) for doc_id, text in texts.items()}
    mean = sum(map(len, documents.values())) / len(documents)
    scores = dict.fromkeys(documents, 0.0)
    for term in re.findall(r"\b\w\w+\b", query.lower()):
        holding = sum(term in words for words in documents.values())
        idf = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        for doc_id, words in documents.items():
            frequency = Counter(words)[term]
            scores[doc_id] += idf * frequency / (frequency + k1 * (1 - b + b * len(words) / mean))
    return scores


def ids(ranked):
    return [doc_id for doc_id, _ in ranked]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("apple", ["apple", "grape", "long"]),  # two in three words, one in two, one in ten
        ("cherry", ["cherry", "banana", "long"]),
        ("grape apple", ["grape", "apple", "long", "cherry"]),  # the long one holds both words
        ("lemon", ["long"]),
        ("Banana!", ["banana", "apple", "long"]),
    ],
)
def test_ranks_by_hand(query, expected):
    assert ids(index(FIVE).search(query, 5)) == expected


@pytest.mark.parametrize("options", [{}, {"k1": 0.9, "b": 0.4}, {"k1": 2.5, "b": 1.0}, {"b": 0.0}])
@pytest.mark.parametrize("query", ["apple", "grape apple", "cherry cherry plum", "unknown banana", "the lemon"])
def test_scores_are_lucenes(query, options):
    reference = lucene(FIVE, query, options.get("k1", 1.5), options.get("b", 0.75))
    found = dict(index(FIVE, stopwords="none", **options).search(query, 5))
    assert found == pytest.approx({doc_id: score for doc_id, score in reference.items() if score > 0}, abs=1e-4)
    assert found


@pytest.mark.parametrize("query", ["", "   ", "?!", "zebra", "zebra xylophone", "the", "the of and", "a"])
def test_a_query_without_a_known_word_finds_nothing(query):
    assert index({**FIVE, "blank": "", "stop": "the of and"}).search(query, 5) == []


def test_stop_words_count_when_they_are_kept():
    texts = {"a": "the apple", "b": "banana", "c": "cherry"}
    assert ids(index(texts, stopwords="none").search("the", 3)) == ["a"]
    assert index(texts).search("the", 3) == []


def test_documents_without_a_word_of_the_query_are_never_returned():
    assert ids(index(FIVE).search("plum", 5)) == ["long"]
    assert ids(index({**FIVE, "blank": "", "stop": "the of and"}).search("plum", 7)) == ["long"]


@pytest.mark.parametrize("texts", [{"a": ""}, {"a": "", "b": "the"}, {}])
def test_a_corpus_without_words_is_searched_in_vain(texts):
    assert index(texts).search("apple", 3) == []


def test_a_corpus_of_one_document():
    (found,) = index({"only": "apple banana"}).search("apple", 3)
    assert found == ("only", pytest.approx(math.log(1 + 0.5 / 1.5) / 2.5, abs=1e-4))


def test_identical_documents_go_by_doc_id():
    texts = {"c": "apple pie", "a": "apple pie", "d": "lemon tart", "b": "apple pie"}
    assert ids(index(texts).search("apple", 2)) == ["a", "b"]
    scores = {score for _, score in index(texts).search("apple", 3)}
    assert len(scores) == 1


def test_titles_are_searched():
    found = index({"a": "apple", "b": "banana", "c": "cherry"}, titles={"b": "Lemon"}).search("lemon", 3)
    assert ids(found) == ["b"]


def test_k_cuts_the_list():
    assert ids(index(FIVE).search("apple", 2)) == ["apple", "grape"]
