"""Exact nearest neighbours: equal to a plain float64 search, to the last tie, in whatever memory."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from syneg_data.encoders.nearest import SLACK, nearest
from syneg_data.encoders.vectors import Vectors
from syneg_data.ranking import TieRanks

BUDGETS = st.sampled_from([None, 1, 20_000, 200_000, 400_000])
# Levels of an eighth make sums exact and ties many; a jitter of 1e-7 is less than the fifth decimal, 3e-6 is near it.
VALUES = st.builds(
    lambda level, jitter: level / 8 + jitter, st.integers(-3, 3), st.sampled_from([0, 0, 0, 1e-7, -1e-7, 3e-6])
)


def names(n):
    """Ids whose order is not that of the rows."""
    return [f"d{i * 7919 % 10_007}" for i in range(n)]


def plain(queries, corpus, doc_ids, k):
    """By definition: the inner product in float64, rounded to five decimals; the best first, ties by id."""
    found = []
    for query in queries.tolist():
        scores = [round(math.fsum(a * b for a, b in zip(row, query, strict=True)), 5) for row in corpus.tolist()]
        found.append(sorted(zip(doc_ids, scores, strict=True), key=lambda hit: (-hit[1], hit[0]))[:k])
    return found


def plain_array(queries, corpus, doc_ids, k):
    """The same for more rows than a loop likes."""
    found = []
    for scores in np.round(queries.astype(np.float64) @ corpus.astype(np.float64).T, 5).tolist():
        found.append(sorted(zip(doc_ids, scores, strict=True), key=lambda hit: (-hit[1], hit[0]))[:k])
    return found


class Counted(Vectors):
    """Vectors that count how many rows were read in blocks, hence how often the corpus was searched."""

    read_rows = 0

    def read(self, start, stop):
        self.read_rows += stop - start
        return super().read(start, stop)


def passes(queries, corpus, k, max_memory=None):
    """What is found, and how often the corpus was read from end to end."""
    counted = Counted.of(corpus)
    doc_ids = names(len(corpus))
    found = nearest(queries, counted, TieRanks(doc_ids), k, max_memory)
    assert found == plain_array(queries, corpus, doc_ids, k)
    return counted.read_rows / len(corpus)


def unit(rng, n, dimension):
    rows = rng.standard_normal((n, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=60)
@given(st.data())
def test_lists_are_those_of_a_plain_search(data):
    dimension = data.draw(st.integers(1, 5))
    corpus = data.draw(arrays.arrays(np.float32, (data.draw(st.integers(0, 60)), dimension), elements=VALUES))
    queries = data.draw(arrays.arrays(np.float32, (data.draw(st.integers(0, 5)), dimension), elements=VALUES))
    k, budget = data.draw(st.integers(1, 70)), data.draw(BUDGETS)
    doc_ids = names(len(corpus))
    found = nearest(queries, Vectors.of(corpus), TieRanks(doc_ids), k, budget)
    assert found == plain(queries, corpus, doc_ids, k)


KINDS = {
    "apart": lambda rng, n: unit(rng, n, 16),
    "every vector three times": lambda rng, n: np.repeat(unit(rng, n // 3, 16), 3, axis=0),
    "few vectors": lambda rng, n: unit(rng, 7, 16)[rng.integers(0, 7, n)],
    "nearly one vector": lambda rng, n: unit(rng, 1, 16) + np.float32(2e-7) * rng.integers(-2, 3, (n, 16)),
    "one vector": lambda rng, n: np.repeat(unit(rng, 1, 16), n, axis=0),
    "no length": lambda rng, n: np.zeros((n, 16), np.float32),
    "best ones last": lambda rng, n: np.sort(unit(rng, n, 16), axis=0),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8)
@given(st.integers(0, 99), st.integers(300, 4000), st.sampled_from([1, 2, 10, 300]), BUDGETS)
def test_lists_are_those_of_a_plain_search_over_many_blocks(kind, seed, n, k, budget):
    rng = np.random.default_rng(seed)
    corpus = KINDS[kind](rng, n).astype(np.float32)
    queries = np.concatenate([unit(rng, 2, 16), corpus[:1]])
    doc_ids = names(len(corpus))
    found = nearest(queries, Vectors.of(corpus), TieRanks(doc_ids), k, budget)
    assert found == plain_array(queries, corpus, doc_ids, k)


@settings(max_examples=15)
@given(st.randoms(use_true_random=False), st.sampled_from(list(KINDS)), BUDGETS)
def test_the_order_of_the_documents_does_not_show(draw, kind, budget):
    rng = np.random.default_rng(draw.randrange(100))
    corpus, queries, doc_ids = KINDS[kind](rng, 400).astype(np.float32), unit(rng, 3, 16), names(400)
    corpus, doc_ids = corpus[: len(doc_ids)], doc_ids[: len(corpus)]
    shuffled = draw.sample(range(len(corpus)), len(corpus))
    before = nearest(queries, Vectors.of(corpus), TieRanks(doc_ids), 10, budget)
    ranks = TieRanks([doc_ids[row] for row in shuffled])
    assert nearest(queries, Vectors.of(corpus[shuffled]), ranks, 10, budget) == before


def test_vectors_may_lie_in_many_shards():
    rng = np.random.default_rng(13)
    shards = [unit(rng, n, 8) for n in (5, 1, 300, 60)]
    rows = [(shard, row) for shard, part in enumerate(shards) for row in range(len(part))]
    rng.shuffle(rows)
    shard, row = np.array(rows).T
    corpus = np.stack([shards[s][r] for s, r in rows])
    queries, doc_ids = unit(rng, 6, 8), names(len(rows))
    for budget in (None, 1):
        found = nearest(queries, Vectors(shards, shard, row), TieRanks(doc_ids), 9, budget)
        assert found == plain(queries, corpus, doc_ids, 9)


# Which way the result was found


def test_documents_that_are_apart_are_searched_once():
    rng = np.random.default_rng(13)
    corpus, queries = unit(rng, 3000, 32), unit(rng, 40, 32)
    assert passes(queries, corpus, 10) == 1
    assert passes(queries, corpus, 10, max_memory=1) == 40  # a block of queries of which one fits


def test_documents_that_are_all_alike_are_searched_again_for_every_query():
    rng = np.random.default_rng(13)
    corpus = np.repeat(unit(rng, 1, 32), 500, axis=0)
    assert passes(unit(rng, 3, 32), corpus, 10) == 1 + 3


def test_only_the_queries_that_need_it_are_searched_again():
    rng = np.random.default_rng(13)
    corpus = unit(rng, 3000, 32)
    corpus[100 : 100 + 10 + SLACK] = corpus[100]
    assert passes(np.concatenate([unit(rng, 5, 32), corpus[100:101]]), corpus, 10) == 1 + 1


def test_ties_within_the_shortlist_need_no_second_search():
    rng = np.random.default_rng(13)
    corpus = unit(rng, 3000, 32)
    corpus[100 : 100 + 10 + SLACK - 1] = corpus[100]
    assert passes(corpus[100:101], corpus, 10) == 1


def test_a_corpus_no_longer_than_the_shortlist_is_searched_once():
    corpus = np.ones((10 + SLACK, 4), np.float32) / 2
    assert passes(corpus[:2], corpus, 10) == 1


def test_a_difference_that_float32_does_not_see_is_seen():
    """Scores of 0.500005 and a little more or less: in float32 one number, but they round to different ones."""
    base = np.float32(0.5)
    better = np.array([base, np.float32(0.0000050001)], np.float32)
    worse = np.array([base, np.float32(0.0000049999)], np.float32)
    assert np.float32(better.sum()) == np.float32(worse.sum())
    corpus = np.stack([worse] * 40 + [better] + [worse] * 40)
    found = nearest(np.ones((1, 2), np.float32), Vectors.of(corpus), TieRanks([f"d{i:02}" for i in range(81)]), 2)
    assert found == [[("d40", 0.50001), ("d00", 0.5)]]


def test_the_lowest_of_many_equal_ids_is_found_wherever_it_is():
    corpus = np.ones((2000, 2), np.float32)
    doc_ids = [f"d{i:04}" for i in range(2000)][::-1]
    (found,) = nearest(np.ones((1, 2), np.float32), Vectors.of(corpus), TieRanks(doc_ids), 3)
    assert found == [("d0000", 2.0), ("d0001", 2.0), ("d0002", 2.0)]


# Edges


@pytest.mark.parametrize("k", [1, 5, 100])
def test_nothing_is_found_where_nothing_is(k):
    empty = Vectors.of(np.empty((0, 3), np.float32))
    assert nearest(np.ones((2, 3), np.float32), empty, TieRanks([]), k) == [[], []]
    assert nearest(np.empty((0, 3), np.float32), Vectors.of(np.ones((2, 3), np.float32)), TieRanks(["a", "b"]), k) == []


def test_more_than_there_are_gives_all_of_them():
    corpus = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    expected = [[("c", 1.0), ("a", 0.75), ("b", 0.25)]]
    for k in (3, 4, 1000):
        assert nearest(np.array([[0.75, 0.25]], np.float32), Vectors.of(corpus), TieRanks(list("abc")), k) == expected


def test_scores_are_python_floats_rounded_to_five_decimals():
    ((found,),) = nearest(np.array([[0.1]], np.float32), Vectors.of(np.array([[0.7]], np.float32)), TieRanks(["a"]), 1)
    assert found == ("a", 0.07)
    assert type(found[1]) is float


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_show(threads):
    import torch

    rng = np.random.default_rng(13)
    corpus, queries, doc_ids = unit(rng, 5000, 64), unit(rng, 200, 64), names(5000)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = nearest(queries, Vectors.of(corpus), TieRanks(doc_ids), 20)
    finally:
        torch.set_num_threads(before)
    assert found == plain_array(queries, corpus, doc_ids, 20)


def precisions():
    import torch

    return torch.backends.cuda.matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision


@pytest.mark.parametrize("how", ["for all", "one by one"])
def test_products_are_computed_in_full_whatever_the_process_was_told(how):
    import torch

    class Listening(Vectors):
        def read(self, start, stop):
            seen.append(precisions())
            return super().read(start, stop)

    rng, seen, first = np.random.default_rng(5), [], precisions()
    corpus, queries, doc_ids = unit(rng, 3000, 64), unit(rng, 20, 64), names(3000)
    try:
        if how == "for all":
            torch.set_float32_matmul_precision("medium")
        else:
            torch.backends.cuda.matmul.fp32_precision = "tf32"
            torch.backends.mkldnn.matmul.fp32_precision = "bf16"
        told = precisions()
        found = nearest(queries, Listening.of(corpus), TieRanks(doc_ids), 20)
        assert precisions() == told == ("tf32", "bf16")
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cuda.matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision = first
    assert set(seen) == {("ieee", "ieee")}
    assert found == plain_array(queries, corpus, doc_ids, 20)


def test_a_long_vector_that_float32_misjudges_is_found():
    """It is not on the shortlist, and its error is that of its own length, not of those that are."""
    rng = np.random.default_rng(37)
    query = unit(rng, 1, 64)
    for _ in range(200):
        short, long = unit(rng, 80, 64) * np.float32(0.3), unit(rng, 1, 64)
        long = ((long - (long @ query.T) * query) * np.float32(3e7)).astype(np.float32)  # all but orthogonal
        corpus = np.concatenate([short, long])
        doc_ids = names(len(corpus))
        found = nearest(query, Vectors.of(corpus), TieRanks(doc_ids), 5)
        assert found == plain_array(query, corpus, doc_ids, 5)


def test_vectors_that_may_not_be_written_to_are_searched_without_a_warning():
    program = (
        "import numpy as np\n"
        "from syneg_data.encoders.nearest import nearest\n"
        "from syneg_data.encoders.vectors import Vectors\n"
        "from syneg_data.ranking import TieRanks\n"
        "rows = np.eye(3, dtype=np.float32)\n"
        "rows.setflags(write=False)\n"
        "assert nearest(rows[:1], Vectors.of(rows), TieRanks(list('abc')), 1) == [[('a', 1.0)]]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
