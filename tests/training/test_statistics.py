"""Paired comparisons: worked by hand, by their laws, and by simulation of what they promise."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.errors import InputError
from syneg_data.training.statistics import (
    Components,
    Interval,
    design_effect,
    detectable,
    paired_interval,
    reading,
    variance_components,
)

TABLES = st.tuples(st.integers(1, 4), st.integers(2, 12), st.integers(0, 2**32)).map(
    lambda drawn: np.random.default_rng(drawn[2]).normal(size=drawn[:2])
)

ZEROS = 0.6  # share of simulated queries on which two arms never differ
MEAN, VARIANCE = 0.0375, 0.0307366  # of `simulated` over queries: .25/4 - .15/6, .25/10 + .15/21 - .0375^2, by hand


def simulated(random, seeds, queries, *, residual, ratio):
    """A table (seeds, queries): gains and rarer, smaller losses of skewness 1.2, and zeros.

    `residual` is the variance of the rest over VARIANCE; `ratio` is the seed part of the mean's standard deviation
    over the part of the queries.
    """
    draw = random.random(queries)
    gains, losses = random.beta(1, 3, queries), random.beta(1, 5, queries)
    base = np.where(draw < ZEROS, 0.0, np.where(draw < 0.85, gains, -losses))
    differs = base != 0
    rest = random.normal(0, np.sqrt(residual * VARIANCE / (1 - ZEROS)), (seeds, queries))
    seed = random.normal(0, ratio * np.sqrt((1 + residual / seeds) * VARIANCE / queries * seeds), (seeds, 1))
    return base + differs * (rest + seed / (1 - ZEROS))


def test_the_smallest_table_by_hand():
    # Draws of two queries average 1.5, 3 or 4.5. t = 12.7062, z = 1.95996; mean squares: query 9, seed 4, residual 1.
    # Over queries 1.5 * t / z * sqrt(2) = 13.7523; over seeds t * sqrt((4 - 1) / 4) = 11.0039; together 17.6127.
    table = np.array([[1.0, 3.0], [2.0, 6.0]])
    interval = paired_interval(table, resamples=1000)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((3.0, -14.6127, 20.6127), abs=1e-4)
    assert (interval.level, interval.seeds, interval.queries) == (0.95, 2, 2)
    assert interval.covers == "queries and seeds"
    assert variance_components(table) == Components(query=4.0, seed=1.5, residual=1.0)


def test_one_seed_speaks_of_queries_only():
    interval = paired_interval(np.array([[1.0, 3.0]]), resamples=1000)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((2.0, -7.1682, 11.1682), abs=1e-4)
    assert interval.covers == "queries"
    assert variance_components(np.array([[1.0, 3.0]])) == Components(query=2.0, seed=None, residual=0.0)


def test_components_are_never_below_zero():
    components = variance_components(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert components == Components(query=0.0, seed=0.0, residual=4.0)


def test_components_are_unbiased():
    random = np.random.default_rng(5)
    tables = [
        random.normal(0, 0.3, (4, 1)) + random.normal(0, 0.5, (1, 30)) + random.normal(0, 0.4, (4, 30))
        for _ in range(1000)
    ]
    found = [variance_components(table) for table in tables]
    assert np.mean([c.query for c in found]) == pytest.approx(0.25, rel=0.03)
    assert np.mean([c.seed for c in found]) == pytest.approx(0.09, rel=0.08)
    assert np.mean([c.residual for c in found]) == pytest.approx(0.16, rel=0.02)


@given(TABLES, st.floats(-5, 5), st.floats(0.1, 10))
def test_swapped_arms_shifts_and_units(table, shift, unit):
    interval = paired_interval(table, resamples=100)
    swapped = paired_interval(-table, resamples=100)
    assert (swapped.low, swapped.mean, swapped.high) == pytest.approx((-interval.high, -interval.mean, -interval.low))
    moved = paired_interval(table * unit + shift, resamples=100)
    expected = tuple(end * unit + shift for end in (interval.low, interval.mean, interval.high))
    assert (moved.low, moved.mean, moved.high) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(TABLES, st.permutations(range(4)))
def test_the_order_of_seeds_does_not_matter(table, order):
    rows = [row for row in order if row < len(table)]
    ours, theirs = paired_interval(table, resamples=100), paired_interval(table[rows], resamples=100)
    assert (theirs.low, theirs.high) == pytest.approx((ours.low, ours.high))


@given(TABLES)
def test_a_higher_level_is_a_wider_interval(table):
    narrow, wide = paired_interval(table, level=0.8, resamples=200), paired_interval(table, level=0.95, resamples=200)
    assert wide.low <= narrow.low <= narrow.mean <= narrow.high <= wide.high


def test_seeds_that_agree_add_nothing_and_seeds_that_differ_do():
    row = np.random.default_rng(0).normal(size=(1, 40))
    alone, agreed = paired_interval(row), paired_interval(np.repeat(row, 3, axis=0))
    assert (agreed.low, agreed.high) == pytest.approx((alone.low, alone.high))
    differing = paired_interval(np.concatenate([row - 1, row, row + 1]))
    assert differing.mean == pytest.approx(alone.mean)
    # t of 2 degrees of freedom, 4.30265, times 1 / sqrt(3)
    expected = np.hypot(alone.mean - alone.low, 4.30265 / np.sqrt(3))
    assert differing.mean - differing.low == pytest.approx(expected, abs=1e-4)


def test_arms_without_a_difference():
    interval = paired_interval(np.zeros((3, 20)))
    assert (interval.low, interval.mean, interval.high) == (0.0, 0.0, 0.0)
    assert reading(interval) == "no effect found"


def test_the_same_seed_gives_the_same_interval():
    table = np.random.default_rng(0).normal(size=(2, 30))
    assert paired_interval(table, seed=1) == paired_interval(table, seed=1)
    assert paired_interval(table, seed=1) != paired_interval(table, seed=2)


def test_memory_is_bounded():
    table = np.random.default_rng(0).normal(size=(1, 5000))
    tracemalloc.start()
    paired_interval(table, resamples=2000)  # 80 MB of positions if drawn at once
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


@pytest.mark.parametrize("table", [np.zeros(3), np.zeros((0, 3)), np.array([[1.0, np.nan]]), np.zeros((1, 2, 3))])
def test_what_is_no_table_is_refused(table):
    for function in (paired_interval, variance_components):
        with pytest.raises(ValueError, match="a table"):
            function(table)


def test_one_query_is_refused():
    with pytest.raises(InputError, match="comparison: 1 queries; two at least are needed, compare on a larger split"):
        paired_interval(np.ones((3, 1)))


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match="not between 0 and 1"):
        paired_interval(np.ones((1, 3)), level=level)
    with pytest.raises(ValueError, match="not between 0 and 1"):
        detectable(Components(1.0, 1.0, 1.0), 10, 2, level=level)


@pytest.mark.parametrize(
    ("seeds", "queries", "ratio", "trials"),
    [
        (1, 50, 0.0, 2000),
        (2, 50, 0.0, 2000),
        (2, 50, 0.1, 2000),
        (2, 50, 1.0, 2000),
        (3, 50, 0.0, 2000),
        (3, 50, 1.0, 2000),
        (5, 50, 0.1, 2000),
        (5, 50, 1.0, 2000),
        (1, 283, 0.0, 1000),
        (3, 283, 1.0, 1000),
    ],
)
def test_intervals_cover_what_they_say(seeds, queries, ratio, trials):
    random = np.random.default_rng([seeds, queries, int(10 * ratio)])
    covered = 0
    for trial in range(trials):
        table = simulated(random, seeds, queries, residual=0.5, ratio=ratio)
        interval = paired_interval(table, resamples=800, seed=trial)
        covered += interval.low <= MEAN <= interval.high
    assert 0.93 <= covered / trials <= 0.97


@pytest.mark.parametrize(("seeds", "ratio"), [(1, 0.0), (3, 0.0), (3, 1.0)])
def test_intervals_of_queries_that_belong_together_cover_what_they_say(seeds, ratio):
    """60 groups of one to nine queries, 30 % of the variance between groups."""
    random = np.random.default_rng([seeds, int(ratio)])
    covered, blind, trials = 0, 0, 1000
    for trial in range(trials):
        groups = np.repeat(np.arange(60), random.integers(1, 10, 60))
        table = simulated(random, seeds, len(groups), residual=0.5, ratio=ratio)
        table += random.normal(0, np.sqrt(VARIANCE * 0.3 / 0.7), 60)[groups]
        interval = paired_interval(table, resamples=400, seed=trial, groups=groups)
        covered += interval.low <= MEAN <= interval.high
        without = paired_interval(table, resamples=400, seed=trial)
        blind += without.low <= MEAN <= without.high
    assert 0.93 <= covered / trials <= 0.97
    assert blind / trials < covered / trials - 0.02


def test_groups_are_drawn_whole_by_hand():
    # Draws of two of the groups (sum 3 of 1, sum 3 of 2) average 3, 2 (6 / 3) or 1.5.
    table = np.array([[3.0, 1.0, 2.0]])
    assert paired_interval(table, groups=[0, 1, 2], resamples=500) == paired_interval(table, resamples=500)
    interval = paired_interval(table, resamples=1000, groups=[7, 4, 4])
    widening = 12.7062 / 1.959964 * np.sqrt(2)
    assert (interval.mean, interval.low, interval.high) == pytest.approx(
        (2.0, 2 - 0.5 * widening, 2 + 1.0 * widening), abs=1e-3
    )
    assert interval.queries == 3
    # Squared sums of deviations 1 and 1 (-1 + 0), times 2, over the variance 1 of three queries times 3.
    assert design_effect(table, [7, 4, 4]) == pytest.approx(4 / 3)
    assert design_effect(table, [0, 1, 2]) == pytest.approx(1.0)
    assert design_effect(np.zeros((2, 3)), [0, 1, 1]) == 1.0


def test_groups_that_do_not_fit_are_refused():
    for function in (paired_interval, design_effect):
        with pytest.raises(ValueError, match="2 groups for 3 queries; each query needs one"):
            function(np.ones((1, 3)), groups=[0, 1])
        with pytest.raises(InputError, match="all queries belong to one group; two groups at least are needed"):
            function(np.array([[1.0, 2.0, 3.0]]), groups=[5, 5, 5])


@pytest.mark.parametrize(
    ("components", "queries", "seeds", "expected"),
    [
        (Components(0.04, None, 0.0), 100, 1, 0.0565168),  # 0.02 * (1.984217 + 0.841621)
        (Components(0.03, 0.0003, 0.01), 100, 1, 0.0619515),  # 0.02 * 1.984217 + 0.841621 * sqrt(0.0004 + 0.0003)
        (Components(0.0, 5.0, 0.0), 100, 5, 3.76106),  # the t-test of five values: noncentral t of 4 degrees of freedom
        (Components(0.0, 0.0, 0.0), 100, 3, 0.0),
    ],
)
def test_detectable_by_hand(components, queries, seeds, expected):
    assert detectable(components, queries, seeds) == pytest.approx(expected, abs=1e-5)


def test_with_very_many_seeds_the_rest_averages_out():
    assert detectable(Components(0.0, 0.0, 400.0), 100, 10_000) == pytest.approx(0.0565168, rel=0.01)  # as 0.04 alone


def test_more_of_anything_finds_smaller_differences():
    components = Components(0.03, 0.0001, 0.02)
    at = {(q, s): detectable(components, q, s) for q in (50, 300) for s in (2, 3, 5)}
    assert at[300, 2] > at[300, 3] > at[300, 5]
    assert all(at[50, s] > at[300, s] for s in (2, 3, 5))
    assert detectable(components, 300, 3, power=0.9) > at[300, 3] > detectable(components, 300, 3, level=0.8)


@pytest.mark.parametrize(
    ("seeds", "queries", "ratio"), [(1, 200, 0.0), (1, 200, 0.5), (2, 200, 0.0), (3, 200, 0.5), (5, 200, 1.0)]
)
def test_a_detectable_difference_is_found_as_often_as_promised(seeds, queries, ratio):
    """Within 4 points of 80 %: 1.3 are chance, the rest is skewness, which `detectable` does not know."""
    random = np.random.default_rng([seeds, queries])
    residual = 0.5
    between_seeds = ratio**2 * (1 + residual / seeds) * VARIANCE / queries * seeds
    needed = detectable(Components(VARIANCE, between_seeds, residual * VARIANCE), queries, seeds)
    found = 0
    for trial in range(1000):
        table = simulated(random, seeds, queries, residual=residual, ratio=ratio) - MEAN + needed
        found += reading(paired_interval(table, resamples=600, seed=trial)) == "better"
    assert found / 1000 == pytest.approx(0.8, abs=0.04)


def test_detectable_refuses_what_it_cannot_know():
    known, one_seed = Components(1.0, 1.0, 1.0), Components(1.0, None, 0.0)
    for queries, seeds, power in [(1, 2, 0.8), (10, 0, 0.8), (10, 2, 1.0), (10, 2, 0.4)]:
        with pytest.raises(ValueError, match="at least 2, at least 1"):
            detectable(known, queries, seeds, power)
    with pytest.raises(ValueError, match="come from one seed"):
        detectable(one_seed, 10, 2)


@pytest.mark.parametrize(
    ("low", "high", "smallest", "word"),
    [
        (0.01, 0.03, 0.0, "better"),
        (0.0, 0.03, 0.0, "no effect found"),
        (-0.03, -0.01, 0.0, "worse"),
        (-0.03, 0.0, 0.0, "no effect found"),
        (0.01, 0.03, 0.01, "no effect found"),
        (0.011, 0.03, 0.01, "better"),
        (-0.03, -0.005, 0.01, "no effect found"),
        (-0.03, -0.011, 0.01, "worse"),
    ],
)
def test_readings(low, high, smallest, word):
    assert reading(Interval(0.0, low, high, 0.95, 3, 50, "queries and seeds"), smallest) == word


def test_a_negative_smallest_difference_is_refused():
    with pytest.raises(ValueError, match="smallest"):
        reading(Interval(0.0, 1.0, 2.0, 0.95, 3, 50, "queries and seeds"), smallest=-0.1)
