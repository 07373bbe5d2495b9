"""Rules: from scores whose truth is known to thresholds."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syneg_data.validation.calibration import Calibrated, Curve, Joint, auc, log_odds
from syneg_data.validation.rules import Absolute, Evidence, Percentile, Relative

NAN, INF = float("nan"), float("inf")
POSITIVES = {"a": 0.9, "b": 0.6, "c": 0.3}
NOTHING = Evidence((), (), ())
# Ten positives, a dozen mined documents and twenty random ones; the two ends of a scale, and a middle where they mix.
KNOWN = Evidence(
    positives=(0.9, 0.8, 0.7, 0.6, 0.85, 0.75, 0.95, 0.65, 0.5, 0.4),
    mined=(0.5, 0.6, 0.3, 0.2, 0.7, 0.4, 0.1, 0.35, 0.45, 0.25, 0.55, 0.15),
    random=(0.0, 0.1, 0.05, 0.2, 0.15, 0.3, 0.1, 0.02, 0.12, 0.08) * 2,
)
BOUNDED = Evidence(KNOWN.positives, KNOWN.mined, KNOWN.random, bounded=True)
CALIBRATED = Calibrated(kind="calibrated", least=10)
finite = st.floats(-100, 100)
# As many digits as scores are stored with: a solver that tells 0.1 from 0.1 + 1e-300 is nobody's concern.
scores = st.integers(-500_000, 500_000).map(lambda units: units / 100_000)
shares = st.integers(0, 100_000).map(lambda units: units / 100_000)


def relative(**options):
    return Relative(kind="relative", **options).fit(NOTHING)


def absolute(**options):
    return Absolute(kind="absolute", **options).fit(NOTHING)


def percentile(values, at):
    return Percentile(kind="percentile", percentile=at).fit(Evidence(tuple(values), (), ()))


# Relative


@pytest.mark.parametrize(
    ("margin", "reference", "expected"),
    [
        (0.05, 0.8, 0.76),
        (0.05, 0.0, 0.0),
        (0.05, -0.8, -0.84),
        (0.0, 0.8, 0.8),
        (0.0, -0.8, -0.8),
        (0.5, 10.0, 5.0),
        (0.5, -10.0, -15.0),
    ],
)
def test_a_relative_margin_lowers_the_threshold_for_either_sign(margin, reference, expected):
    assert relative(margin=margin).threshold(reference) == pytest.approx(expected, abs=1e-12)


@given(finite, finite, st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_relative_threshold_falls_with_the_margin_and_rises_with_the_positive(one, other, first, second):
    low, high = sorted([one, other])
    narrow, wide = sorted([first, second])
    assert relative(margin=wide).threshold(one) <= relative(margin=narrow).threshold(one) <= one
    assert relative(margin=wide).threshold(low) <= relative(margin=wide).threshold(high)


@pytest.mark.parametrize(
    ("which", "own", "expected"),
    [
        ("min", "b", 0.3),
        ("mean", "b", 0.6),
        ("max", "b", 0.9),
        ("own", "b", 0.6),
        ("own", "a", 0.9),
        ("min", None, 0.3),
        ("mean", None, 0.6),
        ("max", None, 0.9),
        ("own", None, 0.3),  # a mined candidate has no positive of its own: the strictest one counts
    ],
)
def test_which_positive_counts(which, own, expected):
    assert relative(positive=which).reference(POSITIVES, own) == pytest.approx(expected)


def test_relative_scores_stand_as_they_are():
    assert [relative().relevance(score) for score in (-3.5, 0.0, 12.0)] == [-3.5, 0.0, 12.0]
    assert math.isnan(relative().relevance(NAN))


def test_the_band_of_doubt_lies_below_the_threshold():
    assert relative(margin=0.05, doubt=0.1).doubtful(0.8) == pytest.approx(0.66)
    assert relative(margin=0.5, doubt=1.0).doubtful(-10.0) == pytest.approx(-16.0)
    assert absolute(maximum=0.7, doubt=0.25).doubtful(123.0) == pytest.approx(0.45)
    level = Percentile(kind="percentile", percentile=50.0, doubt=0.5).fit(Evidence((1.0, 2.0, 3.0), (), ()))
    assert level.doubtful(123.0) == 1.5
    curve = Calibrated(kind="calibrated", least=10, maximum=0.6, doubt=0.25, lean=0.0).fit(KNOWN)
    assert (curve.threshold(0.9), curve.doubtful(0.9)) == (pytest.approx(0.6), pytest.approx(0.35))


@given(st.sampled_from(["relative", "absolute", "percentile", "calibrated"]), scores, shares.filter(lambda x: x < 1))
def test_doubt_never_begins_above_the_threshold(kind, reference, doubt):
    spec = {
        "relative": lambda: Relative(kind="relative", doubt=doubt),
        "absolute": lambda: Absolute(kind="absolute", maximum=0.4, doubt=doubt),
        "percentile": lambda: Percentile(kind="percentile", doubt=doubt),
        "calibrated": lambda: Calibrated(kind="calibrated", least=10, doubt=doubt),
    }[kind]()
    bar = spec.fit(KNOWN)
    assert bar.doubtful(reference) <= bar.threshold(reference)
    assert (bar.doubtful(reference) < bar.threshold(reference)) == (doubt > 0)


def test_relative_defaults():
    rule = Relative(kind="relative")
    assert (rule.margin, rule.positive, rule.doubt) == (0.05, "min", 0.0)
    assert relative(margin=0.1).describe() == {"rule": "relative", "margin": 0.1}


@pytest.mark.parametrize("margin", [-0.01, 1.0, NAN, INF])
def test_impossible_margins_are_refused(margin):
    with pytest.raises(ValidationError):
        Relative(kind="relative", margin=margin)


# Absolute and percentile


@pytest.mark.parametrize("reference", [-5.0, 0.0, 5.0])
def test_an_absolute_maximum_does_not_depend_on_the_positive(reference):
    bar = absolute(maximum=0.7)
    assert bar.threshold(reference) == bar.doubtful(reference) == 0.7
    assert bar.reference(POSITIVES, "a") == 0.3
    assert bar.relevance(-4.5) == -4.5
    assert bar.describe() == {"rule": "absolute", "maximum": 0.7}


@pytest.mark.parametrize(
    ("values", "at", "expected"),
    [
        ([10, 1, 3, 2, 4], 0.0, 1.0),
        ([10, 1, 3, 2, 4], 100.0, 10.0),
        ([10, 1, 3, 2, 4], 25.0, 2.0),
        ([10, 1, 3, 2, 4], 50.0, 3.0),
        ([10, 1, 3, 2, 4], 10.0, 1.4),
        ([10, 1, 3, 2, 4], 87.5, 7.0),
        ([-2.0, -1.0], 5.0, -1.95),
        ([0.7], 5.0, 0.7),
        (range(101), 5.0, 5.0),
    ],
)
def test_a_percentile_is_interpolated_between_the_known_positives(values, at, expected):
    bar = percentile(values, at)
    assert bar.threshold(-1.0) == bar.threshold(1e9) == pytest.approx(expected, abs=1e-12)
    assert bar.describe() == {"rule": "percentile", "maximum": pytest.approx(expected, abs=1e-12)}


@given(st.lists(finite, min_size=1, max_size=30), st.floats(0, 100), st.floats(0, 100))
def test_a_percentile_lies_among_the_positives_and_rises_with_what_is_asked(values, one, other):
    low, high = (percentile(values, at).threshold(0.0) for at in sorted([one, other]))
    assert min(values) - 1e-9 <= low <= high + 1e-9
    assert high <= max(values) + 1e-9


def test_a_percentile_looks_at_positives_alone():
    mixed = Percentile(kind="percentile", percentile=50.0).fit(Evidence((1.0, 2.0, 3.0), (9.0,) * 9, (-9.0,) * 9))
    assert mixed.threshold(0.0) == 2.0


def test_of_no_positives_there_is_no_percentile():
    bar = percentile([], 5.0)
    assert math.isnan(bar.threshold(0.5)) and math.isnan(bar.doubtful(0.5))


# Calibrated


def fitted(evidence):
    """Slope and intercept."""
    bar = Calibrated(kind="calibrated", least=10).fit(evidence).describe()
    return bar["slope"], bar["intercept"]


def test_the_curve_is_that_of_platt_with_equal_weights():
    """Newton's method on the weighted likelihood gives 10.96893 and -5.36377, over log-odds 2.44904 and 0.13693."""
    assert fitted(KNOWN) == pytest.approx((10.96893, -5.36377), rel=1e-3)
    assert fitted(BOUNDED) == pytest.approx((2.44904, 0.13693), rel=1e-3)


