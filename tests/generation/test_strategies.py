"""The strategies one by one: their prompts to the letter, their passages, and the base they start from."""

import json

import pytest
from pydantic import ValidationError

from syneg_data.generation.assignments import Pair, Passage, Texts
from syneg_data.generation.replies import judge_text
from syneg_data.generation.strategies import Graded, Restyle, Rewrite, Syneg
from syneg_data.generation.strategies.restyle import first_versions
from syneg_data.records import Attribute, Hit, Verdict
from tests.generation.world import POSITIVE, QUERY

PAIR = Pair("q", "p", 2, ("n0", "n1"), 5)
TEXTS = Texts("does it?", "It does, they say.", "It rains.")
TONE = {"tone": ("dry",)}


def prompt(strategy, reasoning="Think first.", texts=TEXTS, slot=0):
    system, user = strategy.messages(strategy.assignments(PAIR, 13)[slot], texts, reasoning)
    return system.content, user.content.split("\n")


def keys(strategy, reasoned):
    return list(strategy.reply_type(reasoned=reasoned).model_fields)


# syneg


def test_syneg_asks_like_this():
    strategy = Syneg(kind="syneg", genre="recipe", attributes={"domain": ("Virology",), "length": ("as long as",)})
    assert prompt(strategy) == (
        "You are an expert who writes texts.",
        [
            '{"user_query": "does it?", "positive_document": "It does, they say."}',
            "",
            "Write a short passage of three or four sentences from another recipe on the same topic, with different "
            "findings. A reader with this query must not find the answer in it.",
            "Think first.",
            "Field: Virology. Length: as long as the text above.",
        ],
    )
    assert len(prompt(Syneg(kind="syneg", attributes={}), reasoning="")[1]) == 3


def test_a_genre_with_braces_is_no_template():
    (task,) = prompt(Syneg(kind="syneg", genre="{x} {genre}", attributes={}), "")[1][2:]
    assert "from another {x} {genre} on the same topic" in task


def test_syneg_has_the_attributes_of_the_paper():
    (job,) = Syneg(kind="syneg").assignments(PAIR, 13)
    assert [attribute.axis for attribute in job.attributes] == ["difficulty", "length"]
    assert (job.passages, job.base_id) == ((Passage(0, "passage", "negative", 0),), None)
    assert (keys(Syneg(kind="syneg"), True), keys(Syneg(kind="syneg"), False)) == (
        ["reasoning", "passage"],
        ["passage"],
    )


# rewrite


def test_rewrite_asks_like_this():
    assert prompt(Rewrite(kind="rewrite", attributes=TONE)) == (
        "You are an editor.",
        [
            '{"user_query": "does it?", "document": "It rains."}',
            "",
            "Write the document again with one fact changed, so that it no longer answers the query. Say first which "
            "fact of the query is meant (requirement), then what it becomes (change).",
            "Think first.",
            "tone: dry.",
        ],
    )


def test_rewrite_goes_down_the_near_misses():
    strategy = Rewrite(kind="rewrite", per_pair=5)
    assert [job.base_id for job in strategy.assignments(PAIR, 13)] == ["n0", "n1", "n0", "n1", "n0"]
    lonely = Pair("q", "p", 1, (), 0)
    assert [job.base_id for job in strategy.assignments(lonely, 13)] == ["p"] * 5
    always = Rewrite(kind="rewrite", per_pair=2, base="positive")
    assert [job.base_id for job in always.assignments(PAIR, 13)] == ["p", "p"]
    assert (strategy.needs_near_misses, always.needs_near_misses) == (True, False)
    assert {job.passages[0].role for job in strategy.assignments(PAIR, 13)} == {"negative"}


def test_rewrite_names_requirement_and_change():
    strategy = Rewrite(kind="rewrite")
    assert keys(strategy, True) == ["reasoning", "requirement", "change", "passage"]
    assert keys(strategy, False) == ["requirement", "change", "passage"]
    reply = strategy.reply_type(reasoned=False)(requirement="adults", change="children", passage="x")
    assert strategy.notes(reply) == ("requirement: adults", "change: children")


# graded


def test_graded_asks_like_this():
    levels = {"0": "is about tea", "4": "answers", "2": "hints"}
    assert prompt(Graded(kind="graded", levels=levels, attributes=TONE)) == (
        "You are an expert who writes texts.",
        [
            '{"user_query": "does it?", "positive_document": "It does, they say."}',
            "",
            "Write 3 new passages of two sentences each, all in the same style. grade_4 answers. grade_2 hints. "
            "grade_0 is about tea.",
            "Think first.",
            "tone: dry.",
        ],
    )


