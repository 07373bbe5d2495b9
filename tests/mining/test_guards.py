"""Guards: what may not be a negative of a query, decided from texts and judgements alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syneg_data.collection import Collection, Document
from syneg_data.mining.candidates import unite
from syneg_data.mining.guards import Guards, find_echoes, find_twins
from syneg_data.records import Echo, Twin
from syneg_data.spec import fingerprint
from syneg_data.texts.near import shingles


def collection(texts, query="does apple help", grades=None, titles=None):
    documents = {doc_id: Document(doc_id, text, (titles or {}).get(doc_id, "")) for doc_id, text in texts.items()}
    return Collection(documents, {"q": query}, {"q": {"pos": 1} if grades is None else grades}, "digest")


def reasons(corpus, *doc_ids, near_duplicate=0.9):
    """Why each is refused, of all documents if none is named."""
    guards = Guards(near_duplicate=near_duplicate).open(corpus, find_twins(corpus)).of_query("q")
    return {doc_id: guards.reason(doc_id) for doc_id in doc_ids or corpus.documents}


# Twins


def test_documents_of_one_normalised_text_are_twins_of_the_lowest_id():
    corpus = collection(
        {
            "c": "Apples, help!",
            "b": "apples\thelp",
            "e": "APPLES\u00a0HELP\n",
            "a": "caf\u00e9 (open)",
            "d": "Cafe\u0301 open.",
            "f": "help apples",
            "g": "applés help",
        }
    )
    assert find_twins(corpus) == [Twin("c", "b"), Twin("d", "a"), Twin("e", "b")]


def test_a_title_is_part_of_the_text_that_twins_share():
    corpus = collection({"a": "apples help", "b": "help", "c": "help"}, titles={"b": "Apples"})
    assert find_twins(corpus) == [Twin("b", "a")]


def test_ids_are_compared_as_text():
    assert find_twins(collection({"9": "x", "10": "x", "d": "x", "D": "x"})) == [
        Twin("9", "10"),
        Twin("D", "10"),
        Twin("d", "10"),
    ]


@pytest.mark.parametrize("text", ["", " \n\t", "...", "—?!«»", "\0\x07", "\u2028\u200b", "\ud800"])
def test_a_document_without_a_word_is_a_twin_of_nothing(text):
    corpus = collection({"b": text, "a": text, "c": "word"})
    assert find_twins(corpus) == [Twin("a", None), Twin("b", None)]


def test_symbols_are_text():
    assert find_twins(collection({"a": "+", "b": "<", "c": "+"})) == [Twin("c", "a")]


def test_no_documents_have_no_twins():
    assert find_twins(collection({})) == []


def test_miners_see_every_text_once_under_its_lowest_id():
    corpus = collection({"b": "One.", "d": "two", "a": "one", "c": "?"})
    guards = Guards().open(corpus, find_twins(corpus))
    seen = guards.distinct()
    assert list(seen.documents) == ["d", "a"]
    assert seen.aliases == {"b": "a", "c": None}
    assert [guards.document(doc_id) for doc_id in "abcd"] == ["a", "a", None, "d"]
    assert list(corpus.documents) == ["b", "d", "a", "c"]


WORDS = st.lists(st.sampled_from(["apple", "Apple", "ap-ple", "help", "?", ""]), max_size=3).map(" ".join)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), WORDS))
def test_every_document_is_distinct_a_twin_of_one_that_is_or_without_text(texts):
    corpus = collection(texts, grades={})
    twins = {twin.doc_id: twin.same_as for twin in find_twins(corpus)}
    assert list(twins) == sorted(twins)
    stand = set(texts) - set(twins)
    for doc_id, known in twins.items():
        assert known is None or (known in stand and known < doc_id)
    words = {doc_id: text.replace("-", " ").replace("?", "").lower().split() for doc_id, text in texts.items()}
    assert {doc_id for doc_id in texts if not words[doc_id]} == {d for d, known in twins.items() if known is None}
    assert len({tuple(words[doc_id]) for doc_id in stand}) == len(stand)
    assert all(words[doc_id] == words[known] for doc_id, known in twins.items() if known is not None)


# Positives and their texts


def test_a_positive_is_refused_by_its_id():
    assert reasons(collection({"pos": "apples help", "x": "pears help"})) == {"pos": "positive", "x": ""}


@pytest.mark.parametrize(
    "copy",
    [
        "APPLES cost 3 € (café)",
        "Apples   cost\n3\u00a0€ (café)",
        "Apples cost 3 € (cafe\u0301)",
        "Apples cost: 3 €; café.",
    ],
    ids=["case", "white space", "composition", "punctuation"],
)
def test_the_text_of_a_positive_is_refused_under_any_id(copy):
    """The positive is the twin here: miners know its text as that of the lower id."""
    corpus = collection({"pos": "Apples cost 3 € (café)", "copy": copy})
    assert find_twins(corpus) == [Twin("pos", "copy")]
    assert reasons(corpus, "copy") == {"copy": "text_of_positive"}


def test_a_positive_that_stands_for_its_twins_is_refused_as_positive():
    corpus = collection({"pos": "apples help", "twin": "Apples help.", "z": "x"})
    assert find_twins(corpus) == [Twin("twin", "pos")]
    assert "twin" not in Guards().open(corpus, find_twins(corpus)).distinct().documents
    assert reasons(corpus, "pos", "z") == {"pos": "positive", "z": ""}


def test_the_text_of_any_positive_is_refused():
    texts = {"p1": "one", "p2": "two", "a": "TWO", "b": "three", "p3": "four"}
    assert reasons(collection(texts, grades={"p1": 1, "p2": 2, "p3": 0})) == {
        "p1": "positive",
        "p2": "positive",
        "a": "text_of_positive",
        "b": "",
        "p3": "",
    }


@pytest.mark.parametrize("grade", [0, -1])
def test_a_document_judged_irrelevant_is_no_positive(grade):
    assert reasons(collection({"x": "text", "y": "text"}, grades={"x": grade}), "x") == {"x": ""}


def test_a_document_judged_irrelevant_with_the_text_of_a_positive_is_refused():
    corpus = collection({"pos": "apples help", "judged": "Apples help"}, grades={"pos": 1, "judged": 0})
    assert reasons(corpus, "judged") == {"judged": "text_of_positive"}


def test_a_query_without_positives_refuses_none():
    assert reasons(collection({"a": "one", "b": "two"}, grades={})) == {"a": "", "b": ""}


def test_a_positive_without_text_refuses_nothing_but_itself():
    texts = {"pos": "...", "blank": "", "short": "one"}
    assert reasons(collection(texts)) == {"pos": "positive", "blank": "no_text", "short": ""}


# The text of the query


def test_the_text_of_the_query_is_refused_with_and_without_a_title():
    texts = {
        "pos": "x",
        "bare": "Does apple help?",
        "titled": "DOES APPLE HELP",
        "split": "apple help!",
        "more": "",
        "in": "",
    }
    titles = {"titled": "A question", "split": "Does", "more": "does apple help", "in": "so does apple help"}
    corpus = collection(texts, titles=titles)
    guards = Guards().open(corpus, []).of_query("q")
    assert {doc_id: guards.reason(doc_id) for doc_id in texts} == {
        "pos": "positive",
        "bare": "text_of_query",
        "titled": "text_of_query",
        "split": "text_of_query",
        "more": "text_of_query",
        "in": "",
    }


def test_echoes_are_the_documents_with_the_text_of_a_query():
    texts = {"c": "apples help", "b": "Apples\u00a0help!", "a": "help", "x": "why?", "z": "does it help"}
    documents = {
        doc_id: Document(doc_id, text, {"a": "Apples", "x": "Do"}.get(doc_id, "")) for doc_id, text in texts.items()
    }
    queries = {"q2": "apples help?", "q1": "Why", "q3": "APPLES HELP", "q4": "?", "q5": "pears help"}
    corpus = Collection(documents, queries, {}, "digest")
    assert find_echoes(corpus) == [
        Echo("q1", "x"),
        *(Echo("q2", doc_id) for doc_id in "abc"),
        *(Echo("q3", doc_id) for doc_id in "abc"),
    ]
    assert find_echoes(collection({})) == []


def test_guards_find_twins_and_echoes_themselves_unless_they_are_given():
    corpus = collection({"pos": "apples help", "a": "Apples help", "echo": "Does apple help?", "b": "two"})
    opened = Guards().open(corpus)
    assert list(opened.distinct().documents) == ["a", "echo", "b"]
    verdicts = [opened.of_query("q").reason(doc_id) for doc_id in ("a", "echo", "b")]
    assert verdicts == ["text_of_positive", "text_of_query", ""]
    told = Guards().open(corpus, [], [Echo("q", "b")])
    assert list(told.distinct().documents) == ["pos", "a", "echo", "b"]
    assert [told.of_query("q").reason(doc_id) for doc_id in ("pos", "echo", "b")] == ["positive", "", "text_of_query"]


def test_a_title_alone_is_not_the_text_of_the_query():
    corpus = collection({"pos": "x", "a": "and why"}, titles={"a": "does apple help"})
    assert reasons(corpus, "a") == {"a": ""}


def test_a_query_of_punctuation_is_the_text_of_nothing():
    corpus = collection({"pos": "x", "blank": "", "dots": "...", "titled": ""}, query="?!", titles={"titled": "Why"})
    guards = Guards().open(corpus, []).of_query("q")
    assert {doc_id: guards.reason(doc_id) for doc_id in ("blank", "dots", "titled")} == {
        "blank": "",
        "dots": "",
        "titled": "",
    }


def test_a_positive_that_is_the_text_of_the_query_is_a_positive_first():
    corpus = collection({"pos": "does apple help", "a": "Does apple help?"})
    assert reasons(corpus, "pos", "a") == {"pos": "positive", "a": "text_of_positive"}


# Near-duplicates

TWELVE = "one two three four five six seven eight nine ten eleven twelve"  # ten sequences of three words


@pytest.mark.parametrize(
    ("text", "threshold", "near"),
    [
        (TWELVE + " thirteen", 0.91, False),  # 10 of 11 sequences: 0.909
        (TWELVE + " thirteen", 0.9, True),
        (TWELVE.removesuffix(" twelve"), 0.91, False),  # 9 of 10
        (TWELVE.removesuffix(" twelve"), 0.9, True),  # just at the threshold
        (TWELVE.removesuffix(" twelve"), 0.89, True),
        (TWELVE.replace("seven", "7"), 0.6, False),  # 7 of 13: 0.538
        (TWELVE.replace("seven", "7"), 0.5, True),
        (TWELVE.replace("six seven", "seven six"), 0.5, False),  # 6 of 14: all words there, in another order
        ("ONE, two: three four-five six seven eight (nine) ten eleven thirteen", 0.8, True),  # 9 of 11: 0.818
        ("ONE, two: three four-five six seven eight (nine) ten eleven thirteen", 0.82, False),
    ],
)
def test_texts_that_share_most_sequences_of_three_words_are_near_duplicates(text, threshold, near):
    corpus = collection({"pos": TWELVE, "x": text})
    expected = "near_duplicate_of_positive" if near else ""
    assert reasons(corpus, "x", near_duplicate=threshold) == {"x": expected}
    swapped = collection({"pos": text, "x": TWELVE})
    assert reasons(swapped, "x", near_duplicate=threshold) == {"x": expected}


@pytest.mark.parametrize(("common", "union"), [(14, 25), (7, 12), (9, 10), (10, 13), (29, 50), (57, 100)])
def test_a_text_just_at_the_threshold_is_a_near_duplicate_whatever_the_threshold(common, union):
    """0.56 * 25 is more than 14 in floating point."""
    numbers = [str(i) for i in range(union + 2)]
    corpus, threshold = collection({"pos": " ".join(numbers[: common + 2]), "x": " ".join(numbers)}), common / union
    assert reasons(corpus, "x", near_duplicate=threshold) == {"x": "near_duplicate_of_positive"}
    assert reasons(corpus, "x", near_duplicate=threshold + 1e-6) == {"x": ""}


def test_a_near_duplicate_of_any_positive_is_refused():
    corpus = collection({"p1": "apples", "p2": TWELVE, "x": TWELVE + " thirteen"}, grades={"p1": 2, "p2": 1})
    assert reasons(corpus, "x") == {"x": "near_duplicate_of_positive"}
    corpus = collection({"p1": "apples", "p2": TWELVE, "x": TWELVE + " thirteen"}, grades={"p1": 2, "p2": 0})
    assert reasons(corpus, "x") == {"x": ""}


def test_a_near_duplicate_of_a_positive_that_is_a_twin_is_refused():
    corpus = collection({"pos": TWELVE, "a": TWELVE.upper(), "x": TWELVE + " thirteen"})
    assert reasons(corpus, "a", "x") == {"a": "text_of_positive", "x": "near_duplicate_of_positive"}


def test_without_a_threshold_near_duplicates_are_kept_and_exact_ones_are_not():
    corpus = collection({"pos": TWELVE, "a": TWELVE.upper(), "x": TWELVE + " thirteen"})
    assert reasons(corpus, "a", "x", near_duplicate=None) == {"a": "text_of_positive", "x": ""}


def test_near_duplicates_are_of_like_length():
    """The same three sequences, over and over, make another text."""
    corpus = collection({"pos": "round and about " * 3, "x": "round and about " * 4, "long": "round and about " * 30})
    assert reasons(corpus, "x", "long") == {"x": "near_duplicate_of_positive", "long": ""}


def test_texts_of_less_than_three_words_are_near_no_other():
    corpus = collection({"pos": "red apple", "a": "apple red", "b": "red apples", "c": "red", "d": "red apple pie"})
    assert reasons(corpus, "a", "b", "c", "d", near_duplicate=0.1) == {"a": "", "b": "", "c": "", "d": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {()}),
        ("a", {("a",)}),
        ("a b", {("a", "b")}),
        ("a b c", {("a", "b", "c")}),
        ("a b c d", {("a", "b", "c"), ("b", "c", "d")}),
        ("a a a a", {("a", "a", "a")}),
    ],
)
def test_shingles_are_sequences_of_three_words(text, expected):
    assert shingles(text.split()) == expected


@pytest.mark.parametrize("threshold", [0, 1.01, -0.5, float("nan")])
def test_a_threshold_is_a_share(threshold):
    with pytest.raises(ValidationError):
        Guards(near_duplicate=threshold)


def test_guards_are_part_of_the_address():
    assert Guards() == Guards(near_duplicate=0.9)
    assert len({fingerprint(Guards(near_duplicate=threshold)) for threshold in (None, 0.5, 0.9, 1.0)}) == 4


# Hostile documents


def test_documents_of_10_mb_without_text_and_with_lone_surrogates_are_judged_like_others():
    long = "the longest text of all " * 420_000
    assert len(long) > 10_000_000
    texts = {"pos": long, "blank": "", "half": "one \ud800 two", "b": "one two", "c": f"{long}the longest"}
    corpus = collection(texts, query="does \udfff help")
    assert find_twins(corpus) == [Twin("blank", None), Twin("half", "b")]
    assert reasons(corpus, "b", "c") == {"b": "", "c": "near_duplicate_of_positive"}


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), st.text()), st.text(), st.data())
def test_any_text_gets_a_verdict(texts, query, data):
    positives = data.draw(st.sets(st.sampled_from(sorted(texts)))) if texts else set()
    corpus = collection(texts, query=query, grades=dict.fromkeys(positives, 1))
    guards = Guards().open(corpus, find_twins(corpus))
    ranked = [(doc_id, 1.0) for doc_id in guards.distinct().documents]
    found = unite("q", {"bm25": ranked}, {"bm25": 0}, guards)
    assert sorted(c.doc_id for c in found) == sorted(doc_id for doc_id, _ in ranked)
    known = {"", "positive", "text_of_positive", "text_of_query", "near_duplicate_of_positive"}
    assert {c.reason for c in found} <= known
    assert {c.doc_id for c in found if c.reason == "positive"} == {doc_id for doc_id, _ in ranked} & positives
