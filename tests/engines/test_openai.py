"""The engine for OpenAI-style servers, over real HTTP against the scripted one."""

import asyncio
import gzip
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import pytest
from pydantic import ValidationError

from syneg_data.engines.addresses import guarded_resolver, refused
from syneg_data.engines.canary import prove_constraint
from syneg_data.engines.openai import OpenAI, OpenAIEngine
from syneg_data.engines.pacing import Fault, Pacer, retry_after
from syneg_data.engines.protocol import Completion, Message, Request
from syneg_data.engines.scripted import Reply, ScriptedServer, Stall, Status, honest
from syneg_data.errors import InputError, UnavailableError

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"why": {"type": "string"}, "passage": {"type": "string"}},
        "required": ["why", "passage"],
    }
)
KEY = "sk-proj-0123456789abcdef"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def request(i, **changes):
    fields = {
        "request_id": f"r{i}",
        "messages": (Message("system", "Be brief."), Message("user", f"Describe river {i} é in a few words.")),
        "schema": SCHEMA,
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 64,
        "seed": i,
    }
    return Request(**{**fields, **changes})


def engine_for(base_url, backoff=0.002, resolver=None, **changes):
    spec = OpenAI(kind="openai", base_url=base_url, model="m", revision="2026-11-01", **changes)
    return OpenAIEngine(spec, backoff=backoff, resolver=resolver)


def echo(serial, body):
    """The number of the river, so that replies can be told apart."""
    return Reply(body["messages"][-1]["content"].split()[2])


# --- what is asked and what comes back


def test_replies_come_in_the_order_of_the_requests_and_each_is_told_once():
    def late_first(serial, body):
        river = int(body["messages"][-1]["content"].split()[2])
        return Stall(0.05 if river % 3 == 0 else 0.001, echo(serial, body))

    told = []
    with ScriptedServer(late_first) as server:
        replies = engine_for(server.base_url).complete(
            [request(i) for i in range(30)], lambda i, completion: told.append((i, completion.text))
        )
    assert [reply.text for reply in replies] == [str(i) for i in range(30)]
    assert sorted(told) == [(i, str(i)) for i in range(30)]
    assert told != sorted(told)
    assert server.completions == 30


def test_nothing_is_sent_for_nothing():
    with ScriptedServer(echo) as server:
        assert engine_for(server.base_url).complete([]) == []
    assert server.completions == 0


def test_the_listener_hears_in_the_calling_thread():
    heard = set()
    with ScriptedServer(echo) as server:
        engine_for(server.base_url).complete(
            [request(i) for i in range(4)], lambda i, completion: heard.add(threading.get_ident())
        )
    assert heard == {threading.get_ident()}


def test_what_the_listener_raises_ends_the_call():
    def full(i, completion):
        if i == 0:
            raise OSError("disk full")

    with ScriptedServer(echo) as server, pytest.raises(OSError, match="disk full"):
        engine_for(server.base_url).complete([request(i) for i in range(300)], full)
    assert server.completions < 100


def test_the_body_of_a_request():
    with ScriptedServer(echo, log=True) as server:
        engine_for(server.base_url).complete([request(7)])
    ((headers, body),) = server.log
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Describe river 7 é in a few words."},
        ],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 64,
        "seed": 7,
        "n": 1,
        "stream": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "default",
                "strict": True,
                "schema": {
                    "type": "object",
                    "properties": {"why": {"type": "string"}, "passage": {"type": "string"}},
                    "required": ["why", "passage"],
                    "additionalProperties": False,
                },
            },
        },
    }
    assert headers["content-type"] == "application/json"
    assert headers["accept-encoding"] == "identity"


def test_the_constraint_is_that_of_outlines():
    from outlines.models.openai import OpenAITypeAdapter
    from outlines.types import JsonSchema

    with ScriptedServer(echo, log=True) as server:
        engine_for(server.base_url).complete([request(0)])
    asked = {"response_format": server.log[0][1]["response_format"]}
    assert asked == OpenAITypeAdapter().format_output_type(JsonSchema(SCHEMA))


