"""The openai engine against a real vLLM server; .ci/vllm runs these in an environment of their own."""

import json

import pytest

from syneg_data.engines.canary import prove_constraint
from syneg_data.engines.openai import OpenAI
from syneg_data.engines.protocol import Message, Request
from syneg_data.errors import InputError

pytest.importorskip("vllm", reason="vllm is not installed in this environment; .ci/vllm runs these in its own")

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"reasoning": {"type": "string"}, "passage": {"type": "string"}},
        "required": ["reasoning", "passage"],
        "additionalProperties": False,
    }
)


@pytest.fixture(scope="module")
def server(vllm_server):
    """Base URL of a vLLM server on this machine."""
    return vllm_server


def engine_for(server, **changes):
    spec = OpenAI.model_validate({"kind": "openai", "base_url": server, "model": "smollm2", "revision": "r", **changes})
    return spec.open(None)


def request(seed, text="Write one sentence about a river.", **changes):
    fields = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 48, "schema": SCHEMA, **changes}
    return Request(request_id=str(seed), messages=(Message("user", text),), seed=seed, **fields)


def test_a_real_server_holds_replies_to_their_schema(server):
    engine = engine_for(server)
    assert prove_constraint(engine) is engine


def test_replies_come_in_order_with_their_counts(server):
    heard = []
    requests = [request(seed) for seed in range(8)]
    requests[3] = request(3, "Say hello.", schema='{"enum":[{"a":1}]}', temperature=0.0)
    replies = engine_for(server).complete(requests, lambda i, reply: heard.append(i))
    assert sorted(heard) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert (replies[3].text, replies[3].finish, replies[3].tokens_in, replies[3].tokens_out) == (
        '{"a":1}',
        "stop",
        33,
        6,
    )
    others = [reply for i, reply in enumerate(replies) if i != 3]
    assert all(reply.text.startswith('{"reasoning":"') for reply in others)
    assert len({reply.text for reply in others}) == 7
    assert all(reply.finish == "stop" or reply.tokens_out == 48 for reply in others)


def test_a_prompt_that_is_too_long_is_a_row_and_the_others_are_answered(server):
    replies = engine_for(server).complete(
        [request(1, max_tokens=8), request(2, "word " * 1200), request(3, max_tokens=8)]
    )
    assert [reply.finish for reply in replies] == ["length", "too_long", "length"]
    assert replies[1].detail != ""


def test_a_model_that_the_server_does_not_serve_is_the_users_to_correct(server):
    with pytest.raises(InputError, match="another-model"):
        engine_for(server, model="another-model").complete([request(1)])
