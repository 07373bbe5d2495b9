"""SyNeg's attributes: drawn in even shares, from nothing but seed and position."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syneg_data.generation.strategies import Syneg
from syneg_data.records import Attribute

AXES = st.dictionaries(
    st.sampled_from(["domain", "difficulty", "length", "tone"]),
    st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=7, unique=True).map(tuple),
    min_size=1,
)


@given(AXES, st.integers(0, 2**63 - 1), st.integers(0, 5))
def test_every_run_of_consecutive_drafts_holds_each_value_once(attributes, seed, run):
    strategy = Syneg(kind="syneg", attributes=attributes)
    for axis, values in attributes.items():
        positions = range(run * len(values), (run + 1) * len(values))
        drawn = [dict((a.axis, a.value) for a in strategy.draw(seed, position))[axis] for position in positions]
        assert sorted(drawn) == sorted(values)


@given(AXES, st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_a_draft_has_one_value_per_axis_and_the_same_one_again(attributes, seed, position):
    drawn = Syneg(kind="syneg", attributes=attributes).draw(seed, position)
    assert [attribute.axis for attribute in drawn] == list(attributes)
    assert all(attribute.value in attributes[attribute.axis] for attribute in drawn)
    assert Syneg(kind="syneg", attributes=attributes).draw(seed, position) == drawn


EIGHT = {"domain": tuple("abcdefgh"), "length": tuple("stuvwxyz")}


def sequence(seed, name="syneg", axis="domain", n=64):
    strategy = Syneg(kind="syneg", name=name, attributes=EIGHT)
    return [{a.axis: a.value for a in strategy.draw(seed, i)}[axis] for i in range(n)]


def test_seeds_and_names_draw_differently():
    assert sequence(1) != sequence(2)
    assert sequence(1) != sequence(1, name="other")


def test_the_order_is_drawn_anew_for_each_run():
    drawn = sequence(1)
    runs = {tuple(drawn[i : i + 8]) for i in range(0, 64, 8)}
    assert len(runs) == 8


def test_axes_are_independent():
    strategy = Syneg(kind="syneg", attributes={"a": ("0", "1"), "b": ("0", "1")})
    both = Counter(tuple(a.value for a in strategy.draw(7, i)) for i in range(400))
    assert all(60 <= both[pair] <= 140 for pair in [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")])


def test_a_draw_is_the_same_on_every_machine():
    strategy = Syneg(kind="syneg", attributes=EIGHT)
    drawn = ["".join(attribute.value for attribute in strategy.draw(13, i)) for i in range(10)]
    assert drawn == ["et", "fv", "bw", "hy", "au", "dz", "gx", "cs", "gx", "dz"]
    assert strategy.draw(13, 0) == (Attribute("domain", "e"), Attribute("length", "t"))


@pytest.mark.parametrize("values", [(), ("a", "a"), ("a", ""), ("a", " \n")])
def test_an_axis_without_values_of_its_own_is_refused(values):
    with pytest.raises(ValidationError, match="axis 'tone' needs values"):
        Syneg(kind="syneg", attributes={"tone": values})
