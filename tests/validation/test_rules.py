"""Rules: from the positives' relevance to a threshold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syneg_data.validation.rules import Absolute, Relative

POSITIVES = {"a": 0.9, "b": 0.6, "c": 0.3}


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
    assert Relative(kind="relative", margin=margin).threshold(reference) == pytest.approx(expected, abs=1e-12)


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0, 0.99))
def test_a_threshold_is_never_above_its_reference_and_never_falls_with_it(one, other, margin):
    rule = Relative(kind="relative", margin=margin)
    low, high = sorted([one, other])
    assert rule.threshold(one) <= one
    assert rule.threshold(low) <= rule.threshold(high)


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
    assert Relative(kind="relative", positive=which).reference(POSITIVES, own) == pytest.approx(expected)


def test_defaults():
    rule = Relative(kind="relative")
    assert (rule.margin, rule.positive) == (0.05, "min")


@pytest.mark.parametrize("reference", [-5.0, 0.0, 5.0])
def test_an_absolute_maximum_does_not_depend_on_the_positive(reference):
    rule = Absolute(kind="absolute", maximum=0.7)
    assert rule.threshold(reference) == 0.7
    assert rule.reference(POSITIVES, "a") == 0.3


@pytest.mark.parametrize("margin", [-0.01, 1.0, float("nan"), float("inf")])
def test_impossible_margins_are_refused(margin):
    with pytest.raises(ValidationError):
        Relative(kind="relative", margin=margin)
