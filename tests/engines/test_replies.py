"""The reply store: a reply is made once, a fault is never kept as a reply."""

import dataclasses

import pytest

from syneg_data.engines.protocol import Completion, Message, Request, unheard
from syneg_data.engines.replies import StoredEngine
from syneg_data.errors import InputError, UnavailableError
from tests.generation.world import canary_reply

IDENTITY = {"engine": "scripted", "model": "m" * 64, "dtype": "float32", "version": 1}


class Scripted:
    """An engine of the protocol that answers from a script and remembers what it was asked.

    Replies finish in the opposite order of the requests; `dies_after` so many it is gone.
    """

    def __init__(self, finishes=None, context=None, dies_after=None):
        self.finishes = finishes or {}
        self.context = context
        self.dies_after = dies_after
        self.batches = []

    def complete(self, requests, finished=unheard):
        if [request.request_id for request in requests] == ["canary"]:
            return [canary_reply(requests[0])]
        self.batches.append([request.request_id for request in requests])
        replies = [self._answer(request) for request in requests]
        for done, index in enumerate(reversed(range(len(requests)))):
            if done == self.dies_after:
                raise UnavailableError("the engine is gone")
            finished(index, replies[index])
        return replies

    def _answer(self, request):
        finish = self.finishes.get(request.request_id, "stop")
        detail = "out of memory" if finish == "rejected" else ""
        return Completion(f"reply {request.request_id} \ud800é\u2028", finish, 10, 5, 2, detail)


def request(name, **changes):
    messages = (Message("system", "be brief"), Message("user", name))
    made = Request(name, messages, '{"type":"object"}', 0.7, 1.0, 64, 1)
    return dataclasses.replace(made, **changes)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def engine():
    return Scripted()


def texts(completions):
    return [completion.text.split()[1] for completion in completions]


def test_replies_come_in_the_order_of_the_requests(engine):
    stored = StoredEngine(IDENTITY, lambda: engine)
    stored.complete([request("b"), request("d")])
    assert texts(stored.complete([request(name) for name in "edcba"])) == ["e", "d", "c", "b", "a"]
    assert engine.batches == [["b", "d"], ["e", "c", "a"]]


def test_a_stored_reply_is_the_reply_and_the_engine_stays_shut(engine):
    (first,) = StoredEngine(IDENTITY, lambda: engine).complete([request("a")])
    again = StoredEngine(IDENTITY, lambda: pytest.fail("opened"))
    assert again.complete([request("a")]) == [first]
    assert first == Completion("reply a \ud800é\u2028", "stop", 10, 5, 2)
    assert (again.submitted, again.reused) == (0, 1)


def test_an_engine_is_opened_once(engine):
    opened = []
    stored = StoredEngine(IDENTITY, lambda: opened.append(1) or engine)
    assert stored.complete([]) == []
    assert opened == []
    stored.complete([request("a")])
    stored.complete([request("b")])
    assert opened == [1]


def test_equal_requests_of_one_call_are_asked_once(engine):
    stored = StoredEngine(IDENTITY, lambda: engine)
    same = request("a", request_id="another name for a")
    assert texts(stored.complete([request("a"), request("b"), same, request("a")])) == ["a", "b", "a", "a"]
    assert engine.batches == [["a", "b"]]
    assert (stored.submitted, stored.reused) == (2, 2)


@pytest.mark.parametrize("finish", ["rejected", "too_long", "unavailable"])
def test_a_fault_is_returned_but_never_stored(finish):
    faulty = Scripted({"b": finish})
    requests = [request(name) for name in "abc"]
    found = StoredEngine(IDENTITY, lambda: faulty).complete(requests)
    assert [completion.finish for completion in found] == ["stop", finish, "stop"]
    assert found[1].detail == ("out of memory" if finish == "rejected" else "")
    sound = Scripted()
    again = StoredEngine(IDENTITY, lambda: sound)
    assert [completion.finish for completion in again.complete(requests)] == ["stop", "stop", "stop"]
    assert sound.batches == [["b"]]
    assert (again.submitted, again.reused) == (1, 2)


def test_a_truncated_reply_is_a_fact_and_stored():
    StoredEngine(IDENTITY, lambda: Scripted({"a": "length"})).complete([request("a")])
    again = StoredEngine(IDENTITY, lambda: pytest.fail("opened"))
    assert again.complete([request("a")])[0].finish == "length"


OTHERS = {
    "text": {"messages": (Message("system", "be brief"), Message("user", "b"))},
    "role": {"messages": (Message("user", "be brief"), Message("user", "a"))},
    "one message fewer": {"messages": (Message("user", "a"),)},
    "schema": {"schema": '{"type":"string"}'},
    "temperature": {"temperature": 0.8},
    "top_p": {"top_p": 0.9},
    "max_tokens": {"max_tokens": 65},
    "seed": {"seed": 2},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=list(OTHERS))
def test_another_request_is_asked_anew(engine, change):
    stored = StoredEngine(IDENTITY, lambda: engine)
    stored.complete([request("a")])
    stored.complete([request("a", **change)])
    assert engine.batches == [["a"], ["a"]]


def test_the_name_of_a_request_is_not_part_of_it(engine):
    stored = StoredEngine(IDENTITY, lambda: engine)
    stored.complete([request("a")])
    stored.complete([request("a", request_id="other recipe's a")])
    assert engine.batches == [["a"]]