def test_the_curve_is_a_probability():
    curve = Curve(Joint((10.0,), -5.0, (False,), 0.5, 0.0))
    assert curve.relevance(0.5) == 0.5
    assert curve.relevance(0.7) == pytest.approx(0.880797)
    assert curve.relevance(0.3) == pytest.approx(0.119203)
    assert 0 <= curve.relevance(-1e300) < 1e-20
    assert 1 - 1e-15 < curve.relevance(1e300) <= 1


def test_bounded_scores_are_stretched_to_log_odds():
    curve = Curve(Joint((2.0,), 1.0, (True,), 0.5, 0.0))
    assert curve.relevance(0.5) == pytest.approx(0.731059)  # of 1
    assert curve.relevance(0.9) == pytest.approx(0.995479)  # of 2 log 9 + 1
    assert log_odds(0.5) == 0.0
    assert log_odds(0.9) == pytest.approx(2.197225)
    assert [log_odds(score) for score in (0.0, 1e-9, 1e-5)] == [pytest.approx(-11.512915)] * 3
    assert [log_odds(score) for score in (1.0, 1 - 1e-9)] == [pytest.approx(11.512915)] * 2


@pytest.mark.parametrize("score", [NAN, INF, -INF])
@pytest.mark.parametrize("evidence", [KNOWN, BOUNDED], ids=["unbounded", "bounded"])
def test_of_no_number_there_is_no_probability(score, evidence):
    assert math.isnan(CALIBRATED.fit(evidence).relevance(score))


