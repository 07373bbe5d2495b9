"""Diversity at equal sizes."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.audit.diversity import NAMES, _expected, measure

WORDS = [f"word{i}" for i in range(2000)]


def text(seed, size=40, vocabulary=2000):
    return " ".join(random.Random(seed).choices(WORDS[:vocabulary], k=size))


def rows(queries, written, mined):
    return [
        (f"query {i}", f"positive {i}", [written(f"{i}.{j}") for j in range(2)], [mined(f"m{i}.{j}") for j in range(2)])
        for i in range(queries)
    ]


def named(subject):
    return {m.name: m for m in measure(subject)}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_the_expectation_is_the_mean_over_all_samples(counts, data):
    size = data.draw(st.integers(1, sum(counts)))
    items = [kind for kind, count in enumerate(counts) for _ in range(count)]
    samples = list(itertools.combinations(items, size))
    mean = sum(len(set(sample)) for sample in samples) / len(samples) / size
    assert math.isclose(_expected(np.array(counts), size), mean, rel_tol=1e-9)


def test_sources_alike_in_diversity_are_found_alike_whatever_their_sizes(subject_of):
    short = named(subject_of(rows(60, lambda s: text(s, 20), lambda s: text(s, 200))))
    synthetic, mined = short["distinct_2_synthetic"], short["distinct_2_mined"]
    assert synthetic.low <= mined.value <= synthetic.high
    assert synthetic.value == pytest.approx(mined.value, abs=0.01)


def test_texts_of_few_words_are_less_diverse(subject_of):
    found = named(subject_of(rows(60, lambda s: text(s, vocabulary=40), text)))
    assert tuple(found) == NAMES
    assert found["distinct_2_synthetic"].high < 0.8 < 0.98 < found["distinct_2_mined"].low
    assert found["self_similarity_synthetic"].low > 0.6 > 0.3 > found["self_similarity_mined"].high
    assert found["self_similarity_mined"].n == 60


def test_one_text_for_every_query_is_as_like_itself_as_can_be(subject_of):
    same = named(subject_of([(f"q {i}", f"p {i}", [f"the same words as ever{'!' * i}"], []) for i in range(20)]))
    assert same["self_similarity_synthetic"].value == 1.0
    assert "of the other source" not in same["self_similarity_synthetic"].sentence


def test_neither_order_nor_ids_change_a_figure(subject_of):
    made = rows(30, text, lambda s: text(s, 80))
    one, other = named(subject_of(made)), named(subject_of(made[::-1], "other"))
    for name in NAMES:
        assert one[name].value == other[name].value
        assert one[name].n == other[name].n


def test_the_texts_of_one_query_are_not_compared_with_each_other(subject_of):
    """Two drafts for a query are about the same thing; that is no lack of diversity of the set."""
    twice = [(f"q {i}", f"p {i}", [text(i), text(i) + " more"], []) for i in range(30)]
    assert named(subject_of(twice))["self_similarity_synthetic"].value < 0.2


def test_too_few_texts_give_no_figure(subject_of):
    found = named(subject_of([("q", "p", ["one text"], [])]))
    assert [m.value for m in found.values()] == [None] * 4
    assert found["distinct_2_mined"].sentence == "Fewer than two queries have mined negatives."
    empty = named(subject_of([(f"q {i}", f"p {i}", ["." * (i + 1)], []) for i in range(12)]))
    assert [m.value for m in empty.values()] == [None] * 4
