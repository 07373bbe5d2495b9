"""BM25 by both engines against ranks by hand and references of a few lines."""

import math
import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.mining.bm25 import Bm25
from syneg_data.spec import fingerprint

FIVE = {
    "apple": "apple apple banana",
    "banana": "banana cherry",
    "cherry": "cherry cherry cherry grape",
    "grape": "grape apple",
    "long": "apple banana cherry grape lemon melon orange peach plum quince",
}
ENGINES = ("bm25s", "rank-bm25")


def index(texts, queries, titles=None, **options):
    documents = {doc_id: Document(doc_id, text, (titles or {}).get(doc_id, "")) for doc_id, text in texts.items()}
    return Bm25(kind="bm25", **options).open(Collection(documents, queries, {}, "digest"), None)


def search(texts, query, k, **options):
    (found,) = index(texts, {"q": query}, **options).search(["q"], k)
    return found


def ids(ranked):
    return [doc_id for doc_id, _ in ranked]


def words_of(text):
    return re.findall(r"\b\w\w+\b", text.lower())


def lucene(texts, query, k1, b):
    """Lucene's BM25 (Kamphuis et al. 2020) without its constant factor k1 + 1."""
    documents = {doc_id: words_of(text) for doc_id, text in texts.items()}
    mean = sum(map(len, documents.values())) / len(documents)
    scores = dict.fromkeys(documents, 0.0)
    for term in words_of(query):
        holding = sum(term in words for words in documents.values())
        idf = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        for doc_id, words in documents.items():
            frequency = Counter(words)[term]
            scores[doc_id] += idf * frequency / (frequency + k1 * (1 - b + b * len(words) / mean))
    return scores


def okapi(texts, query, k1, b):
    """The BM25 of rank-bm25: Robertson's idf, and a quarter of the mean where that is negative."""
    documents = {doc_id: words_of(text) for doc_id, text in texts.items()}
    mean = sum(map(len, documents.values())) / len(documents)
    idf = {}
    for term in dict.fromkeys(word for words in documents.values() for word in words):
        holding = sum(term in words for words in documents.values())
        idf[term] = math.log(len(documents) - holding + 0.5) - math.log(holding + 0.5)
    floor = 0.25 * sum(idf.values()) / len(idf)
    scores = dict.fromkeys(documents, 0.0)
    for term in words_of(query):
        for doc_id, words in documents.items():
            frequency = Counter(words)[term]
            weight = idf.get(term, 0.0) if idf.get(term, 0.0) >= 0 else floor
            scores[doc_id] += weight * frequency * (k1 + 1) / (frequency + k1 * (1 - b + b * len(words) / mean))
    return scores


# Scores


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
    assert ids(search(FIVE, query, 5)) == expected


@pytest.mark.parametrize("options", [{}, {"k1": 0.9, "b": 0.4}, {"k1": 2.5, "b": 1.0}, {"b": 0.0}])
@pytest.mark.parametrize("query", ["apple", "grape apple", "cherry cherry plum", "unknown banana", "the lemon"])
@pytest.mark.parametrize(("engine", "reference"), [("bm25s", lucene), ("rank-bm25", okapi)])
def test_scores_are_those_of_the_formula(engine, reference, query, options):
    expected = reference(FIVE, query, options.get("k1", 1.5), options.get("b", 0.75))
    found = dict(search(FIVE, query, 5, engine=engine, stopwords="none", **options))
    assert found == pytest.approx({doc_id: score for doc_id, score in expected.items() if score > 0}, abs=1e-4)
    assert found


@pytest.mark.parametrize("engine", ENGINES)
def test_the_obvious_document_is_found_among_many(engine):
    draw = random.Random(13)
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"]
    texts = {f"d{i}": " ".join(draw.choices(words, k=12)) for i in range(60)}
    texts["here"] = "the liver stores vitamin d for months"
    found = search(texts, "where is vitamin D stored, in the liver?", 3, engine=engine)
    assert found[0][0] == "here"
    assert ids(found) == ["here"]


@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines_agree_where_no_word_is_frequent(engine):
    """Robertson's idf and Lucene's differ, but for words that are equally rare the order is one."""
    texts = {"a": "cat cat dog", "b": "cat fox owl", "c": "dog fox", "d": "hen", "e": "hen owl", "f": "elk", "g": "elk"}
    assert ids(search(texts, "cat", 7, engine=engine)) == ["a", "b"]
    assert ids(search(texts, "dog fox", 7, engine=engine)) == ["c", "a", "b"]


# Order