def test_every_request_has_its_own_schema_and_a_seed_that_every_server_can_hold():
    other = json.dumps({"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]})
    with ScriptedServer(echo, log=True) as server:
        engine_for(server.base_url, concurrency=1).complete(
            [request(0, seed=5), request(1, seed=2**63 - 1, schema=other), request(2, seed=2**31)]
        )
    assert [body["seed"] for _, body in server.log] == [5, 2147483647, 0]
    schemas = [body["response_format"]["json_schema"]["schema"]["properties"] for _, body in server.log]
    assert [list(properties) for properties in schemas] == [["why", "passage"], ["title"], ["why", "passage"]]


USAGES = {
    "all": ({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}, (9, 4, 5)),
    "no details": ({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}, (9, 4, 0)),
    "empty": ({}, (0, 0, 0)),
    "wrong types": ({"prompt_tokens": "9", "completion_tokens": True, "prompt_tokens_details": [5]}, (0, 0, 0)),
    "negative": ({"prompt_tokens": -9, "completion_tokens": 4.5}, (0, 0, 0)),
}


@pytest.mark.parametrize(("usage", "tokens"), USAGES.values(), ids=list(USAGES))
def test_usage(usage, tokens):
    with ScriptedServer(lambda serial, body: Reply("x", usage=usage)) as server:
        (reply,) = engine_for(server.base_url).complete([request(0)])
    assert (reply.tokens_in, reply.tokens_out, reply.tokens_cached) == tokens


ENDINGS = {
    "stop": (Reply("done"), Completion("done", "stop", 1, 2)),
    "length": (Reply("cut o", finish="length"), Completion("cut o", "length", 1, 2)),
    "filtered": (Reply("bad", finish="content_filter"), Completion("", "rejected", 1, 2, detail="content_filter")),
    "refused": (Reply(None, refusal="I can't help."), Completion("I can't help.", "stop", 1, 2)),
    "nothing": (Reply(None), Completion("", "stop", 1, 2)),
    "lone surrogate": (Reply("a \ud83d b"), Completion("a \ud83d b", "stop", 1, 2)),
}


@pytest.mark.parametrize(("act", "expected"), ENDINGS.values(), ids=list(ENDINGS))
def test_how_a_reply_ends(act, expected):
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    told = Reply(act.text, act.finish, usage=usage, refusal=act.refusal)
    with ScriptedServer(lambda serial, body: told) as server:
        assert engine_for(server.base_url).complete([request(0)]) == [expected]


def test_the_first_choice_is_taken_wherever_it_stands():
    choices = [
        {"index": 1, "message": {"content": "second"}, "finish_reason": "stop"},
        {"index": 0, "message": {"content": "first"}, "finish_reason": "stop"},
    ]
    with ScriptedServer(lambda serial, body: Status(200, json.dumps({"choices": choices}))) as server:
        (reply,) = engine_for(server.base_url).complete([request(0)])
    assert reply.text == "first"


NO_COMPLETIONS = {
    "a list": "[]",
    "no choices": "{}",
    "fewer choices": '{"choices": []}',
    "choices of text": '{"choices": ["x"]}',
    "no message": '{"choices": [{"index": 0, "finish_reason": "stop"}]}',
    "content is a list": '{"choices": [{"index": 0, "message": {"content": ["x"]}, "finish_reason": "stop"}]}',
    "no reason to end": '{"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": null}]}',
    "reason is a list": '{"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": ["stop"]}]}',
    "nested too deeply": "[" * 200_000,
    "a number too long": '{"choices": ' + "9" * 5000 + "}",
    "nothing": "",
}


@pytest.mark.parametrize("body", NO_COMPLETIONS.values(), ids=list(NO_COMPLETIONS))
def test_what_is_no_completion_is_asked_again(body):
    with ScriptedServer(lambda serial, asked: Status(200, body) if serial == 0 else Reply("good")) as server:
        assert [c.text for c in engine_for(server.base_url).complete([request(0)])] == ["good"]
    assert server.completions == 2


def completion(text):
    return json.dumps(Reply(text).completion(0, {}, "m"))


def test_an_endless_body_is_cut_off():
    endless = Status(200, completion("x" * 9 * 2**20))
    with ScriptedServer(lambda serial, body: endless if serial == 0 else Reply("good", model="m")) as server:
        assert [c.text for c in engine_for(server.base_url).complete([request(0)])] == ["good"]
    assert server.completions == 2


def test_nothing_is_unpacked():
    bomb = Status(200, gzip.compress(completion("x" * 4 * 2**20).encode()), {"Content-Encoding": "gzip"})
    with ScriptedServer(lambda serial, body: bomb if serial == 0 else Reply("good", model="m")) as server:
        assert [c.text for c in engine_for(server.base_url).complete([request(0)])] == ["good"]
    assert server.completions == 2


# --- the canary


def test_the_canary_passes_on_a_server_that_holds_to_the_schema():
    with ScriptedServer(lambda serial, body: honest(body)) as server:
        engine = engine_for(server.base_url)
        assert prove_constraint(engine) is engine
    assert server.completions == 1


def test_the_canary_stops_a_server_that_ignores_the_schema():
    def careless(serial, body):
        return honest({**body, "response_format": {}})

    with ScriptedServer(careless) as server, pytest.raises(InputError, match="does not hold replies to their JSON"):
        prove_constraint(engine_for(server.base_url))
    assert server.completions == 1


# --- pace


def test_no_more_than_concurrency_are_in_flight():
    with ScriptedServer(lambda serial, body: Stall(0.05, Reply("x"))) as server:
        engine_for(server.base_url, concurrency=5).complete([request(i) for i in range(25)])
    assert server.peak == 5


def test_the_pace_rises_from_eight_while_replies_come():
    arrivals = []

    def script(serial, body):
        arrivals.append(time.monotonic())
        return Stall(0.4, Reply("x"))

    with ScriptedServer(script) as server:
        engine_for(server.base_url, concurrency=32).complete([request(i) for i in range(40)])
    assert sum(arrival < arrivals[0] + 0.35 for arrival in arrivals) == 8
    assert 8 < server.peak <= 32


def test_an_overloaded_server_gets_half_and_the_limit_recovers():
    pacer = Pacer(32, 0.0)
    for _ in range(30):
        pacer.succeeded()
    assert pacer.allowed == 32
    began = time.monotonic()
    for _ in range(10):  # ten that were in flight together: one strike, one halving
        pacer.failed(began, Fault("HTTP 429", overloaded=True))
    assert (pacer.allowed, pacer.strikes) == (16, 1)
    for _ in range(16):
        pacer.succeeded()
    assert (pacer.allowed, pacer.strikes) == (16, 0)
    pacer.succeeded()
    assert pacer.allowed == 17
    pacer.failed(time.monotonic(), Fault("HTTP 500"))
    assert (pacer.allowed, pacer.strikes) == (17, 1)


def test_three_strikes_leave_one_request_at_a_time():
    pacer = Pacer(32, 0.0)
    for strikes, allowed in ((1, 8), (2, 8), (3, 1), (4, 1)):
        pacer.failed(time.monotonic(), Fault("reset"))
        assert (pacer.strikes, pacer.allowed) == (strikes, allowed)
    pacer.succeeded()
    assert (pacer.strikes, pacer.allowed) == (0, 9)


def test_a_wait_that_the_server_asks_for_is_kept():
    times = []

    def script(serial, body):
        times.append(time.monotonic())
        return Status(429, "", {"Retry-After": "1"}) if serial == 0 else Reply("x")

    with ScriptedServer(script) as server:
        engine_for(server.base_url, concurrency=1).complete([request(0), request(1)])
    assert 1.0 <= times[1] - times[0] < 3.0


def test_retry_after_is_seconds_or_a_date_and_nonsense_is_none():
    assert [retry_after(text) for text in ("7", "0.5", "0", "-3", "nan", "soon", "", None)] == [
        7,
        0.5,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
    assert 50 < retry_after(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert retry_after(formatdate(time.time() - 60, usegmt=True)) == 0
    assert retry_after("Thu, 99 Foo 2026 00:00:00 GMT") == 0
    assert retry_after("1e999") == float("inf")


# --- the key, and where it goes


def test_the_key_is_sent_in_its_header(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OTHER_API_KEY", "another-key")
    with ScriptedServer(echo, log=True) as server:
        engine_for(server.base_url).complete([request(0)])
        engine_for(server.base_url, api_key_env="OTHER_API_KEY").complete([request(0)])
    assert [headers["authorization"] for headers, _ in server.log] == [f"Bearer {KEY}", "Bearer another-key"]


def test_without_a_key_no_header_is_sent():
    with ScriptedServer(echo, log=True) as server:
        engine_for(server.base_url).complete([request(0)])
    assert "authorization" not in server.log[0][0]


@pytest.mark.parametrize("key", ["two\nlines", "schl\u00fcssel", "tab\tkey"])
def test_a_key_that_no_header_can_hold_is_refused(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError) as caught:
        engine_for("http://127.0.0.1:9/v1")
    assert str(caught.value) == (
        "environment variable OPENAI_API_KEY: not a key, it holds control or non-ASCII characters; set it"
    )


@pytest.mark.parametrize("name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "PATH", "", "x_API_KEY"])
def test_only_variables_for_api_keys_can_be_named(name):
    with pytest.raises(ValidationError, match="api_key_env"):
        OpenAI(kind="openai", base_url="http://127.0.0.1/v1", model="m", revision="r", api_key_env=name)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(monkeypatch, code):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ScriptedServer(echo) as other:
        target = other.base_url.replace("127.0.0.1", "localhost")
        with (
            ScriptedServer(lambda s, b: Status(code, "", {"Location": f"{target}/chat/completions?k={KEY}"})) as server,
            pytest.raises(InputError) as caught,
        ):
            engine_for(server.base_url).complete([request(0)])
    assert other.completions == 0
    assert str(caught.value) == (
        f"engine at {server.base_url}: it redirects to localhost, and neither key nor prompts follow a redirect; "
        "if that is the server you mean, write it in base_url"
    )


def test_secrets_and_prompts_stay_out_of_details(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "plain-secret-of-mine")
    said = (
        "key plain-secret-of-mine, sk-live-abcdef123456 hf_abcdefghijklmnopqrstuvwxyz012345 Bearer abc.def "
        "http://me:pw@host/\n\x1b[31mred"
    )
    with ScriptedServer(lambda s, b: Status(400, json.dumps({"error": {"message": said}}))) as server:
        (reply,) = engine_for(server.base_url).complete([request(0)])
    assert reply == Completion(
        "", "rejected", 0, 0, detail="HTTP 400: key [hidden], [hidden] [hidden] [hidden] http://[hidden]host/ [31mred"
    )


def test_a_prompt_that_the_server_repeats_stays_out_of_details():
    def repeat(serial, body):
        return Status(422, json.dumps({"error": {"message": f"bad input: {body['messages'][-1]['content']}"}}))

    with ScriptedServer(repeat) as server:
        (reply,) = engine_for(server.base_url).complete([request(0)])
    assert reply == Completion("", "rejected", 0, 0, detail="HTTP 422: (it repeats the prompt)")


def test_a_long_message_is_cut():
    with ScriptedServer(lambda s, b: Status(400, json.dumps({"message": "x" * 5000}))) as server:
        (reply,) = engine_for(server.base_url).complete([request(0)])
    assert reply.detail == "HTTP 400: " + "x" * 180


# --- addresses

REFUSED = {
    "metadata": "http://169.254.169.254/v1",
    "link-local": "http://169.254.1.1:8000/v1",
    "unspecified": "http://0.0.0.0:8000/v1",
    "zero network": "http://0.1.2.3/v1",
    "IPv6 link-local": "http://[fe80::1]/v1",
    "IPv6 link-local with a zone": "http://[fe80::1%25eth0]/v1",
    "IPv6 metadata": "http://[fd00:ec2::254]/v1",
    "IPv6 unspecified": "http://[::]/v1",
    "IPv4-mapped": "http://[::ffff:169.254.169.254]/v1",
    "IPv4-mapped in hex": "http://[::ffff:a9fe:a9fe]/v1",
    "IPv4-compatible": "http://[::a9fe:a9fe]/v1",
    "6to4": "http://[2002:a9fe:a9fe::1]/v1",
    "NAT64": "http://[64:ff9b::a9fe:a9fe]/v1",
    "other metadata": "http://100.100.100.200/v1",
    "multicast": "http://224.0.0.1/v1",
    "decimal": "http://2852039166/v1",
    "hexadecimal": "http://0xa9fea9fe/v1",
    "octal": "http://0251.0376.0251.0376/v1",
    "short": "http://169.16689662/v1",
    "full-width digits": "http://\uff11\uff16\uff19.254.169.254/v1",
    "file": "file:///etc/passwd",
    "ftp": "ftp://127.0.0.1/v1",
    "no scheme": "127.0.0.1:8000/v1",
    "no host": "http:///v1",
    "user and password": "http://me:secret@127.0.0.1/v1",
    "user": "http://me@127.0.0.1/v1",
    "key in the query": "http://127.0.0.1/v1?api_key=sk-1234567890",
    "path that is not ASCII": "http://127.0.0.1/v1/\u00fc",
    "fragment": "http://127.0.0.1/v1#x",
    "backslash": "http://127.0.0.1\\@evil.example/v1",
    "space": "http://127.0.0.1/v1 /x",
    "newline": "http://127.0.0.1/v1\n",
    "port 0": "http://127.0.0.1:0/v1",
    "port 70000": "http://127.0.0.1:70000/v1",
    "open bracket": "http://[::1/v1",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=list(REFUSED))
def test_refused_urls(url):
    with pytest.raises(ValidationError) as caught:
        OpenAI(kind="openai", base_url=url, model="m", revision="r")
    (error,) = caught.value.errors()
    assert error["loc"] == ("base_url",)
    assert "; " in error["msg"]
    assert "secret" not in error["msg"]
    assert "sk-" not in error["msg"]


ALLOWED = {
    "http://127.0.0.1:8000/v1": "http://127.0.0.1:8000/v1",
    "http://localhost:8000/v1/": "http://localhost:8000/v1",
    "http://[::1]:8000/v1": "http://[::1]:8000/v1",
    "http://10.1.2.3:8000/v1": "http://10.1.2.3:8000/v1",
    "http://gpu_box.lan:8000": "http://gpu_box.lan:8000",
    "https://api.example.org/openai/v1": "https://api.example.org/openai/v1",
    "https://1e100.example/v1": "https://1e100.example/v1",
}


@pytest.mark.parametrize(("url", "kept"), ALLOWED.items(), ids=list(ALLOWED))
def test_allowed_urls(url, kept):
    assert OpenAI(kind="openai", base_url=url, model="m", revision="r").base_url == kept


@pytest.mark.parametrize("name", ["2852039166", "0xa9fea9fe", "0"])
def test_a_name_that_the_system_resolves_to_a_refused_address_is_refused(name):
    async def resolve():
        return await guarded_resolver().resolve(name, 80)

    with pytest.raises(InputError, match=rf"host {name} resolves to (169\.254\.169\.254|0\.0\.0\.0), a link-local"):
        asyncio.run(resolve())


class Names:
    """A resolver of the interface of aiohttp, with names of its own."""

    def __init__(self, **addresses):
        self._addresses = addresses

    async def resolve(self, host, port=0, family=socket.AF_INET):
        addresses = self._addresses[host.partition(".")[0]]
        return [
            {"hostname": host, "host": a, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for a in addresses
        ]

    async def close(self):
        pass


def test_a_name_is_connected_to_only_if_all_its_addresses_may_be():
    with ScriptedServer(echo) as server:
        names = Names(good=["127.0.0.1"], bad=["169.254.169.254"], both=["127.0.0.1", "::ffff:169.254.169.254"])
        urls = {name: f"http://{name}.example:{server.port}/v1" for name in ("good", "bad", "both")}
        assert engine_for(urls["good"], resolver=names).complete([request(0)])[0].text == "0"
        for name, shown in (("bad", "169.254.169.254"), ("both", "::ffff:169.254.169.254")):
            with pytest.raises(InputError) as caught:
                engine_for(urls[name], resolver=names).complete([request(0)])
            assert str(caught.value) == (
                f"host {name}.example resolves to {shown}, a link-local, metadata or unspecified address; "
                "correct base_url, or the name"
            )
    assert server.completions == 1


def test_loopback_is_no_refused_address():
    assert [refused(a) for a in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "192.168.1.1")] == [False] * 4


# --- identity


def test_the_place_is_no_part_of_the_identity():
    near = OpenAI(kind="openai", base_url="http://127.0.0.1:8000/v1", model="m", revision="r1")
    far = OpenAI(kind="openai", base_url="https://far.example/v1", model="m", revision="r1", concurrency=64, retries=1)
    assert near.identity(None) == {"engine": "openai", "model": "m", "revision": "r1", "version": 1}
    assert far.identity(None) == near.identity(None)
    assert near.model_reference() is None

    from syneg_data.spec import fingerprint

    assert fingerprint(near) == fingerprint(far)
    assert fingerprint(near) != fingerprint(near.model_copy(update={"revision": "r2"}))


def test_a_revision_must_be_stated():
    with pytest.raises(ValidationError, match="revision"):
        OpenAI(kind="openai", base_url="http://127.0.0.1:8000/v1", model="m")
    with pytest.raises(ValidationError, match="revision"):
        OpenAI(kind="openai", base_url="http://127.0.0.1:8000/v1", model="m", revision="")


def test_rows_of_two_models_do_not_mix():
    told = []
    with ScriptedServer(lambda serial, body: Reply("x", model="A" if serial < 3 else "B")) as server:
        engine = engine_for(server.base_url, concurrency=1)
        engine.complete([request(0)])
        with pytest.raises(UnavailableError) as caught:
            engine.complete([request(i) for i in range(6)], lambda i, completion: told.append(i))
    assert told == [0, 1]
    assert server.completions == 4
    assert str(caught.value) == (
        f"engine at {server.base_url}: it now serves 'B', before it was 'A'; rows of two models must not mix: "
        "serve the first again, then the same command resumes, or state a new revision"
    )


# --- life


def test_importing_it_loads_nothing_heavy():
    program = (
        "import sys, syneg_data.engines.openai\n"
        "syneg_data.engines.openai.OpenAI(kind='openai', base_url='http://127.0.0.1/v1', model='m', revision='r')\n"
        "print(sorted(set(sys.modules) & {'aiohttp', 'outlines', 'torch', 'openai'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_interrupt_ends_the_call_at_once_and_keeps_what_was_told(tmp_path):
    program = f"""
import signal, sys, threading, os, time
from syneg_data.engines.openai import OpenAI
from syneg_data.engines.protocol import Message, Request
from syneg_data.engines.scripted import Reply, ScriptedServer, Stall

def script(serial, body):
    if serial == 6:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    return Stall(60) if serial >= 4 else Reply("x")

requests = [Request(str(i), (Message("user", "hi"),), {SCHEMA!r}, 0.0, 1.0, 8, i) for i in range(50)]
told = []
with ScriptedServer(script) as server:
    engine = OpenAI(kind="openai", base_url=server.base_url, model="m", revision="r").open(None)
    begin = time.monotonic()
    try:
        engine.complete(requests, lambda i, completion: told.append(i))
    except KeyboardInterrupt:
        print(len(told), time.monotonic() - begin < 5)
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "4 True"
    assert "never" not in done.stderr  # awaited, retrieved: nothing is left behind


def certificate(folder):
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_a_certificate_is_checked(tmp_path, monkeypatch):
    with ScriptedServer(echo, tls=certificate(tmp_path)) as server:
        with pytest.raises(UnavailableError, match=r"faults in a row, the last: connection: .*self.signed certificate"):
            engine_for(server.base_url, breaker=2).complete([request(0)])
        assert server.completions == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert engine_for(server.base_url).complete([request(0)])[0].text == "0"


def test_a_signal_while_a_reply_is_awaited_ends_the_run_without_a_traceback():
    program = """
import signal, sys
from syneg_data.cli import _terminated
from syneg_data.engines.canary import prove_constraint
from syneg_data.engines.openai import OpenAI

signal.signal(signal.SIGTERM, _terminated)
spec = OpenAI.model_validate({"kind": "openai", "base_url": sys.argv[1], "model": "scripted", "revision": "r"})
engine = spec.open(None)
print("ready", flush=True)
prove_constraint(engine)
"""
    with ScriptedServer(lambda serial, body: Stall(60.0)) as server:
        command = [sys.executable, "-c", program, server.base_url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        while not server.completions:
            time.sleep(0.01)
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert (errors, process.returncode) == ("terminated; the same command resumes\n", 143)
