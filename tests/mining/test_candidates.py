"""From ranked lists to candidates: the window of ranks, the union, and a row for everything in a window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.mining.candidates import Source, mine_queries, unite
from syneg_data.mining.guards import Guards, find_twins
from syneg_data.records import Candidate, Hit


class Ranking:
    """An Index that holds a ranked list for each query; scores fall by one from rank to rank."""

    def __init__(self, *doc_ids, **others):
        self.ranked = {"q": doc_ids, **others}
        self.asked = []

    def search(self, query_ids, k):
        self.asked.append((list(query_ids), k))
        return [[(doc_id, 100.0 - i) for i, doc_id in enumerate(self.ranked[query_id])][:k] for query_id in query_ids]


def guards_over(texts, positives=("pos",), query="does apple help", near_duplicate=0.9):
    documents = {doc_id: Document(doc_id, text) for doc_id, text in texts.items()}
    collection = Collection(documents, {"q": query}, {"q": dict.fromkeys(positives, 1)}, "digest")
    return Guards(near_duplicate=near_duplicate).open(collection, find_twins(collection))


def mine(guards, *sources, query_ids=("q",)):
    return mine_queries(query_ids, [Source(*source) for source in sources], guards)


def fates(candidates):
    return [(c.doc_id, c.reason) for c in candidates]


PLAIN = {"pos": "apples help", "a": "one", "b": "two", "c": "three", "d": "four"}


def test_what_guards_refuse_keeps_its_row_and_its_rank():
    texts = {"pos": "Apples help.", "echo": "Does apple help?", "good": "Pears help", "zero": "Plums"}
    candidates = mine(guards_over(texts), ("bm25", 0, 4, Ranking("pos", "echo", "good", "zero")))
    assert candidates == [
        Candidate("q", "pos", (Hit("bm25", 1, 100.0),), "positive"),
        Candidate("q", "echo", (Hit("bm25", 2, 99.0),), "text_of_query"),
        Candidate("q", "good", (Hit("bm25", 3, 98.0),), ""),
        Candidate("q", "zero", (Hit("bm25", 4, 97.0),), ""),
    ]


# Windows of ranks


@pytest.mark.parametrize(
    ("skip", "depth", "expected"),
    [
        (0, 2, [("a", 1), ("pos", 2)]),
        (1, 2, [("pos", 2), ("b", 3)]),
        (2, 1, [("b", 3)]),
        (3, 9, [("c", 4), ("d", 5)]),
        (5, 9, []),
        (99, 1, []),
    ],
)
def test_a_window_is_cut_from_the_ranks_of_the_search(skip, depth, expected):
    ranking = Ranking("a", "pos", "b", "c", "d")
    candidates = mine(guards_over(PLAIN), ("bm25", skip, depth, ranking))
    assert [(c.doc_id, c.sources[0].rank) for c in candidates] == expected
    assert ranking.asked == [(["q"], skip + depth)]


def test_no_filter_moves_the_window():
    """mine_hard_negatives skips ranks of what its filters left (measured): of these it would keep c and d alone."""
    texts = {"pos": "apples help", "twin": "APPLES help!", "a": "one", "b": "two", "c": "three", "d": "four"}
    ranking = Ranking("pos", "a", "b", "c", "d")
    kept = [c for c in mine(guards_over(texts), ("dense", 2, 3, ranking)) if not c.reason]
    assert [c.doc_id for c in kept] == ["b", "c", "d"]
    assert [c.sources[0].rank for c in kept] == [3, 4, 5]


def test_a_window_full_of_refused_ones_is_not_refilled():
    texts = {**{f"p{i}": f"text {i}" for i in range(3)}, "a": "one", "b": "two"}
    guards = guards_over(texts, positives=("p0", "p1", "p2"))
    assert fates(mine(guards, ("bm25", 0, 4, Ranking("p1", "p0", "p2", "a", "b")))) == [
        ("p1", "positive"),
        ("p0", "positive"),
        ("p2", "positive"),
        ("a", ""),
    ]


def test_a_list_that_is_shorter_than_the_window_is_taken_whole():
    assert fates(mine(guards_over(PLAIN), ("bm25", 0, 9, Ranking("pos", "a")))) == [("pos", "positive"), ("a", "")]
    assert mine(guards_over(PLAIN), ("bm25", 0, 9, Ranking())) == []
    assert mine(guards_over(PLAIN)) == []


# Union


def test_the_union_keeps_the_hits_of_all_miners_in_their_order_best_rank_first():
    bm25, dense = ("bm25", 0, 3, Ranking("a", "b", "d")), ("dense", 0, 4, Ranking("pos", "c", "a", "d"))
    assert mine(guards_over(PLAIN), bm25, dense) == [
        Candidate("q", "a", (Hit("bm25", 1, 100.0), Hit("dense", 3, 98.0)), ""),
        Candidate("q", "pos", (Hit("dense", 1, 100.0),), "positive"),
        Candidate("q", "b", (Hit("bm25", 2, 99.0),), ""),
        Candidate("q", "c", (Hit("dense", 2, 99.0),), ""),
        Candidate("q", "d", (Hit("bm25", 3, 98.0), Hit("dense", 4, 97.0)), ""),
    ]


def test_a_hit_outside_a_miners_window_is_no_hit():
    candidates = mine(guards_over(PLAIN), ("bm25", 1, 1, Ranking("a", "b")), ("dense", 0, 2, Ranking("a", "b", "c")))
    assert [(c.doc_id, c.sources) for c in candidates] == [
        ("a", (Hit("dense", 1, 100.0),)),
        ("b", (Hit("bm25", 2, 99.0), Hit("dense", 2, 99.0))),
    ]


def test_queries_come_in_the_order_asked_each_with_its_own_lists_and_guards():
    documents = {doc_id: Document(doc_id, text) for doc_id, text in PLAIN.items()}
    qrels = {"q": {"pos": 1}, "r": {"a": 1, "b": 1}, "s": {"c": 0}}
    collection = Collection(documents, {"q": "one thing", "r": "another", "s": "four"}, qrels, "digest")
    ranking = Ranking("pos", "a", r=("b", "pos"), s=("c", "d"))
    guards = Guards().open(collection, [])
    candidates = mine(guards, ("bm25", 0, 2, ranking), query_ids=("r", "s", "q"))
    assert [(c.query_id, c.doc_id, c.reason) for c in candidates] == [
        ("r", "b", "positive"),
        ("r", "pos", ""),
        ("s", "c", ""),
        ("s", "d", "text_of_query"),
        ("q", "pos", "positive"),
        ("q", "a", ""),
    ]
    assert ranking.asked == [(["r", "s", "q"], 2)]


LISTS = st.lists(st.sampled_from([f"d{i}" for i in range(15)]), unique=True)
WINDOW = st.tuples(st.integers(0, 6), st.integers(1, 8))


@given(LISTS, WINDOW, LISTS, WINDOW, st.sets(st.sampled_from([f"d{i}" for i in range(15)])))
def test_rows_are_the_union_of_the_windows_and_nothing_is_lost(first, window, second, other, positives):
    guards = guards_over({f"d{i}": f"text {i}" for i in range(15)}, positives=tuple(positives))
    lists = {"one": [(d, float(-i)) for i, d in enumerate(first)], "two": [(d, -2.0 * i) for i, d in enumerate(second)]}
    lists["one"], lists["two"] = lists["one"][: sum(window)], lists["two"][: sum(other)]
    candidates = unite("q", lists, {"one": window[0], "two": other[0]}, guards)
    expected = {}
    for rank, doc_id in enumerate(first, start=1):
        if window[0] < rank <= sum(window):
            expected.setdefault(doc_id, []).append(Hit("one", rank, 1.0 - rank))
    for rank, doc_id in enumerate(second, start=1):
        if other[0] < rank <= sum(other):
            expected.setdefault(doc_id, []).append(Hit("two", rank, 2.0 - 2.0 * rank))
    assert {c.doc_id: list(c.sources) for c in candidates} == expected
    assert len(candidates) == len(expected)
    assert {c.doc_id for c in candidates if c.reason} == positives & set(expected)
    assert {c.reason for c in candidates} <= {"", "positive"}
    best = [(min(hit.rank for hit in c.sources), c.doc_id) for c in candidates]
    assert best == sorted(best)