@pytest.mark.parametrize("engine", ENGINES)
def test_identical_documents_go_by_doc_id(engine):
    texts = {"c": "apple pie", "a": "apple pie", "d": "lemon tart", "b": "apple pie", "e": "x", "f": "y", "g": "z"}
    assert ids(search(texts, "apple", 2, engine=engine)) == ["a", "b"]
    found = search(texts, "apple", 3, engine=engine)
    assert ids(found) == ["a", "b", "c"]
    assert len({score for _, score in found}) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_of_the_corpus_does_not_show(engine):
    reordered = {doc_id: FIVE[doc_id] for doc_id in reversed(FIVE)}
    for query in ("apple", "cherry plum", "grape apple banana"):
        assert search(FIVE, query, 4, engine=engine) == search(reordered, query, 4, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_queries_come_back_in_the_order_asked_each_as_if_alone(engine):
    queries = {"q1": "lemon", "q2": "the", "q3": "banana plum", "q4": "zebra", "q5": "cherry"}
    alone = {query_id: search(FIVE, query, 5, engine=engine) for query_id, query in queries.items()}
    opened = index(FIVE, queries, engine=engine)
    asked = ["q5", "q2", "q1", "q5", "q4", "q3"]
    assert opened.search(asked, 5) == [alone[query_id] for query_id in asked]
    assert [bool(alone[query_id]) for query_id in queries] == [True, False, True, False, True]
    assert opened.search([], 5) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_k_cuts_the_list_and_may_exceed_the_corpus(engine):
    whole = search(FIVE, "grape plum", 5, engine=engine)
    assert len(whole) == 3
    assert search(FIVE, "grape plum", 1, engine=engine) == whole[:1]
    assert search(FIVE, "grape plum", 2, engine=engine) == whole[:2]
    assert search(FIVE, "grape plum", 1000, engine=engine) == whole


# What is found at all


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("query", ["", "   ", "?!", "zebra", "zebra xylophone", "the", "the of and", "a", "\ud800"])
def test_a_query_without_a_known_word_finds_nothing(query, engine):
    assert search({**FIVE, "blank": "", "stop": "the of and"}, query, 5, engine=engine) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_stop_words_count_when_they_are_kept(engine):
    texts = {"a": "the apple", "b": "banana", "c": "cherry"}
    assert ids(search(texts, "the", 3, engine=engine, stopwords="none")) == ["a"]
    assert search(texts, "the", 3, engine=engine) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_documents_without_a_word_of_the_query_are_never_returned(engine):
    assert ids(search(FIVE, "plum", 5, engine=engine)) == ["long"]
    assert ids(search({**FIVE, "blank": "", "stop": "the of and"}, "plum", 7, engine=engine)) == ["long"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("texts", [{}, {"a": ""}, {"a": "", "b": "the"}, {"a": "?", "b": " "}], ids=str)
def test_a_corpus_without_words_is_searched_in_vain(texts, engine):
    for query in ("apple", "", "the"):
        assert search(texts, query, 3, engine=engine) == []


def test_a_corpus_of_one_document():
    (found,) = search({"only": "apple banana"}, "apple", 3)
    assert found == ("only", pytest.approx(math.log(1 + 0.5 / 1.5) / 2.5, abs=1e-4))


@pytest.mark.parametrize("texts", [{"a": "apple"}, {"a": "apple", "b": "plum"}, {"a": "apple", "b": "apple"}], ids=str)
def test_rank_bm25_gives_no_score_above_0_in_a_corpus_of_one_or_two(texts):
    """A word in half of the documents or more weighs nothing, or less, by Robertson's idf."""
    assert search(texts, "apple", 3, engine="rank-bm25") == []
    assert "a" in ids(search(texts, "apple", 3))


@pytest.mark.parametrize("engine", ENGINES)
def test_titles_are_searched(engine):
    found = search({"a": "apple", "b": "banana", "c": "cherry"}, "lemon", 3, titles={"b": "Lemon"}, engine=engine)
    assert ids(found) == ["b"]


LETTERS = st.lists(st.sampled_from(["apple", "plum", "the", "Apple!", "", "x"]), max_size=4).map(" ".join)


@pytest.mark.parametrize("engine", ENGINES)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), LETTERS, max_size=6), LETTERS, st.integers(1, 8))
def test_any_corpus_and_query_give_a_sorted_list_of_documents_that_share_a_word(engine, texts, query, k):
    found = search(texts, query, k, engine=engine)
    assert found == sorted(found, key=lambda hit: (-hit[1], hit[0]))
    assert len(found) <= k
    assert all(score > 0 for _, score in found)
    assert all({"apple", "plum"} & set(words_of(query)) & set(words_of(texts[doc_id])) for doc_id, _ in found)


@pytest.mark.parametrize("engine", ENGINES)
def test_documents_of_10_mb_and_with_lone_surrogates_are_found(engine):
    texts = {**FIVE, "huge": "quince " * 1_500_000, "blank": "", "half": "melon\ud800 kiwi"}
    assert len(texts["huge"]) > 10_000_000
    assert ids(search(texts, "quince", 9, engine=engine))[:1] == ["huge"]
    assert ids(search(texts, "kiwi", 9, engine=engine)) == ["half"]
    assert "half" in ids(search(texts, "melon \udfff", 9, engine=engine))


def test_every_setting_is_part_of_the_address():
    changes = [{}, {"engine": "rank-bm25"}, {"k1": 1.2}, {"b": 0.5}, {"stopwords": "none"}, {"depth": 9}, {"skip": 1}]
    assert len({fingerprint(Bm25(kind="bm25", **change)) for change in changes}) == 7
