"""Requested against achieved: measures worked out by hand."""

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.generation.achieved import achieved, reading_grade
from syneg_data.records import Attribute, Generation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # 11 letters, 4 words, 1 sentence: 4.71 * 11/4 + 0.5 * 4/1 - 21.43 = 12.9525 + 2 - 21.43
        ("The cat sat on.", -6.4775),
        # 14 letters, 4 words, 2 sentences
        ("Dogs bark. Cats do!", 4.71 * 14 / 4 + 0.5 * 4 / 2 - 21.43),
        # 3 letters, 1 word; without an end it is one sentence: 14.13 + 0.5 - 21.43
        ("cat", -6.8),
        # An ellipsis is one end, a point inside a number none: 12 letters and digits, 5 words, 1 sentence
        ("well... it was 3.14", 4.71 * 12 / 5 + 0.5 * 5 / 1 - 21.43),
    ],
)
def test_the_automated_readability_index(text, expected):
    assert reading_grade(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", " \n", "... !? --"])
def test_a_text_without_words_has_no_grade(text):
    assert reading_grade(text) is None


ENGLISH = "In the evening the fishermen pull their heavy nets to the stony shore of the river."  # 16 words
GERMAN = "Am Abend ziehen die Fischer ihre schweren Netze an das steinige Ufer des Flusses zurück."  # 15 words
CORPUS = Collection(
    {"e": Document("e", ENGLISH), "g": Document("g", GERMAN), "x": Document("x", "a1 b2 c3 d4")}, {}, {}, "digest"
)


def row(text, attributes=(), positive_id="e", state="ok", strategy="syneg", slot=0):
    return Generation(
        "r", "d", "q", positive_id, None, slot, strategy, tuple(Attribute(*pair) for pair in attributes), "negative",
        0, 0, 0, state, "", text, "", 1, 1, 0, 1, "reply",
    )  # fmt: skip


def test_rows_stand_for_strategy_axis_and_value():
    short, dry = ("length", "short"), ("tone", "dry")
    rows = [
        row(ENGLISH, [short, dry]),
        row("", [short], state="copied"),
        row(ENGLISH, [("length", "long")]),
        row(ENGLISH, strategy="graded"),
    ]
    found = [(r["strategy"], r["axis"], r["value"], r["drafts"], r["kept"]) for r in achieved(rows, CORPUS)]
    assert found == [
        ("graded", "(all)", "", 1, 1),
        ("syneg", "(all)", "", 3, 2),
        ("syneg", "length", "long", 1, 1),
        ("syneg", "length", "short", 2, 1),
        ("syneg", "tone", "dry", 1, 1),
    ]


def test_medians_over_what_was_kept():
    half, double = " ".join(ENGLISH.split()[:8]), f"{ENGLISH} {ENGLISH}"
    (found,) = achieved([row(half), row(ENGLISH), row(double), row("ignored " * 90, state="degenerate")], CORPUS)
    grade = 4.71 * 67 / 16 + 0.5 * 16 - 21.43
    assert found["length_ratio"] == 1.0
    assert found["positive_reading_grade"] == round(grade, 3) == 6.293
    assert (found["drafts"], found["kept"]) == (4, 3)
    (found,) = achieved([row(half), row(ENGLISH)], CORPUS)
    assert found["length_ratio"] == 0.75


def test_the_grade_is_that_of_the_texts_beside_that_of_the_positives():
    (found,) = achieved([row("The cats sat down.")], CORPUS)
    assert (found["reading_grade"], found["positive_reading_grade"]) == (-2.945, 6.293)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row(ENGLISH)], 1.0),
        ([row(GERMAN)], 0.0),
        ([row(GERMAN, positive_id="g"), row(ENGLISH, positive_id="g"), row(ENGLISH)], 0.6667),
        ([row(ENGLISH, positive_id="x")], None),
        ([row("a1 b2 c3 d4")], None),
        ([row("a1 b2 c3 d4"), row(GERMAN)], 0.0),
    ],
)
def test_languages_count_where_both_are_certain(rows, expected):
    (found,) = achieved(rows, CORPUS)
    assert found["same_language"] == expected


def test_where_nothing_was_kept_nothing_is_measured():
    (found,) = achieved([row("", state="failed")], CORPUS)
    assert found == {
        "strategy": "syneg", "axis": "(all)", "value": "", "drafts": 1, "kept": 0, "length_ratio": None,
        "reading_grade": None, "positive_reading_grade": None, "same_language": None,
    }  # fmt: skip
    assert achieved([], CORPUS) == []
