"""The second opinion: who is drawn, and what the judgements say."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.records import Hit, Verdict
from syneg_data.validation.review import Drawn, draw, estimate, in_proportion, kappa, rate, source_of, wilson


def verdict(i, word, source="bm25", origin="mined"):
    hits = tuple(Hit(name, 1, None) for name in source.split("+"))
    positive = "pos" if origin == "synthetic" else None
    return Verdict(f"q{i}", positive, f"{word}-{source}-{i}", origin, hits, 0.5, 0.9, (), word, "")


def verdicts(**counts):
    """`keep_bm25=3`: three candidates of that verdict and source."""
    return [
        verdict(i, *name.rsplit("_", 1)) for name, count in counts.items() for i in range(count)
    ]  # fmt: skip


def halves(drawn):
    return Counter(row.kept for row in drawn)


def sources(drawn, kept=True):
    return Counter(row.source.removeprefix("mined:") for row in drawn if row.kept == kept)


def test_a_drawn_candidate_says_where_it_comes_from():
    found = draw([verdict(1, "keep", "bm25+dense"), verdict(2, "false_negative", "syneg", "synthetic")], 20, 13)
    assert sorted(found, key=lambda row: row.query_id) == [
        Drawn("q1", None, "keep-bm25+dense-1", "mined:bm25+dense", True),
        Drawn("q2", "pos", "false_negative-syneg-2", "synthetic:syneg", False),
    ]
    assert source_of(verdict(1, "keep", "bm25+dense")) == "mined:bm25+dense"


def test_only_what_was_kept_and_what_was_called_a_false_negative_is_drawn():
    everything = verdicts(keep_a=3, false_negative_a=4, ambiguous_a=9, too_easy_a=9, duplicate_a=9, failed_a=9)
    assert halves(draw(everything, 100, 13)) == {True: 3, False: 4}
    assert draw(verdicts(ambiguous_a=9, too_easy_a=9), 20, 13) == []
    assert draw([], 20, 13) == []


@pytest.mark.parametrize(
    ("kept", "refused", "size", "expected"),
    [
        (100, 100, 20, (10, 10)),
        (100, 100, 21, (11, 10)),
        (100, 3, 20, (17, 3)),
        (100, 0, 20, (20, 0)),
        (4, 100, 20, (4, 16)),
        (0, 100, 20, (0, 20)),
        (4, 7, 20, (4, 7)),
        (10, 10, 20, (10, 10)),
    ],
)
def test_what_one_half_lacks_the_other_gets(kept, refused, size, expected):
    drawn = draw(verdicts(keep_a=kept, false_negative_a=refused), size, 13)
    assert (halves(drawn)[True], halves(drawn)[False]) == expected
    assert len({(row.query_id, row.doc_id) for row in drawn}) == len(drawn), "nobody is drawn twice"


@pytest.mark.parametrize(
    ("counts", "size", "expected"),
    [
        ({"a": 60, "b": 30, "c": 10}, 20, {"a": 6, "b": 3, "c": 1}),
        ({"a": 50, "b": 50}, 20, {"a": 5, "b": 5}),
        # Of 10: 6.67, 2.5 and 0.83; what is left goes to the largest remainders.
        ({"a": 80, "b": 30, "c": 10}, 20, {"a": 7, "b": 2, "c": 1}),
        # Three equal remainders for one place: the first by name.
        ({"a": 33, "b": 33, "c": 33}, 20, {"a": 4, "b": 3, "c": 3}),
        ({"a": 1000, "b": 1}, 20, {"a": 10}),
    ],
)
def test_sources_are_drawn_by_their_shares(counts, size, expected):
    kept = verdicts(**{f"keep_{name}": count for name, count in counts.items()})
    refused = verdicts(**{f"false_negative_{name}": count for name, count in counts.items()})
    drawn = draw([*kept, *refused], size, 13)
    assert sources(drawn) == sources(drawn, kept=False) == expected


@given(
    st.dictionaries(st.sampled_from(["keep_a", "keep_b", "keep_c", "false_negative_a", "false_negative_b"]),
                    st.integers(0, 40)),
    st.integers(20, 60), st.integers(0, 99),
)  # fmt: skip
def test_a_draw_is_as_large_as_it_can_be_and_fair_to_every_source(counts, size, seed):
    pool = verdicts(**counts)
    drawn = draw(pool, size, seed)
    assert len(drawn) == len({(row.query_id, row.doc_id) for row in drawn}) == min(size, len(pool))
    for kept, word in ((True, "keep"), (False, "false_negative")):
        whole = {name.rsplit("_", 1)[1]: n for name, n in counts.items() if name.startswith(word)}
        half = halves(drawn)[kept]
        assert half >= min(sum(whole.values()), size // 2)
        for source, n in whole.items():
            share = half * n / max(1, sum(whole.values()))
            assert abs(sources(drawn, kept)[source] - share) < 1


def test_a_draw_depends_on_the_seed_alone():
    pool = verdicts(keep_a=50, keep_b=50, false_negative_a=50)
    assert draw(pool, 20, 1) == draw(pool, 20, 1)
    assert draw(pool, 20, 1) != draw(pool, 20, 2)
    assert {row.doc_id for row in draw(pool, 20, 1)} != {row.doc_id for row in draw(pool, 20, 2)}


def test_the_order_tells_nothing_of_the_halves():
    kept = [row.kept for row in draw(verdicts(keep_a=200, false_negative_a=200), 200, 13)]
    assert 20 < sum(left != right for left, right in itertools.pairwise(kept)) < 180
    assert 20 < sum(kept[:100]) < 80


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (1, 200, 0.0009, 0.0278),
        (0, 1, 0.0, 0.7935),
        (1, 1, 0.2065, 1.0),
        (37, 100, 0.2818, 0.4678),
        (0, 0, None, None),
    ],
)
def test_the_interval_is_wilsons(hits, n, low, high):
    """As scipy.stats.binomtest(hits, n).proportion_ci(0.95, "wilson")."""
    assert wilson(hits, n) == (low, high)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_narrows_with_more_judgements(case):
    hits, n = case
    low, high = wilson(hits, n)
    assert 0 <= low <= round(hits / n, 4) <= high <= 1
    mirrored = wilson(n - hits, n)
    assert mirrored == (pytest.approx(1 - high, abs=1.1e-4), pytest.approx(1 - low, abs=1.1e-4))
    wider = wilson(10 * hits, 10 * n)
    assert wider[1] - wider[0] < high - low


def table(both, gate, judge, neither):
    """Pairs of two yes/no judges, by who says yes."""
    said = {(True, True): both, (True, False): gate, (False, True): judge, (False, False): neither}
    return [(*pair, 1) for pair, count in said.items() for _ in range(count)]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((10, 0, 0, 10), 1.0),
        ((1, 0, 0, 99), 1.0),
        ((20, 5, 10, 15), 0.4),
        ((25, 25, 25, 25), 0.0),
        ((9, 1, 81, 9), 0.0),
        ((0, 10, 10, 0), -1.0),
        ((5, 10, 10, 5), -0.3333),
        ((10, 0, 0, 0), None),
        ((0, 0, 0, 10), None),
        ((0, 10, 0, 0), 0.0),
        ((0, 0, 0, 0), None),
    ],
)
def test_kappa_is_agreement_beyond_chance(counts, expected):
    assert kappa(table(*counts)) == expected


def test_a_pair_counts_as_often_as_its_weight():
    twice = [(True, True, 2.0), (True, False, 0.5), (False, True, 1.0), (False, False, 1.5)]
    assert kappa(twice) == kappa(table(4, 1, 2, 3)) == 0.4


def test_rates():
    assert rate([]) == {"judged": 0, "relevant": 0, "rate": None, "low": None, "high": None}
    assert rate([True, False, False]) == {
        "judged": 3, "relevant": 1, "rate": 0.3333, "low": 0.0615, "high": 0.7923,
    }  # fmt: skip


def drawn(n, source, kept):
    return [Drawn(f"q{i}", None, f"d{i}", source, kept) for i in range(n)]


def test_an_estimate_by_hand():
    kept = [*zip(drawn(6, "mined:bm25", True), [True, *[False] * 5], strict=True)]
    written = [*zip(drawn(4, "synthetic:syneg", True), [True, True, False, False], strict=True)]
    refused = [*zip(drawn(10, "mined:dense", False), [True] * 8 + [False] * 2, strict=True)]
    population = {True: {"mined:bm25": 6, "synthetic:syneg": 4, "mined:rare": 1}, False: {"mined:dense": 11}}
    assert estimate([*kept, *written, *refused], "judge", population) == {
        "by": "judge",
        "kept": {"of": 11, "judged": 10, "relevant": 3, "rate": 0.3, "low": 0.1078, "high": 0.6032},
        "sources": {
            "mined:bm25": {"of": 6, "judged": 6, "relevant": 1, "rate": 0.1667, "low": 0.0301, "high": 0.5635},
            "mined:rare": {"of": 1, "judged": 0, "relevant": 0, "rate": None, "low": None, "high": None},
            "synthetic:syneg": {"of": 4, "judged": 4, "relevant": 2, "rate": 0.5, "low": 0.15, "high": 0.85},
        },
        "refused": {"of": 11, "judged": 10, "relevant": 8, "rate": 0.8, "low": 0.4902, "high": 0.9433},
        "kappa": 0.5,  # 15 of 20 agree, 10 would by chance
    }


def test_agreement_is_that_over_all_candidates_not_over_the_sample():
    """Half of the sample is what was refused, here a fiftieth of all: agreement on that half hardly counts."""
    kept = [*zip(drawn(100, "mined:bm25", True), [True] * 5 + [False] * 95, strict=True)]
    refused = [*zip(drawn(100, "mined:bm25", False), [True] * 70 + [False] * 30, strict=True)]
    even = estimate([*kept, *refused], "judge", {True: {"mined:bm25": 100}, False: {"mined:bm25": 100}})
    rare = estimate([*kept, *refused], "judge", {True: {"mined:bm25": 10_000}, False: {"mined:bm25": 200}})
    # By hand: 9,640 of 10,200 agree; by chance 200 * 640 + 10,000 * 9,560 of 10,200 squared.
    assert (even["kappa"], rare["kappa"]) == (0.65, 0.3128)


def test_an_estimate_of_nothing():
    nothing = {"of": 0, "judged": 0, "relevant": 0, "rate": None, "low": None, "high": None}
    expected = {"by": "judge", "kept": nothing, "sources": {}, "refused": nothing, "kappa": None}
    assert estimate([], "judge", {True: {}, False: {}}) == expected


SHARES = [(1000, 1000, 10), (1000, 500, 5), (1000, 100, 1), (1000, 1, 1), (1000, 0, 0), (10, 90, 10)]


@pytest.mark.parametrize(("kept", "refused", "left"), SHARES)
def test_of_what_was_refused_as_many_are_left_as_there_are_among_all(kept, refused, left):
    sample = [*drawn(5, "a", True), *drawn(10, "b", False), *drawn(5, "c", True)]
    found = in_proportion(sample, {True: {"a": kept // 2, "c": kept // 2}, False: {"b": refused}})
    assert found == [*sample[:5], *sample[5 : 5 + left], *sample[15:]]


def test_where_nothing_was_kept_all_that_was_refused_is_left():
    sample = drawn(10, "b", False)
    assert in_proportion(sample, {True: {}, False: {"b": 30}}) == sample
