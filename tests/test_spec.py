"""Specs are frozen and closed; a fingerprint is the same everywhere and leaves out what cannot change a row."""

import os
import subprocess
import sys
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from syneg_data.generation.attributes import draw
from syneg_data.generation.strategies import Syneg
from syneg_data.spec import RUNTIME, Spec, canonical, fingerprint, members, seed_of


class Inner(Spec):
    kind: Literal["inner"]
    depth: int = 5


class Other(Spec):
    kind: Literal["other"]


class Outer(Spec):
    name: str = "x"
    share: float = 0.5
    inner: Inner = Inner(kind="inner")
    several: tuple[Inner, ...] = ()
    batch_size: Annotated[int, RUNTIME] = 8
    threads: Annotated[int, Field(ge=1), RUNTIME] = 1


def test_a_spec_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Outer().name = "y"


@pytest.mark.parametrize(
    "values",
    [
        {"nmae": "x"},
        {"share": "0.5"},
        {"name": 1},
        {"batch_size": 1.0},
        {"batch_size": True},
        {"share": float("nan")},
        {"share": float("inf")},
        {"several": [{"kind": "inner", "depht": 1}]},
    ],
)
def test_a_spec_is_closed_and_converts_nothing(values):
    with pytest.raises(ValidationError):
        Outer(**values)


def test_fingerprints_are_these():
    """Written down, because stored replies, vectors and scores are found by them for years."""
    assert fingerprint() == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
    assert (
        fingerprint("a", 1, 1.0, None, True, [1, ("b",)], {"é": 0.1})
        == "c671b6f8f2d57f073b17df24f1d9382bd5ceb90988fdb331470d30c93632c06b"
    )
    assert seed_of("a", 1) == 697930202312019326


def test_fingerprint_is_the_sha256_of_canonical_json():
    import hashlib

    text = b'["\\u00e9",{"a":[1,2.5,null],"b":true}]'
    assert fingerprint("é", {"b": True, "a": (1, 2.5, None)}) == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [{"name": "y"}, {"share": 0.25}, {"inner": Inner(kind="inner", depth=6)}, {"several": (Inner(kind="inner"),)}],
)
def test_what_decides_rows_is_in_the_fingerprint(changed):
    assert fingerprint(Outer(**changed)) != fingerprint(Outer())


@pytest.mark.parametrize("changed", [{"batch_size": 9}, {"threads": 4}])
def test_what_is_marked_runtime_is_not(changed):
    assert fingerprint(Outer(**changed)) == fingerprint(Outer())
    assert set(canonical(Outer(**changed))) == {"name", "share", "inner", "several"}


def test_a_default_and_the_same_value_written_out_are_one():
    assert fingerprint(Outer(name="x", share=0.5)) == fingerprint(Outer())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=3))
def test_two_fingerprints_are_equal_exactly_if_the_values_are(left, right):
    same = repr(canonical(left)) == repr(canonical(right))
    if same:
        assert fingerprint(*left) == fingerprint(*right)
    elif fingerprint(*left) == fingerprint(*right):
        assert left == right  # equal but for the order of keys


@given(st.dictionaries(st.text(max_size=3), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter_the_order_of_lists_does(mapping):
    backwards = dict(reversed(mapping.items()))
    assert fingerprint(mapping) == fingerprint(backwards)
    keys = list(mapping)
    assert fingerprint(keys) != fingerprint(keys[::-1])


def test_numbers_booleans_and_texts_are_kept_apart():
    assert len({fingerprint(value) for value in (1, 1.0, "1", True, None, "", [], {}, 0, False, "None")}) == 11


def test_arguments_are_not_run_together():
    assert len({fingerprint("a", "b"), fingerprint("ab"), fingerprint(["a", "b"]), fingerprint("a", ["b"])}) == 4


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), Inner])
def test_values_without_a_canonical_form_are_refused(value):
    with pytest.raises(TypeError, match="cannot be part of a fingerprint"):
        fingerprint([value])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint({"a": value})


def test_a_lone_surrogate_has_a_fingerprint():
    assert fingerprint("\ud800") != fingerprint("\ud801")


def test_equal_fingerprints_mean_equal_rows():
    """The order of the axes reaches the prompt, so it must not be lost between two recipes of one fingerprint."""
    axes = {"difficulty": ("easy", "hard"), "length": ("short", "long")}
    one = Syneg(kind="syneg", attributes=axes)
    two = Syneg(kind="syneg", attributes=dict(reversed(axes.items())))
    same = draw(one.name, one.attributes, 13, 0) == draw(two.name, two.attributes, 13, 0)
    assert fingerprint(one) != fingerprint(two) or same


PROGRAM = """
from pathlib import Path
from syneg_data.recipe import load_recipe
from syneg_data.spec import fingerprint, seed_of
recipe = load_recipe("recipes/quickstart.yaml").recipe
print(fingerprint(recipe, {"b": 1, "a": {"é": [0.1, 1e-300, 2**70]}}), seed_of("x", 1), sorted({"a", "b"}))
"""


def test_fingerprints_are_equal_across_processes(root):
    def run(seed, **more):
        environment = {**os.environ, "PYTHONHASHSEED": seed, **more}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=root, env=environment, capture_output=True, text=True, check=True
        ).stdout

    first = run("0")
    assert len(first) > 64
    assert run("1", LC_ALL="C", TZ="Asia/Tokyo") == first
    assert run("4242", PYTHONUTF8="1", OMP_NUM_THREADS="1") == first


@settings(max_examples=50)
@given(VALUES)
def test_a_seed_fits_63_bits_and_depends_on_its_values(value):
    assert 0 <= seed_of(value) < 2**63
    assert seed_of(value) == seed_of(value)
    assert seed_of(value) != seed_of(value, 0)


Union2 = Annotated[Inner | Other, Field(discriminator="kind")]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Inner, (Inner,)),
        (Union2, (Inner, Other)),
        (tuple[Union2, ...], (Inner, Other)),
        (Inner | None, (Inner,)),
        (Annotated[Union2, RUNTIME], (Inner, Other)),
        (tuple[Inner, ...] | None, (Inner,)),
        (int, ()),
        (str | None, ()),
        (Literal["a"], ()),
    ],
)
def test_members_of_an_annotation(annotation, expected):
    assert members(annotation) == expected
