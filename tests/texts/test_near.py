"""Near-duplicates: the search finds what comparing all with all finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.texts.near import Likeness, length_enough, overlap_enough

TWELVE = "one two three four five six seven eight nine ten eleven twelve"  # ten sequences of three words


def windows(text, shingle):
    words = text.split()
    return {tuple(words[i : i + shingle]) for i in range(max(1, len(words) - shingle + 1))} if words else set()


def alike(left, right, shingle, least):
    """The definition, written another way."""
    a, b = windows(left, shingle), windows(right, shingle)
    if not a or not b:
        return False
    shorter, longer = sorted((len(left), len(right)))
    return len(a & b) / len(a | b) >= least - 1e-12 and shorter >= (least - 0.2) * longer


WORDS = st.lists(st.sampled_from("abcdef"), max_size=9).map(" ".join)
# Texts that differ by a word or two, so that many are near the threshold.
EDITED = st.builds(
    lambda words, place, word: " ".join([*words[:place], word, *words[place + 1 :]]),
    st.just(TWELVE.split()) | st.just(TWELVE.split()[:6] * 2),
    st.integers(0, 11),
    st.sampled_from(["one", "x", "y", ""]),
)
TEXTS = st.lists(WORDS | EDITED, max_size=14)
SHARES = st.sampled_from([0.1, 0.3, 0.5, 0.56, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0])


@given(TEXTS, st.sampled_from([1, 2, 3]), SHARES)
def test_a_search_finds_exactly_what_comparing_all_with_all_finds(texts, shingle, least):
    texts = [" ".join(text.split()) for text in texts]
    likeness = Likeness(texts, shingle)
    everything = range(len(texts))
    expected = {i for i in everything if any(i != j and alike(texts[i], texts[j], shingle, least) for j in everything)}
    found = likeness.search(everything, least=least)
    assert (found.found, found.unfinished) == (expected, set())
    for i in everything:
        for j in everything:
            assert likeness.near(i, j, least) == alike(texts[i], texts[j], shingle, least)


@given(TEXTS, st.data(), SHARES)
def test_a_search_among_others_finds_exactly_what_comparing_all_finds(texts, data, least):
    texts = [" ".join(text.split()) for text in texts]
    numbers = list(range(len(texts)))
    left = data.draw(st.sets(st.sampled_from(numbers))) if texts else set()
    right = set(numbers) - left
    expected = {i for i in left if any(alike(texts[i], texts[j], 3, least) for j in right)}
    assert Likeness(texts).search(sorted(left), sorted(right), least=least).found == expected


@given(TEXTS, st.randoms(), st.integers(1, 3))
def test_the_order_of_the_texts_changes_nothing_even_where_the_work_is_bounded(texts, random, most):
    shuffled = list(range(len(texts)))
    random.shuffle(shuffled)
    found = Likeness(texts).search(range(len(texts)), least=0.5, most=most)
    again = Likeness([texts[i] for i in shuffled]).search(range(len(texts)), least=0.5, most=most)
    assert sorted(texts[i] for i in found.found) == sorted(texts[shuffled[i]] for i in again.found)
    assert sorted(texts[i] for i in found.unfinished) == sorted(texts[shuffled[i]] for i in again.unfinished)


@pytest.mark.parametrize(("least", "found"), [(0.91, set()), (0.9, {0, 1}), (0.8, {0, 1, 2})])
def test_how_much_two_texts_share(least, found):
    texts = [
        TWELVE,
        TWELVE.removesuffix(" twelve"),
        TWELVE.upper() + ", thirteen; fourteen!",
        "another text altogether",
    ]
    assert Likeness(texts).search(range(4), least=least).found == found  # 9 of 10, 10 of 12, 9 of 12


def test_one_word_sequences_leave_the_order_of_words_aside():
    texts = ["Is vitamin D linked to cancer?", "Vitamin D is linked to cancer.", "Is vitamin C linked to cancer?"]
    assert Likeness(texts, 1).search(range(3), least=0.9).found == {0, 1}
    assert Likeness(texts, 3).search(range(3), least=0.9).found == set()


def test_texts_without_a_word_are_duplicates_of_nothing():
    likeness = Likeness(["", "...", "\n", "word"])
    assert likeness.search(range(4), least=0.1).found == set()
    assert not likeness.near(0, 1, 0.1)
    assert Likeness([]).search([], least=0.8).found == set()


def test_short_texts_are_compared_whole():
    assert Likeness(["red apple", "Red apple!", "apple red", "red"]).search(range(4), least=0.1).found == {0, 1}


def test_the_work_on_texts_of_one_template_is_bounded_and_said_to_be():
    """85 % of each text is the template: none is a near-duplicate, and all share what the prefix filter looks at."""
    template = " ".join(f"t{i}" for i in range(172))
    texts = [f"{template} " + " ".join(f"u{n}x{i}" for i in range(30)) for n in range(90)]
    bounded = Likeness(texts).search(range(90), least=0.8, most=20)
    assert (bounded.found, bounded.unfinished) == (set(), set(range(90)))
    whole = Likeness(texts).search(range(90), least=0.8, most=90)
    assert (whole.found, whole.unfinished) == (set(), set())


def test_a_bounded_search_still_finds_the_twin_of_each_text():
    """Those nearest in length and words are compared first."""
    template = " ".join(f"t{i}" for i in range(172))
    texts = [f"{template} " + " ".join(f"u{n // 2}x{i}" for i in range(30)) + f" end{n}" for n in range(90)]
    assert Likeness(texts).search(range(90), least=0.8, most=20).found == set(range(90))


def test_many_copies_of_one_text_are_found_with_few_comparisons():
    texts = [TWELVE + f" {n % 3}" for n in range(500)]
    assert Likeness(texts).search(range(500), least=0.8, most=2).found == set(range(500))


@pytest.mark.parametrize(("common", "union"), [(14, 25), (7, 12), (9, 10), (57, 100)])
def test_a_share_just_at_the_threshold_is_enough(common, union):
    assert overlap_enough(common, common, union, common / union)
    assert not overlap_enough(common, common, union, common / union + 1e-6)


def test_texts_of_unlike_length_are_no_duplicates():
    assert length_enough(70, 100, 0.9)
    assert not length_enough(69, 100, 0.9)
    texts = ["round and about " * 3, "round and about " * 4, "round and about " * 30]
    assert Likeness(texts).search(range(3), least=0.9).found == {0, 1}
