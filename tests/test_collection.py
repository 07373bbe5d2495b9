"""The collection: where ids become texts, and what makes two texts the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document, linked, normalise, sample_order
from syneg_data.errors import InputError


@pytest.fixture
def collection():
    documents = [
        Document("d1", "one", "T"),
        Document("d2", "two"),
        Document("d3", "", "only a title"),
        Document("d10", "ten"),
    ]
    return Collection(
        documents={document.doc_id: document for document in documents},
        queries={"q2": "second", "q1": "first", "q3": "third"},
        qrels={"q1": {"d2": 2, "d10": 1, "d1": 1, "d3": 0}, "q2": {"d3": 1}, "q3": {"d1": -1}},
        digest="0" * 64,
    )


def test_text_is_title_and_text(collection):
    assert [collection.text(doc_id) for doc_id in ("d1", "d2", "d3")] == ["T one", "two", "only a title"]


def test_positives_by_grade_then_id_without_zero_and_negative(collection):
    assert collection.positives("q1") == ["d2", "d1", "d10"]
    assert collection.positives("q3") == []
    assert collection.positives("unknown") == []


def test_pairs_follow_the_order_of_the_queries(collection):
    assert collection.pairs() == [("q2", "d3"), ("q1", "d2"), ("q1", "d1"), ("q1", "d10")]


def test_with_documents_adds_to_a_copy(collection):
    larger = collection.with_documents([Document("s1", "written")])
    assert larger.text("s1") == "written"
    assert list(larger.documents) == ["d1", "d2", "d3", "d10", "s1"]
    assert "s1" not in collection.documents
    assert (larger.queries, larger.qrels, larger.digest) == (collection.queries, collection.qrels, collection.digest)


def test_a_taken_id_is_refused(collection):
    with pytest.raises(InputError, match="document id 'd1' is taken"):
        collection.with_documents([Document("d1", "other")])
    with pytest.raises(InputError, match="document id 's1' is taken"):
        collection.with_documents([Document("s1", "a"), Document("s1", "b")])


def test_with_positives_judges_more_as_the_least_relevant(collection):
    larger = collection.with_positives([("q1", "d3"), ("q2", "d1")])
    assert larger.qrels["q1"] == {"d2": 2, "d10": 1, "d1": 1, "d3": 1}
    assert larger.qrels["q2"] == {"d3": 1, "d1": 1}
    assert larger.positives("q1") == ["d2", "d1", "d10", "d3"]
    assert collection.qrels["q1"]["d3"] == 0
    assert collection.qrels["q2"] == {"d3": 1}


def test_distinct_leaves_out_what_stands_elsewhere_and_remembers_where(collection):
    seen = collection.distinct({"d10": "d1", "d3": None})
    assert list(seen.documents) == ["d1", "d2"]
    assert seen.aliases == {"d10": "d1", "d3": None}
    assert (seen.queries, seen.qrels, seen.digest) == (collection.queries, collection.qrels, collection.digest)
    assert (list(collection.documents), collection.aliases) == (["d1", "d2", "d3", "d10"], {})
    assert seen.positives("q1") == ["d2", "d1", "d10"]  # judgements stay as they are


def test_without_queries_forgets_them_and_their_judgements(collection):
    rest = collection.without_queries({"q1", "q9"})
    assert list(rest.queries) == ["q2", "q3"]
    assert set(rest.qrels) == {"q2", "q3"}
    assert rest.documents == collection.documents
    assert "q1" in collection.queries


def test_sample_order_is_the_contracts_hash():
    assert sample_order("q1", 13) == "19dd2ac7dcdad5b7e858f11097288c7b27c81756bb020096b61f92f30e5d0e5d"


SAME = {
    "case": ("Straße", "STRASSE"),
    "white space": ("a\tb\n c", "a b c"),
    "outer white space": (" a ", "a"),
    "punctuation": ("a, b; (c)!", "a b c"),
    "hyphen": ("T-cell", "t cell"),
    "composition": ("e\u0301", "\u00e9"),
    "line separator": ("a\u2028b", "a b"),
    "control characters": ("a\0b\x07c", "a b c"),
    "typographic quotes": ("\u201ca\u201d", "a"),
    "no-break space": ("a\u00a0b", "a b"),
    "lone surrogates": ("a\ud800b", "a b"),
    "zero width": ("a\u200bb", "a b"),
}
OTHER = {
    "digits": ("1", "2"),
    "accents": ("e", "\u00e9"),
    "symbols": ("a + b", "a b"),
    "order": ("a b", "b a"),
    "joined words": ("ab", "a b"),
}


@pytest.mark.parametrize(("left", "right"), SAME.values(), ids=list(SAME))
def test_normalise_makes_equal(left, right):
    assert normalise(left) == normalise(right)


@pytest.mark.parametrize(("left", "right"), OTHER.values(), ids=list(OTHER))
def test_normalise_keeps_apart(left, right):
    assert normalise(left) != normalise(right)


def test_normalise_of_a_sentence():
    assert normalise("  The “IL-6” receptor (gp130): ≥ 3\u00a0nM!") == "the il 6 receptor gp130 ≥ 3 nm"
    assert normalise("...") == ""


@given(st.text())
def test_normalise_is_idempotent(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.text())
def test_normalise_does_not_see_composition_or_outer_space(text):
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)
    assert normalise(f"\n{text}. ") == normalise(text)


@given(st.text())
def test_normalised_text_is_words_between_single_spaces(text):
    found = normalise(text)
    assert found == " ".join(found.split())
    assert not any(unicodedata.category(char)[0] in "PC" for char in found)


@given(st.text(st.characters(categories=["Lu", "Ll", "Nd"], max_codepoint=0x17F, exclude_characters="ıŉſİ")))
def test_normalise_does_not_see_case(text):
    assert normalise(text.upper()) == normalise(text)


def test_queries_with_a_common_positive_are_linked_and_so_are_those_that_others_link():
    pairs = [("q3", "a"), ("q1", "b"), ("q2", "c"), ("q1", "c"), ("a", "d"), ("q4", "a"), ("q5", "q5")]
    assert linked(pairs) == {"q3": 0, "q1": 1, "q2": 1, "a": 2, "q4": 0, "q5": 3}
    assert linked([]) == {}
