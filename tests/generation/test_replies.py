"""From a completion to a typed state: the faults of language models, one by one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.engines.protocol import Completion
from syneg_data.generation.reflection import ReasonedReply, Reply
from syneg_data.generation.replies import FAILED, RETRYABLE, judge_reply

QUERY = "does vitamin D lower the risk of respiratory infection in adults"
POSITIVE = (
    "A meta-analysis of twenty five randomised trials found that daily or weekly vitamin D supplements protect adults "
    "against acute respiratory infection, most of all those who were very deficient at the start of the study, while "
    "single large doses gave no protection at all, and serious adverse events were equally rare in both groups."
)
GOOD = (
    "Vitamin D status in the population follows the seasons: concentrations in blood peak in late summer, fall until "
    "early spring, and adults who work indoors show a smaller amplitude than farmers of the same region."
)
# One word in thirty is another, so about nine in ten 4-grams stand in the positive.
NEARLY = POSITIVE.replace("acute respiratory", "severe respiratory")


def judge(text, finish="stop", reply_type=ReasonedReply, query=QUERY, positive=POSITIVE, siblings=(), detail=""):
    return judge_reply(Completion(text, finish, 10, 20, detail=detail), reply_type, query, positive, siblings)


def reply(passage, reasoning="It asks for trials; the passage covers seasons.", **more):
    return json.dumps({"reasoning": reasoning, "passage": passage, **more})


def state(*arguments, **options):
    return judge(*arguments, **options)[0]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("", "invalid", id="empty"),
        pytest.param(" \n\t " * 50, "invalid", id="white space only"),
        pytest.param("I'm sorry, but I can't help with that.", "invalid", id="refusal instead of JSON"),
        pytest.param(f"Here is the JSON: {reply(GOOD)}", "invalid", id="prose before JSON"),
        pytest.param(f"{reply(GOOD)} I hope this helps!", "invalid", id="prose after JSON"),
        pytest.param(f"```json\n{reply(GOOD)}\n```", "invalid", id="fenced JSON"),
        pytest.param(reply(GOOD) + reply(GOOD), "invalid", id="two objects"),
        pytest.param(reply(GOOD) + "\n" + reply(GOOD), "invalid", id="two lines"),
        pytest.param(f"[{reply(GOOD)}]", "invalid", id="an array as root"),
        pytest.param(json.dumps(GOOD), "invalid", id="a string as root"),
        pytest.param("null", "invalid", id="null as root"),
        pytest.param("7", "invalid", id="a number as root"),
        pytest.param('{"reasoning": "r"}', "invalid", id="passage is missing"),
        pytest.param(json.dumps({"passage": GOOD}), "invalid", id="reasoning is missing"),
        pytest.param(reply(GOOD, title="x"), "invalid", id="an unknown field"),
        pytest.param(reply("x")[:-1] + f', "passage": {json.dumps(GOOD)}}}', "invalid", id="a field twice"),
        pytest.param(reply(None), "invalid", id="null passage"),
        pytest.param(reply(42), "invalid", id="number passage"),
        pytest.param(reply(True), "invalid", id="boolean passage"),
        pytest.param(reply({"text": GOOD}), "invalid", id="nested passage"),
        pytest.param(reply([GOOD]), "invalid", id="listed passage"),
        pytest.param('{"reasoning": "r", "passage": NaN}', "invalid", id="NaN"),
        pytest.param('{"reasoning": "r", "passage": -Infinity}', "invalid", id="infinity"),
        pytest.param(reply(0).replace("0", "9" * 5000), "invalid", id="a number of 5000 digits"),
        pytest.param("[" * 100_000, "invalid", id="nested 100000 deep"),
        pytest.param(reply(GOOD)[:-1], "invalid", id="cut short"),
        pytest.param('{"reasoning": "r", "passage": "a\nb"}', "invalid", id="a raw line break in a string"),
        pytest.param("\ufeff" + reply(GOOD), "invalid", id="byte order mark"),
        pytest.param(reply(""), "degenerate", id="empty passage"),
        pytest.param(reply(" \n " * 400), "degenerate", id="white space passage"),
        pytest.param(reply("Calcium helps bones."), "degenerate", id="three words"),
        pytest.param(reply("... --- ... --- ... --- ... --- ... ---"), "degenerate", id="punctuation only"),
        pytest.param(reply("I'm sorry, but I cannot write a passage that misleads readers."), "refused", id="refusal"),
        pytest.param(
            reply("I\u2019m sorry, but I can\u2019t write a passage that misleads readers."),
            "refused",
            id="typographic refusal",
        ),
        pytest.param(
            reply("As an AI language model, I do not write misleading medical text at all."), "refused", id="as an AI"
        ),
        pytest.param(
            reply("Es tut mir leid, aber ich kann bei dieser Anfrage leider nicht weiterhelfen."),
            "refused",
            id="German refusal",
        ),
        pytest.param(reply(POSITIVE), "copied", id="the positive"),
        pytest.param(
            reply(POSITIVE.upper().replace(",", " -")), "copied", id="the positive, other case and punctuation"
        ),
        pytest.param(reply(NEARLY), "copied", id="the positive, one word changed"),
        pytest.param(reply(POSITIVE[: len(POSITIVE) // 2]), "copied", id="half of the positive"),
        pytest.param(reply(QUERY), "copied", id="the query"),
        pytest.param(reply(QUERY.capitalize() + "?"), "copied", id="the query, punctuated"),
        pytest.param(reply("vitamin D and the risk of infection " * 9), "degenerate", id="4-gram loop"),
        pytest.param(reply("vitamin " * 60), "degenerate", id="one word for ever"),
        pytest.param(reply(GOOD + " \x00"), "degenerate", id="NUL"),
        pytest.param(reply(GOOD + " \x1b[31mred"), "degenerate", id="escape sequence"),
        pytest.param(reply(GOOD + " \x7f"), "degenerate", id="DEL"),
        pytest.param(reply(GOOD + " \x9b31mred"), "degenerate", id="C1 control character"),
        pytest.param(reply(GOOD + " \ud83d"), "degenerate", id="lone surrogate"),
        pytest.param(reply(GOOD + " caf\ufffd"), "degenerate", id="replacement character"),
        pytest.param(reply(GOOD + " [Insert statistic here]"), "degenerate", id="placeholder in brackets"),
        pytest.param(reply("<insert name> reported that " + GOOD), "degenerate", id="placeholder in angles"),
        pytest.param(reply("Lorem ipsum dolor sit amet. " + GOOD), "degenerate", id="lorem ipsum"),
        pytest.param(reply("<think>What to write?</think> " + GOOD), "degenerate", id="think tags"),
        pytest.param(reply(GOOD + "<|im_end|>"), "degenerate", id="chat token"),
        pytest.param(reply("This hard negative is on topic: " + GOOD), "degenerate", id="leak: hard negative"),
        pytest.param(reply("Shorter than the positive_document. " + GOOD), "degenerate", id="leak: positive_document"),
        pytest.param(reply("The user_query asks for trials. " + GOOD), "degenerate", id="leak: user_query"),
        pytest.param(reply("Answer in JSON: passage. " + GOOD), "degenerate", id="leak: format"),
        pytest.param(
            reply("Write a short passage from another study on the same topic, with different findings."),
            "degenerate",
            id="leak: task",
        ),
        pytest.param(reply("You are an expert in Virology. " + GOOD), "degenerate", id="leak: system prompt"),
    ],
)
def test_faults(raw, expected):
    found, detail, text, reflection = judge(raw)
    assert found == expected
    assert (text, reflection) == ("", "")
    assert detail


@pytest.mark.parametrize(
    ("finish", "detail", "expected"),
    [
        ("length", "", ("truncated", "the reply hit max_tokens")),
        ("too_long", "prompt of 9000 tokens", ("failed", "too_long")),
        ("error", "out of memory", ("failed", "out of memory")),
    ],
)
def test_a_reply_that_did_not_end_is_never_ok(finish, detail, expected):
    assert judge(reply(GOOD), finish=finish, detail=detail) == (*expected, "", "")


def test_a_sibling_is_a_copy_for_the_second_one_alone():
    assert state(reply(GOOD)) == "ok"
    assert judge(reply(GOOD), siblings=[NEARLY, GOOD])[:2] == ("copied", "another draft for the same pair")
    assert judge(reply(GOOD.upper()), siblings=[GOOD])[:2] == ("copied", "another draft for the same pair")
    assert state(reply(GOOD), siblings=[NEARLY]) == "ok"


@pytest.mark.parametrize(
    "passage",
    [
        pytest.param(GOOD, id="plain"),
        pytest.param("“Vitamin D” \u2013 naïve, 50 µg/day, β-carotene & 日本: " + GOOD, id="other scripts"),
        pytest.param(GOOD + " See table [3] and <https://example.org>.", id="brackets"),
        pytest.param("# Vitamin D\n\n" + GOOD + "\n---\n| a | b |", id="Markdown"),
        pytest.param("One cannot infer seasons from one sample. " + GOOD, id="cannot, but no refusal"),
        pytest.param("eight words are just enough for a passage", id="eight words"),
        pytest.param(f"It was asked {QUERY}. " + GOOD, id="quotes the query"),
        pytest.param(GOOD + " " + " ".join(POSITIVE.split()[:12]), id="shares a phrase with the positive"),
    ],
)
def test_good_replies(passage):
    assert judge(reply(passage, reasoning=" Two\n words ")) == ("ok", "", " ".join(passage.split()), "Two words")


@pytest.mark.parametrize(
    ("query", "positive"), [("how to parse json", POSITIVE), (QUERY, "JSON, <think> and all. " * 3)]
)
def test_words_of_the_prompt_that_the_corpus_speaks_of_are_no_leak(query, positive):
    talk = reply("A JSON document holds objects and arrays, and " + GOOD)
    assert state(talk, query=query, positive=positive) == "ok"
    assert state(talk) == "degenerate"
    assert state(reply("The user_query field. " + GOOD), query=query, positive=positive) == "degenerate"


def test_a_reply_without_reasoning():
    assert judge(json.dumps({"passage": GOOD}), reply_type=Reply) == ("ok", "", GOOD, "")
    assert state(reply(GOOD), reply_type=Reply) == "invalid"


def test_reasoning_that_cannot_be_written_to_a_file_is_not_kept():
    """A lone surrogate has no UTF-8; what judge_reply returns becomes a row of an Arrow table."""
    for passage, reasoning in [(GOOD, "half \ud83d"), (GOOD + "\ud83d", "whole")]:
        found, _, text, reflection = judge(reply(passage, reasoning))
        assert found in ("degenerate", "invalid", "ok")
        (text + reflection).encode("utf-8")


@given(st.text(), st.sampled_from(["stop", "length", "too_long", "error"]))
def test_no_text_is_an_exception(text, finish):
    for raw in (text, reply(text), reply(GOOD, text)):
        assert state(raw, finish=finish) in {
            "ok", "truncated", "invalid", "refused", "copied", "degenerate", "failed",
        }  # fmt: skip


def test_what_is_tried_again_and_what_counts_as_failed():
    assert sorted(RETRYABLE) == ["copied", "degenerate", "invalid", "refused", "truncated"]
    assert sorted(FAILED) == ["failed", "invalid", "truncated"]