@pytest.mark.parametrize("missing", ["positives", "mined", "random"])
def test_where_too_little_is_known_another_rule_takes_its_place(missing):
    few = {"positives": KNOWN.positives, "mined": KNOWN.mined, "random": KNOWN.random}
    few[missing] = few[missing][:9]
    rule = Calibrated(kind="calibrated", least=10, otherwise=Relative(kind="relative", margin=0.25, positive="max"))
    bar = rule.fit(Evidence(**few))
    assert bar.describe() == {"rule": "relative", "margin": 0.25}
    assert (bar.relevance(7.5), bar.threshold(0.8), bar.reference(POSITIVES, None)) == (7.5, pytest.approx(0.6), 0.9)
    few[missing] = (*few[missing], 0.2)
    assert rule.fit(Evidence(**few)).describe()["rule"] == "calibrated"


def test_calibrated_defaults():
    rule = Calibrated(kind="calibrated")
    assert (rule.maximum, rule.doubt, rule.least, rule.otherwise) == (0.8, 0.0, 100, Relative(kind="relative"))


def test_a_fitted_curve_says_what_it_is():
    bar = CALIBRATED.fit(KNOWN)
    described = bar.describe()
    assert described == {
        "rule": "calibrated", "maximum": 0.8, "slope": pytest.approx(10.969, rel=1e-3),
        "intercept": pytest.approx(-5.364, rel=1e-3), "lean": 0.5, "middle": pytest.approx(2.424, rel=1e-3),
    }  # fmt: skip
    assert bar.reference(POSITIVES, "a") == 0.3
    # Rounded to six digits, so that the last bits of a machine's arithmetic do not reach a verdict.
    assert [float(f"{described[name]:.6g}") for name in ("slope", "intercept")] == [
        described["slope"], described["intercept"],
    ]  # fmt: skip


