"""Shares with intervals that know that rows of one query are alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.audit.shares import as_percent, median_interval, share, share_interval

ROWS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), min_size=1, max_size=40)


def test_rows_of_different_queries_have_the_interval_of_wilson():
    assert share_interval([(str(i), i < 10) for i in range(100)]) == (0.0552, 0.1744)
    assert share_interval([(str(i), False) for i in range(100)]) == (0.0, 0.037)
    assert share_interval([(str(i), True) for i in range(10)]) == (0.7225, 1.0)


def test_rows_that_repeat_what_their_query_says_are_worth_one_each():
    alone = share_interval([(str(i), i < 10) for i in range(100)])
    repeated = share_interval([(str(i), i < 10) for i in range(100) for _ in range(8)])
    assert repeated == pytest.approx(alone, abs=0.002)
    assert share_interval([(str(i), False) for i in range(100) for _ in range(8)]) == (0.0, 0.037)


@given(ROWS)
def test_a_share_lies_within_its_interval(rows):
    low, high = share_interval(rows)
    value = sum(hit for _, hit in rows) / len(rows)
    assert 0 <= low <= value + 1e-4
    assert value - 1e-4 <= high <= 1


@given(ROWS, st.randoms())
def test_the_order_of_rows_changes_nothing(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert share_interval(rows) == pytest.approx(share_interval(shuffled), abs=1e-9)


def test_a_share_is_told_in_words():
    told = share("x", "texts", [("a", True), ("b", False), ("b", False)], lambda t: f"{t} things.", "No things.")
    assert (told.value, told.n, told.sentence) == (0.3333, 3, "1 of 3 (33.3 %) things.")
    none = share("x", "texts", [("a", False)], lambda t: f"{t} things.", "No things.")
    assert (none.value, none.sentence) == (0.0, "None of 1 things.")
    assert share("x", "texts", [], lambda t: t, "No things.").record() == {
        "name": "x", "group": "texts", "value": None, "low": None, "high": None, "n": 0, "sentence": "No things.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "0 %"), (0.0004, "under 0.1 %"), (0.123, "12.3 %"), (0.5, "50 %"), (0.9999, "over 99.9 %"), (1.0, "100 %")],
)
def test_percent(value, told):
    assert as_percent(value) == told


def test_the_median_and_its_interval_over_queries():
    rows = [(str(i % 50), float(i % 50)) for i in range(1000)]
    median, low, high = median_interval(rows, 7)
    assert median == 24.0
    assert 10 < low < 20 < 28 < high < 40  # of 50 queries; of 1,000 rows of their own it would be 23 to 26
    assert median_interval(rows, 7) == (median, low, high)
    assert median_interval([("a", 3.0)], 7) == (3.0, 3.0, 3.0)
