"""The canary: an engine that does not hold replies to their schema never gets to spend a token."""

import json

import pytest

from syneg_data.engines.canary import prove_constraint
from syneg_data.engines.protocol import Completion, Message, Request
from syneg_data.engines.replies import StoredEngine
from syneg_data.errors import InputError, UnavailableError
from tests.generation.world import canary_reply


class Bird:
    """An engine whose reply to everything is made by a function."""

    context = None

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def complete(self, requests, finished=lambda index, completion: None):
        self.asked += requests
        return [self.answer(request) for request in requests]


def says(text, finish="stop", detail=""):
    return lambda request: Completion(text, finish, 9, 9, detail=detail)


def about(change):
    """The right reply, changed."""
    return lambda request: Completion(change(canary_reply(request).text), "stop", 9, 9)


def test_an_engine_that_obeys_is_returned_and_was_asked_once():
    bird = Bird(canary_reply)
    assert prove_constraint(bird) is bird
    (request,) = bird.asked
    assert request.messages == (
        Message("system", "You are a host."),
        Message("user", "Greet me in one short sentence."),
    )
    assert (request.temperature, request.top_p, request.max_tokens) == (0.0, 1.0, 96)


def test_what_is_asked_for_cannot_be_known():
    """A key and a word by chance, closed, and not in the prompt; others for the next engine."""
    bird = Bird(canary_reply)
    prove_constraint(bird)
    prove_constraint(bird)
    schemas = [json.loads(request.schema) for request in bird.asked]
    words = []
    for schema in schemas:
        ((key, value),) = schema["properties"].items()
        (word,) = value["enum"]
        assert (schema["required"], schema["additionalProperties"], schema["type"]) == ([key], False, "object")
        assert not any(hidden in message.content for hidden in (key, word) for message in bird.asked[0].messages)
        words += [key, word]
    assert len(set(words)) == 4


@pytest.mark.parametrize("change", [str.strip, lambda text: f" {text}\n", lambda text: text.replace(":", " :\t")])
def test_white_space_is_no_breach(change):
    prove_constraint(Bird(about(change)))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says("Hello there!"), id="ignores the schema"),
        pytest.param(says('{"greeting": "Hello"}'), id="other JSON"),
        pytest.param(says("{}"), id="empty JSON"),
        pytest.param(says(""), id="empty"),
        pytest.param(says("null"), id="null"),
        pytest.param(about(lambda text: text[:-2]), id="cut short"),
        pytest.param(about(lambda text: f"[{text}]"), id="wrapped"),
        pytest.param(about(lambda text: f"```json\n{text}\n```"), id="fenced"),
        pytest.param(about(lambda text: text[:-1] + ', "more": 1}'), id="a key more"),
        pytest.param(about(lambda text: text.replace('": "', '": "x')), id="another word"),
        pytest.param(says('{"', "length"), id="truncated"),
    ],
)
def test_an_engine_that_ignores_the_schema_is_refused(answer):
    with pytest.raises(InputError, match=r"does not hold replies to their JSON schema .* nothing was spent"):
        prove_constraint(Bird(answer))


def test_the_refusal_shows_what_was_written():
    with pytest.raises(InputError) as caught:
        prove_constraint(Bird(says("Hello! " * 90)))
    assert repr(("Hello! " * 90)[:80]) in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("finish", ["too_long", "rejected"])
def test_an_engine_that_refuses_the_canary_is_refused(finish):
    with pytest.raises(InputError, match=r"refuses a short prompt with a JSON schema \(no such field\); nothing was"):
        prove_constraint(Bird(says("", finish, "no such field")))


def test_an_engine_that_is_away_can_be_asked_later():
    with pytest.raises(UnavailableError, match=r"does not answer \(connection refused\); the same command resumes"):
        prove_constraint(Bird(says("", "unavailable", "connection refused")))


def request(max_tokens=64):
    return Request("r1", (Message("user", "x"),), "{}", 0.7, 1.0, max_tokens, 1)


@pytest.mark.parametrize(
    ("answer", "error"), [(says("Hello!"), InputError), (says("", "unavailable", "away"), UnavailableError)]
)
def test_no_request_reaches_an_engine_that_fails(answer, error, fresh_cache):
    bird = Bird(answer)
    stored = StoredEngine({"engine": "bird"}, lambda: bird)
    for _ in range(2):
        with pytest.raises(error):
            stored.complete([request()])
    assert [asked.request_id for asked in bird.asked] == ["canary", "canary"]
    assert stored.submitted == 0


def test_the_canary_is_asked_once_and_never_stored(fresh_cache):
    bird = Bird(lambda asked: canary_reply(asked) if asked.request_id == "canary" else Completion("r", "stop", 1, 1))
    stored = StoredEngine({"engine": "bird"}, lambda: bird)
    stored.complete([request(64)])
    stored.complete([request(65)])
    StoredEngine({"engine": "bird"}, lambda: bird).complete([request(66)])
    assert [asked.request_id for asked in bird.asked] == ["canary", "r1", "r1", "canary", "r1"]