@given(st.randoms(use_true_random=False), st.booleans())
def test_the_fit_does_not_depend_on_the_order_of_the_scores(chance, bounded):
    shuffled = [chance.sample(part, len(part)) for part in (KNOWN.positives, KNOWN.mined, KNOWN.random)]
    expected = fitted(BOUNDED if bounded else KNOWN)
    assert fitted(Evidence(*shuffled, bounded)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("times", [(2, 2, 2), (7, 7, 7), (1, 3, 1), (1, 1, 5), (4, 1, 2)])
@pytest.mark.parametrize("evidence", [KNOWN, BOUNDED], ids=["unbounded", "bounded"])
def test_the_fit_depends_on_shares_and_not_on_how_many_scores_of_a_kind_there_are(evidence, times):
    parts = (evidence.positives, evidence.mined, evidence.random)
    more = Evidence(*(part * n for part, n in zip(parts, times, strict=True)), evidence.bounded)
    assert fitted(more) == pytest.approx(fitted(evidence), rel=1e-3)


@given(st.floats(-2, 2), st.integers(-3, 6).map(lambda power: 2.0**power))
def test_the_fit_follows_the_scale_of_the_scores(shift, scale):
    """A reranker whose scores are moved and stretched gives every document the same probability."""
    parts = [[scale * score + shift for score in part] for part in (KNOWN.positives, KNOWN.mined, KNOWN.random)]
    plain, moved = CALIBRATED.fit(KNOWN), CALIBRATED.fit(Evidence(*parts))
    for score in (0.0, 0.3, 0.49, 0.7, 1.0):
        assert moved.relevance(scale * score + shift) == pytest.approx(plain.relevance(score), abs=1e-3)


@given(*[st.lists(scores, min_size=10, max_size=25)] * 3, scores, scores)
def test_a_probability_lies_between_0_and_1(positives, mined, random, one, other):
    bar = CALIBRATED.fit(Evidence(positives, mined, random))
    low, high = (bar.relevance(score) for score in sorted([one, other]))
    assert 0 <= low <= 1 and 0 <= high <= 1
    assert low <= high if bar.describe()["slope"] >= 0 else low >= high


@given(*[st.lists(shares, min_size=10, max_size=25)] * 3, shares, shares)
def test_so_it_does_of_bounded_scores(positives, mined, random, one, other):
    bar = CALIBRATED.fit(Evidence(positives, mined, random, bounded=True))
    low, high = (bar.relevance(score) for score in sorted([one, other]))
    assert 0 <= low <= 1 and 0 <= high <= 1
    assert low <= high if bar.describe()["slope"] >= 0 else low >= high


@given(st.lists(scores, min_size=10, max_size=25), st.floats(0.1, 3), st.floats(0.1, 3))
def test_where_positives_score_higher_more_score_is_more_relevance(lower, step, further):
    mined = [score + step for score in lower]
    bar = CALIBRATED.fit(Evidence([score + further for score in mined], mined, lower))
    assert bar.describe()["slope"] > 0


@pytest.mark.parametrize("least", [9, 0, -1])
def test_a_fit_on_next_to_nothing_is_refused(least):
    with pytest.raises(ValidationError):
        Calibrated(kind="calibrated", least=least)


@pytest.mark.parametrize("maximum", [0.0, 1.001, -0.5, NAN])
def test_what_is_no_probability_or_exceeded_by_everything_is_refused(maximum):
    with pytest.raises(ValidationError):
        Calibrated(kind="calibrated", maximum=maximum)


@pytest.mark.parametrize(
    "spec",
    [
        lambda doubt: Relative(kind="relative", doubt=doubt),
        lambda doubt: Absolute(kind="absolute", maximum=0.5, doubt=doubt),
        lambda doubt: Percentile(kind="percentile", doubt=doubt),
        lambda doubt: Calibrated(kind="calibrated", doubt=doubt),
    ],
)
def test_a_band_of_doubt_above_the_threshold_is_refused(spec):
    assert spec(0.0).doubt == 0.0
    with pytest.raises(ValidationError):
        spec(-0.1)


# AUC


@given(st.lists(st.integers(0, 8), max_size=20), st.lists(st.integers(0, 8), max_size=20))
def test_auc_is_the_share_of_pairs_in_order_with_ties_as_halves(higher, lower):
    found = auc(higher, lower)
    if not higher or not lower:
        assert found is None
        return
    won = sum(1.0 if high > low else 0.5 if high == low else 0.0 for high in higher for low in lower)
    assert found == pytest.approx(won / (len(higher) * len(lower)), abs=5.1e-5)


@pytest.mark.parametrize(
    ("higher", "lower", "expected"),
    [
        ((3.0, 4.0), (1.0, 2.0), 1.0),
        ((1.0, 2.0), (3.0, 4.0), 0.0),
        ((0.5, 0.5), (0.5, 0.5, 0.5), 0.5),
        ((0.2, 0.8), (0.5,), 0.5),
        ((0.8, 0.5, 0.1), (0.5, 0.2), 0.5833),
    ],
)
def test_auc_by_hand(higher, lower, expected):
    assert auc(higher, lower) == expected


def test_a_joint_curve_weighs_the_scores_of_all():
    joint = Joint((2.0, 1.0), -1.0, (False, True), 0.5, 0.1)
    assert joint.relevance([0.5, 0.5]) == 0.5  # 2 * 0.5 + 1 * log 1 - 1
    assert joint.relevance([1.0, 0.9]) == pytest.approx(0.960730)  # of 2 + log 9 - 1
    assert math.isnan(joint.relevance([NAN, 0.5]))
    assert math.isnan(joint.relevance([0.5, INF]))
    assert joint.describe(["a", "b"]) == {
        "rule": "calibrated", "maximum": 0.5, "lean": 0.0, "slope a": 2.0, "slope b": 1.0, "intercept": -1.0,
        "middle": 0.0,
    }  # fmt: skip


def test_a_threshold_leans_with_the_positive_of_its_query():
    """In log-odds: half of the way from the average positive (log 9, or 0.9) to the query's own, and never above it."""
    joint = Joint((1.0,), 0.0, (True,), 0.5, 0.1, lean=0.5, middle=math.log(9))
    assert joint.threshold(0.9) == pytest.approx(0.5)
    assert joint.threshold(0.5) == pytest.approx(0.25)  # of log(1/9) / 2 = -log 3
    assert joint.threshold(0.9878049) == pytest.approx(0.75)  # of log 81, so of log(81/9) / 2 = log 3
    assert joint.threshold(0.0) < 0.002
    bar = Curve(joint)
    assert bar.doubtful(0.9) == pytest.approx(0.4)
    assert Curve(replace(joint, lean=0.0)).threshold(0.6) == pytest.approx(0.5)
    assert Curve(replace(joint, lean=1.0)).threshold(0.5) == pytest.approx(0.1)


@given(st.floats(0.001, 0.999), st.floats(0.01, 0.99), st.floats(0, 1), st.floats(-5, 5))
def test_nothing_above_the_positive_is_kept(reference, maximum, lean, middle):
    bar = Curve(Joint((1.0,), 0.0, (True,), maximum, 0.1, lean=lean, middle=middle))
    assert bar.threshold(reference) == min(bar.enough(reference), reference) <= reference
    assert bar.doubtful(reference) == bar.threshold(reference) - 0.1


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0, 1), st.floats(-5, 5))
def test_a_maximum_of_1_lets_everything_pass(relevance, reference, lean, middle):
    bar = Curve(Joint((1.0,), 0.0, (True,), 1.0, 0.0, lean=lean, middle=middle))
    assert bar.threshold(reference) == bar.enough(reference) == bar.doubtful(reference) == 1.0
    assert bar.relevance(relevance) <= 1.0


