"""Phrases that written negatives repeat and real texts do not."""

import random

import pytest

from syneg_data.audit.boilerplate import Phrase, find_phrases, measure

WORDS = [f"word{i}" for i in range(3000)]


def words(seed, size=30):
    return " ".join(random.Random(seed).choices(WORDS, k=size))


def made(written, real=lambda i: words(f"r{i}"), n=100):
    return [(f"q{i}", written(i)) for i in range(n)], [(f"q{i}", real(i)) for i in range(n)]


def test_a_phrase_of_every_fifth_text_is_found_whole():
    phrase = "it is important to note"
    written, real = made(lambda i: f"{words(i)} It is important, to note {words(-i)}" if i % 5 == 0 else words(i))
    phrases, held = find_phrases(written, real)
    assert phrases == [Phrase(phrase, 20, 0)]
    assert [i for i, hit in enumerate(held) if hit] == list(range(0, 100, 5))


def test_what_real_texts_say_as_often_is_no_boilerplate():
    written, real = made(
        lambda i: f"{words(i)} in a randomised controlled trial",
        lambda i: f"in a randomised controlled trial {words(-i)}",
    )
    assert find_phrases(written, real) == ([], [False] * 100)


@pytest.mark.parametrize(("real_with", "found"), [(0, True), (1, True), (4, False)])
def test_ten_times_the_odds_are_needed(real_with, found):
    """20 of 100 written: odds 0.25; 1 of 100 real: 0.015; 4 of 100: 0.047."""
    written, real = made(
        lambda i: f"{words(i)} studies have shown that" if i < 20 else words(i),
        lambda i: f"studies have shown that {words(-i)}" if i < real_with else words(f"r{i}"),
    )
    assert bool(find_phrases(written, real)[0]) == found


def test_a_phrase_of_few_queries_is_never_named():
    """Four queries are too few however often each one's texts say it; five are enough."""
    often = [(f"q{i % 4}", f"{words(i)} my neighbour jane doe says") for i in range(40)]
    rest = [(f"q{i}", words(i)) for i in range(40, 100)]
    real = [(f"q{i}", words(f"r{i}")) for i in range(100)]
    assert find_phrases(often + rest, real)[0] == []
    assert [p.written for p in find_phrases([*often, ("q99", "oh my neighbour jane doe says")], real)[0]] == [5]


def test_at_least_one_in_a_hundred_queries():
    written, real = made(lambda i: f"{words(i)} as mentioned earlier in this" if i < 9 else words(i), n=1000)
    assert find_phrases(written, real)[0] == []
    written, real = made(lambda i: f"{words(i)} as mentioned earlier in this" if i < 10 else words(i), n=1000)
    assert [p.words for p in find_phrases(written, real)[0]] == ["as mentioned earlier in this"]


def test_phrases_do_not_run_from_one_text_into_the_next():
    written = [(f"q{i}", "alpha beta" if i % 2 else "gamma delta") for i in range(50)]
    assert find_phrases(written, [("q0", "other words")])[0] == []


def test_of_a_phrase_and_its_parts_only_the_longest_is_taken():
    long = "the findings of this study suggest that more"
    written, real = made(lambda i: f"{words(i)} {long}" if i < 30 else words(i))
    assert [p.words for p in find_phrases(written, real)[0]] == [long]


def test_the_measure_names_phrases_and_their_share(subject_of):
    rows = [
        (
            f"q {i}",
            words(f"p{i}"),
            [f"{words(i)} In conclusion, it is clear"] if i < 10 else [words(i)],
            [words(f"m{i}")],
        )
        for i in range(40)
    ]
    (found,) = measure(subject_of(rows))
    assert (found.name, found.group, found.value, found.n) == ("boilerplate", "texts", 0.25, 40)
    assert found.sentence == (
        "10 of 40 (25 %) written negatives hold boilerplate: 1 phrase that real texts hardly have, such as "
        "\u201cin conclusion it is clear\u201d (10 queries)."
    )
    (again,) = measure(subject_of(rows[::-1], "z"))
    assert again == found


def test_a_phrase_shows_neither_markup_nor_what_looks_confidential(subject_of):
    def told(ending):
        rows = [(f"q {i}", words(f"p{i}"), [f"{words(i)} {ending}"], [words(f"m{i}")]) for i in range(20)]
        (found,) = measure(subject_of(rows))
        return found

    markup = told("click <b> here | now $x$")
    assert markup.value == 1.0
    assert not set("<>|$`*") & set(markup.sentence)
    mail = told("please write to jane.doe@clinic.org for more of this")
    assert mail.value == 1.0
    assert "jane" not in mail.sentence and "clinic" not in mail.sentence
    card = told("pay with card " + "4539" + "148803436467 right away please")
    assert "4539" not in card.sentence
    assert "right away please" in card.sentence


def test_without_written_or_real_texts_there_is_no_figure(subject_of):
    assert measure(subject_of([("q", "p", [], ["m"])]))[0].sentence == "No negative is written."
    assert measure(subject_of([]))[0].value is None