def test_graded_writes_all_levels_in_one_reply_best_first():
    strategy = Graded(kind="graded", per_pair=2, positive_from=2)
    first, second = strategy.assignments(PAIR, 13)
    assert first.passages == (
        Passage(0, "grade_3", "positive", 3), Passage(1, "grade_2", "positive", 2),
        Passage(2, "grade_1", "negative", 1), Passage(3, "grade_0", "negative", 0),
    )  # fmt: skip
    assert [passage.slot for passage in second.passages] == [4, 5, 6, 7]
    assert [passage.role for passage in Graded(kind="graded").assignments(PAIR, 13)[0].passages] == [
        "positive", "negative", "negative", "negative",
    ]  # fmt: skip
    assert keys(strategy, True) == ["reasoning", "grade_3", "grade_2", "grade_1", "grade_0"]
    tens = Graded(kind="graded", levels={"2": "a", "10": "b"})
    assert keys(tens, False) == ["grade_10", "grade_2"], "by number, not by letter"


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({}, "needs two levels or more"),
        ({"1": "answers"}, "needs two levels or more"),
        ({"1": "answers", "-1": "lies"}, "each a whole number from 0"),
        ({"1": "answers", "low": "lies"}, "each a whole number from 0"),
        ({"1": "answers", "01": "lies"}, "each a whole number from 0"),
        ({"1": "answers", "1.5": "lies"}, "each a whole number from 0"),
        ({"1": "answers", "0": " \n"}, "a level says nothing"),
    ],
)
def test_levels_are_numbers_that_say_something(levels, message):
    with pytest.raises(ValidationError, match=message):
        Graded(kind="graded", levels=levels)


# restyle


def test_restyle_asks_like_this_and_never_for_reasons():
    assert prompt(Restyle(kind="restyle", attributes=TONE)) == (
        "You are an editor who says things in other words.",
        [
            '{"user_query": "does it?", "document": "It does, they say."}',
            "",
            "Write the document again in your own words and with other sentences. Keep every fact that the query asks "
            "about, and add none.",
            "tone: dry.",
        ],
    )
    assert keys(Restyle(kind="restyle"), True) == keys(Restyle(kind="restyle"), False) == ["passage"]


def test_restyle_writes_positives_of_the_grade_of_the_judgement():
    jobs = Restyle(kind="restyle", per_pair=2).assignments(PAIR, 13)
    assert [job.passages for job in jobs] == [(Passage(n, "passage", "positive", 2),) for n in range(2)]
    assert [job.base_id for job in jobs] == ["p", "p"]


# all


@pytest.mark.parametrize(
    ("strategy", "key"),
    [
        (Syneg(kind="syneg", positive_words=20), "positive_document"),
        (Graded(kind="graded", positive_words=20), "positive_document"),
        (Restyle(kind="restyle", positive_words=20), "document"),
        (Rewrite(kind="rewrite", base_words=20), "document"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_a_long_text_can_be_cut(strategy, key):
    long = " ".join(f"w{i}" for i in range(50))
    line = prompt(strategy, texts=Texts("q", long, long))[1][0]
    assert json.loads(line)[key] == " ".join(f"w{i}" for i in range(20))


@pytest.mark.parametrize("values", [(), ("a", "a"), ("a", ""), ("a", " \n")])
@pytest.mark.parametrize("kind", [Syneg, Rewrite, Graded, Restyle])
def test_an_axis_without_values_of_its_own_is_refused(kind, values):
    with pytest.raises(ValidationError, match="axis 'tone' needs values, each once and none empty"):
        kind(kind=kind.__name__.lower(), attributes={"tone": values})


@pytest.mark.parametrize("strategy", [Syneg, Rewrite, Graded, Restyle], ids=lambda kind: kind.__name__)
def test_a_task_that_comes_back_as_the_text_is_a_leak(strategy):
    task = prompt(strategy(kind=strategy.__name__.lower(), attributes={}), "")[1][2]
    judged = judge_text(task, QUERY, POSITIVE, [])
    assert judged.state == "degenerate"
    assert judged.detail.startswith("leaked instruction")


def test_attributes_reach_the_assignment():
    job = Syneg(kind="syneg", attributes={"tone": ("dry",)}).assignments(PAIR, 13)[0]
    assert job.attributes == (Attribute("tone", "dry"),)


def test_only_a_version_that_is_kept_takes_the_place_of_its_positive_and_what_is_made_up_takes_none():
    def positive(doc_id, strategy, verdict="keep", positive_id="p"):
        hit = (Hit(strategy, 1, None),)
        return Verdict("q", positive_id, doc_id, "synthetic", hit, 0.5, 0.5, (), verdict, "")

    found = [
        positive("made-up", "levels"),
        positive("lost", "anew", "too_easy"),
        positive("first", "anew"),
        positive("second", "restyle"),
        positive("other", "restyle", positive_id="p2"),
    ]
    strategies = [Graded(kind="graded", name="levels"), Restyle(kind="restyle", name="anew"), Restyle(kind="restyle")]
    assert first_versions(found, strategies) == {("q", "p"): "first", ("q", "p2"): "other"}
    assert first_versions(found, strategies[:1]) == first_versions(found, ()) == {}