def test_of_a_query_with_several_positives_the_lowest_counts():
    """0.5 and 0.9 of one query, 0.9 of another: the middle of log 1 and log 9 is log 3."""
    rows = [[(0.5,), (0.9,), (0.9,)] * 10, [(0.2,)] * 10, [(0.1,), (0.3,)] * 10]
    spec = Calibrated(kind="calibrated", least=10)
    apart = spec.fit_joint(rows, (True,))
    together = spec.fit_joint(rows, (True,), [f"q{n // 3}{'ab'[n % 3 > 1]}" for n in range(30)])
    assert apart is not None and together is not None
    assert (apart.slopes, apart.intercept) == (together.slopes, together.intercept)

    def middle(*scores):
        return sum(log_odds(together.relevance((score,))) for score in scores) / len(scores)

    assert together.middle == pytest.approx(middle(0.5, 0.9), rel=1e-4)
    assert apart.middle == pytest.approx(middle(0.5, 0.9, 0.9), rel=1e-4)


def test_the_middle_is_the_mean_of_the_known_positives():
    bar = Calibrated(kind="calibrated", least=10, lean=0.25).fit(KNOWN)
    shown = [log_odds(bar.relevance(score)) for score in KNOWN.positives]
    assert bar.describe()["middle"] == pytest.approx(sum(shown) / len(shown), rel=1e-4)
    assert bar.describe()["lean"] == 0.25


def test_a_joint_fit_of_one_reranker_is_its_own():
    parts = [[(score,) for score in part] for part in (KNOWN.positives, KNOWN.mined, KNOWN.random)]
    joint = CALIBRATED.fit_joint(parts, (False,))
    assert (joint.slopes[0], joint.intercept) == fitted(KNOWN)


def test_a_reranker_that_says_the_contrary_is_left_out_of_a_joint_fit():
    def with_contrary(part):
        return [(score, -score + 0.01 * (i % 3)) for i, score in enumerate(part)]

    joint = CALIBRATED.fit_joint([with_contrary(p) for p in (KNOWN.positives, KNOWN.mined, KNOWN.random)], (False,) * 2)
    assert joint.slopes[1] == 0.0
    assert joint.slopes[0] == pytest.approx(fitted(KNOWN)[0], rel=1e-3)


def test_too_few_known_scores_give_no_joint_curve():
    parts = [[(score, score) for score in part] for part in (KNOWN.positives[:9], KNOWN.mined, KNOWN.random)]
    assert CALIBRATED.fit_joint(parts, (False, False)) is None