@pytest.mark.parametrize("change", [{"model": "n" * 64}, {"dtype": "bfloat16"}, {"version": 2}])
def test_another_engine_is_asked_anew(engine, change):
    StoredEngine(IDENTITY, lambda: engine).complete([request("a")])
    StoredEngine({**IDENTITY, **change}, lambda: engine).complete([request("a")])
    assert engine.batches == [["a"], ["a"]]


class Breaking(Scripted):
    def complete(self, requests, finished=unheard):
        if requests[0].request_id == "canary":
            return super().complete(requests)
        super().complete(requests)
        raise RuntimeError("CUDA error")


def test_a_batch_that_breaks_before_the_first_reply_is_asked_again_as_it_was(engine):
    requests = [request(name) for name in "abc"]
    StoredEngine(IDENTITY, lambda: engine).complete(requests[1:2])
    broken = Breaking()
    with pytest.raises(RuntimeError, match="CUDA error"):
        StoredEngine(IDENTITY, lambda: broken).complete(requests)
    StoredEngine(IDENTITY, lambda: engine).complete(requests)
    assert broken.batches == [["a", "c"]]
    assert engine.batches == [["b"], ["a", "c"]]


@pytest.mark.parametrize("died", [0, 1, 3, 64, 65, 99])
def test_an_engine_that_dies_takes_no_finished_reply_along(died):
    names = [f"r{i:02}" for i in range(100)]
    requests = [request(name) for name in names]
    with pytest.raises(UnavailableError, match="the engine is gone"):
        StoredEngine(IDENTITY, lambda: Scripted(dies_after=died)).complete(requests)
    sound = Scripted()
    again = StoredEngine(IDENTITY, lambda: sound)
    assert texts(again.complete(requests)) == names
    assert sound.batches == [names[: 100 - died]], "those that had not finished, in their order"
    assert again.reused == died


def test_replies_that_finish_in_another_order_are_stored_under_their_own_requests():
    StoredEngine(IDENTITY, Scripted).complete([request(name) for name in "abc"])
    again = StoredEngine(IDENTITY, lambda: pytest.fail("opened"))
    assert texts(again.complete([request(name) for name in "cab"])) == ["c", "a", "b"]


def test_a_reply_is_durable_as_soon_as_enough_have_finished(cache):
    """The 64th commits those before it, while the engine is still at work."""
    seen = []

    class Watching(Scripted):
        def complete(self, requests, finished=unheard):
            if requests[0].request_id == "canary":
                return super().complete(requests)
            replies = [self._answer(asked) for asked in requests]
            for index, reply in enumerate(replies):
                finished(index, reply)
                if index in (62, 63):
                    idle = Scripted()
                    StoredEngine(IDENTITY, lambda idle=idle: idle).complete([request("r00")])
                    seen.append(idle.batches)
            return replies

    StoredEngine(IDENTITY, Watching).complete([request(f"r{i:02}") for i in range(70)])
    assert seen[-1] == [], "found in the store"


class Short(Scripted):
    def complete(self, requests, finished=unheard):
        replies = super().complete(requests)
        return replies if requests[0].request_id == "canary" else replies[:-1]


def test_fewer_replies_than_requests_are_not_shifted_into_place():
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter"):
        StoredEngine(IDENTITY, Short).complete([request("a"), request("b")])
    sound = Scripted()
    StoredEngine(IDENTITY, lambda: sound).complete([request("a"), request("b")])
    assert sound.batches == [["a", "b"]]


@pytest.mark.parametrize(("context", "fits"), [(None, True), (65, True), (64, False), (10, False)])
def test_a_context_too_short_for_the_reply_is_refused_before_a_token_is_spent(context, fits):
    engine = Scripted(context=context)
    stored = StoredEngine(IDENTITY, lambda: engine, longest_reply=64)
    if fits:
        assert texts(stored.complete([request("a")])) == ["a"]
        return
    with pytest.raises(InputError, match=rf"max_tokens: 64 tokens of reply leave no room .* context of {context}"):
        stored.complete([request("a")])
    assert engine.batches == []


def test_a_short_reply_before_the_long_ones_hides_nothing():
    engine = Scripted(context=100)
    with pytest.raises(InputError, match="320 tokens of reply leave no room"):
        StoredEngine(IDENTITY, lambda: engine, longest_reply=320).complete([request("opinion", max_tokens=48)])
    assert engine.batches == []


def test_submitted_requests_are_counted_across_runs(engine):
    stored = StoredEngine(IDENTITY, lambda: engine)
    stored.complete([request("a"), request("b"), request("a")])
    assert (stored.submitted, stored.reused) == (2, 1)
    with pytest.raises(RuntimeError):
        StoredEngine(IDENTITY, Breaking).complete([request("c")])
    from syneg_data.durable import KeyValueStore, cache_root

    assert KeyValueStore(cache_root() / "replies.sqlite").count("submitted") == 3


def test_a_damaged_reply_is_asked_again(engine, cache):
    import sqlite3

    StoredEngine(IDENTITY, lambda: engine).complete([request("a"), request("b")])
    with sqlite3.connect(cache / "replies.sqlite") as db:
        db.execute("UPDATE rows SET value = replace(value, 'reply a', 'reply z')")
    assert texts(StoredEngine(IDENTITY, lambda: engine).complete([request("a"), request("b")])) == ["a", "b"]
    assert engine.batches == [["a", "b"], ["a"]]
