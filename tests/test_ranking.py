"""Top-k with one tie rule: score descending, then doc_id ascending."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.ranking import TieRanks

# Few distinct scores (many ties), each with a jitter that rounding to five decimals takes away.
SCORES = st.builds(lambda level, jitter: level / 8 + jitter * 1e-7, st.integers(-3, 3), st.integers(-30, 30))
DOCUMENTS = st.dictionaries(st.text("ab1", min_size=1, max_size=4), SCORES, min_size=1, max_size=40)


def by_definition(scores, k, above=None):
    rounded = [(doc_id, round(score, 5)) for doc_id, score in scores.items()]
    rounded = [(doc_id, score) for doc_id, score in rounded if above is None or score > above]
    return sorted(rounded, key=lambda row: (-row[1], row[0]))[:k]


@given(DOCUMENTS, st.integers(1, 45), st.sampled_from([None, -0.125, 0.0, 0.25, 9.0]))
def test_top_is_the_sorted_list_cut_at_k(scores, k, above):
    top = TieRanks(list(scores)).top(np.array(list(scores.values())), k, above)
    assert top == by_definition(scores, k, above)


def test_ties_go_by_doc_id_at_the_cut():
    ranks = TieRanks(["c", "b", "d", "a", "10", "9"])
    assert ranks.top(np.array([1.0, 1.0, 2.0, 1.0, 1.0, 1.0]), 4) == [("d", 2.0), ("10", 1.0), ("9", 1.0), ("a", 1.0)]


def test_a_difference_below_five_decimals_is_a_tie():
    ranks = TieRanks(["b", "a", "c"])
    assert ranks.top(np.array([0.500001, 0.5, 0.50002]), 3) == [("c", 0.50002), ("a", 0.5), ("b", 0.5)]


def test_above_is_exclusive_and_sees_rounded_scores():
    ranks = TieRanks(["a", "b", "c"])
    assert ranks.top(np.array([0.0, 0.000004, 0.00001]), 3, above=0.0) == [("c", 0.00001)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_of_either_width_give_python_floats(dtype):
    ((doc_id, score),) = TieRanks(["a"]).top(np.array([0.1], dtype=dtype), 5)
    assert (doc_id, score, type(score)) == ("a", 0.1, float)


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_scores_that_are_no_numbers_push_no_document_out(broken):
    scores = np.array([np.nan] * broken + [1.0, 2.0, 3.0])
    assert TieRanks(list("abcdef")[: broken + 3]).top(scores, 2) == [
        ("abcdef"[broken + 2], 3.0),
        ("abcdef"[broken + 1], 2.0),
    ]
