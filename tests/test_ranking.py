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


# Long lists, of which only the best of each group is looked at first


@given(
    st.integers(0, 99), st.integers(1, 700), st.integers(1, 6), st.sampled_from([None, 0.0, 0.25]),
    st.sampled_from(["float32", "float64"]), st.sampled_from([2, 5, 1000]), st.sampled_from([0, 1e-7, 4e-6]),
)  # fmt: skip
def test_the_top_of_a_long_list_is_the_sorted_list_cut_at_k(seed, n, k, above, dtype, levels, jitter):
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, levels, n) / 8 + jitter * rng.integers(-1, 2, n)).astype(dtype)
    doc_ids = [f"d{i * 7919 % 10_007}" for i in range(n)]
    expected = by_definition(dict(zip(doc_ids, scores.astype(np.float64).tolist(), strict=True)), k, above)
    assert TieRanks(doc_ids).top(scores, k, above) == expected


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 63, 64, 500, 1023])
def test_a_score_that_is_not_finite_spoils_no_long_list(broken, at):
    scores = np.arange(1024) / 1024  # all of them in groups, the best in groups of their own
    scores[at] = broken
    doc_ids = [f"d{i:04}" for i in range(1024)]
    best = [i for i in range(1023, 1000, -1) if i != at][:3]
    expected = [(doc_ids[i], round(i / 1024, 5)) for i in best]
    assert TieRanks(doc_ids).top(scores, 3) == expected


def test_ties_that_rounding_makes_across_groups_go_by_doc_id():
    scores = np.full(640, 0.123456)
    scores[600] = 0.1234604  # the best of its group, and yet no better once rounded
    scores[639] = 0.1234551
    doc_ids = [f"d{639 - i:03}" for i in range(640)]
    assert TieRanks(doc_ids).top(scores, 2) == [("d000", 0.12346), ("d001", 0.12346)]


@pytest.mark.parametrize(("k", "expected"), [(1, [("a", 2.0)]), (3, [("a", 2.0), ("b", 1.0)])])
def test_fewer_qualify_than_are_wanted(k, expected):
    assert TieRanks(["b", "c", "a"]).top(np.array([1.0, 0.0, 2.0]), k, above=0.0) == expected


def test_no_documents_have_no_best():
    assert TieRanks([]).top(np.array([]), 3) == []


def test_every_document_has_its_place_in_the_order_of_ids():
    assert TieRanks(["c", "a", "d", "b"]).rank.tolist() == [2, 0, 3, 1]
