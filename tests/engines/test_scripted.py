"""The scripted server: it speaks the protocol, keeps to schemas, and breaks in the way it is told to."""

import contextlib
import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from syneg_data.engines.faults import REPLY_FAULTS, backend_faults
from syneg_data.engines.honest import honest_value
from syneg_data.engines.scripted import Drop, Reply, ScriptedServer, Stall, Status, honest

SCHEMA = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "passage": {"type": "string"}},
    "required": ["reasoning", "passage"],
    "additionalProperties": False,
}
POSITIVE = "Glaciers carve valleys with steep walls as they move downhill under their own weight over many centuries."


def body(schema=SCHEMA, seed=1, text="how do valleys form?"):
    shown = json.dumps({"query": text, "document": POSITIVE})
    return {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Read:\n{shown}"}],
        "seed": seed,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}},
    }


def post(server, payload, path="/chat/completions"):
    request = urllib.request.Request(server.base_url + path, json.dumps(payload).encode(), {"X-Mark": "here"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_a_completion_has_the_shape_of_the_protocol():
    with ScriptedServer(lambda serial, asked: Reply(f"number {serial}"), model="tiny") as server:
        post(server, body())
        assert post(server, {"messages": [{"role": "user", "content": "twelve chars"}]}) == {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": "tiny",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "number 1", "refusal": None},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
    assert (server.completions, server.peak, server.log) == (2, 1, [])


def test_it_names_its_model_and_knows_no_other_path():
    with ScriptedServer(lambda serial, asked: honest(asked), model="tiny") as server:
        with urllib.request.urlopen(server.base_url + "/models", timeout=10) as answer:
            assert json.load(answer) == {"object": "list", "data": [{"id": "tiny", "object": "model"}]}
        with pytest.raises(urllib.error.HTTPError, match="404"):
            post(server, body(), "/embeddings")
    assert server.completions == 0


def test_one_connection_serves_many_requests():
    with ScriptedServer(lambda serial, asked: honest(asked)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        for seed in range(3):
            connection.request("POST", "/v1/chat/completions", json.dumps(body(seed=seed)))
            assert connection.getresponse().read().startswith(b'{"id": "chatcmpl-')
            held = connection.sock
            assert held is not None
        connection.close()


def test_the_log_holds_headers_and_bodies_in_order():
    with ScriptedServer(lambda serial, asked: honest(asked), log=True) as server:
        for seed in (5, 6):
            post(server, body(seed=seed))
    assert [asked["seed"] for _, asked in server.log] == [5, 6]
    assert server.log[0][0]["x-mark"] == "here"


def test_requests_in_progress_are_counted():
    together = threading.Barrier(3)
    with ScriptedServer(lambda serial, asked: Stall(0.2, Reply("late"))) as server:

        def ask():
            together.wait()
            post(server, body())

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (server.completions, server.peak) == (3, 3)


def test_closing_breaks_what_is_open_and_frees_the_port():
    broken = []

    def ask():
        try:
            post(server, body())
        except (OSError, http.client.HTTPException) as error:
            broken.append(error)

    with ScriptedServer(lambda serial, asked: Stall(60)) as server:
        thread = threading.Thread(target=ask)
        thread.start()
        while server.completions == 0:
            time.sleep(0.005)
    thread.join(timeout=5)
    assert len(broken) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
    with ScriptedServer(lambda serial, asked: Reply("back"), port=server.port) as again:
        assert post(again, body())["choices"][0]["message"]["content"] == "back"


def test_a_mistake_of_the_script_is_told():
    with (
        pytest.raises(KeyError, match="nothing"),
        ScriptedServer(lambda serial, asked: asked["nothing"]) as server,
        contextlib.suppress(urllib.error.HTTPError),
    ):
        post(server, body())


def test_a_dropped_request_gets_no_answer():
    with ScriptedServer(lambda serial, asked: Drop()) as server, pytest.raises(http.client.RemoteDisconnected):
        post(server, body())


def test_nonsense_does_not_stop_it():
    with ScriptedServer(lambda serial, asked: Reply("fine")) as server:
        for nonsense in (b"hello\r\n\r\n", b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 3\r\n\r\n{{{"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
                connection.sendall(nonsense)
                assert connection.recv(100) == b""
        assert post(server, body())["choices"][0]["message"]["content"] == "fine"


def test_an_honest_reply_depends_on_seed_and_messages_alone():
    first = honest(body()).text
    assert honest(body()).text == first
    assert honest({**body(), "model": "other", "temperature": 1.0}).text == first
    assert honest(body(seed=2)).text != first
    assert honest(body(text="another")).text != first


def test_an_honest_text_has_25_to_40_words():
    sizes = {len(honest_value(body(seed=seed))["passage"].split()) for seed in range(300)}
    assert sizes == set(range(25, 41))


def test_an_honest_text_passes_for_a_passage():
    from syneg_data.generation.replies import judge_text

    texts = [honest_value(body(seed=seed))["passage"] for seed in range(300)]
    assert {judge_text(text, "how do valleys form?", POSITIVE, ()).state for text in texts} == {"ok"}


VALUES = [
    ({"type": "object", "properties": {"a": {"type": "string", "enum": ["x1"]}}}, {"a": "x1"}),
    ({"const": 3}, 3),
    ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
    ({"type": "array", "items": {"enum": ["y"]}, "minItems": 2}, ["y", "y"]),
    ({"type": "array", "items": {"type": "string"}}, []),
    ({"type": "integer", "minimum": 4, "maximum": 4}, 4),
    ({"$defs": {"E": {"enum": ["z"]}}, "properties": {"e": {"$ref": "#/$defs/E"}}, "type": "object"}, {"e": "z"}),
]


@pytest.mark.parametrize(("schema", "value"), VALUES)
def test_an_honest_value_keeps_to_its_schema(schema, value):
    assert honest_value(body(schema)) == value


def test_a_bounded_string_is_cut():
    assert len(honest_value(body({"type": "string", "maxLength": 7}))) == 7


def test_the_catalogue_is_complete():
    # Forty families of bad replies (the refusal comes in three forms, the reflection's in one), and the back end's.
    assert len(REPLY_FAULTS) == 42
    assert len(backend_faults(1.0)) == 27


@pytest.mark.parametrize("name", REPLY_FAULTS)
def test_no_reply_of_the_catalogue_is_an_honest_one(name):
    good = honest(body()).text
    with ScriptedServer(lambda serial, asked: REPLY_FAULTS[name](asked)) as server:
        answer = post(server, body())
    if name == "choices out of order":
        assert [choice["index"] for choice in answer["choices"]] == [1, 0]
        assert answer["choices"][1]["message"]["content"] == good
    elif name == "id of another request":
        assert answer["id"] == "chatcmpl-of-another"
    elif name == "fewer choices":
        assert answer["choices"] == []
    else:
        assert answer["choices"][0]["message"]["content"] != good


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("copy of the positive", POSITIVE),
        ("copy of the query", "how do valleys form?"),
        ("copy in capitals", POSITIVE.upper()),
        ("three words", "Rivers flow downhill."),
    ],
)
def test_the_last_text_of_the_schema_is_the_faulty_one(name, text):
    reply = json.loads(REPLY_FAULTS[name](body()).text)
    assert list(reply) == ["reasoning", "passage"]
    assert reply["passage"] == text
    assert reply["reasoning"] == honest_value(body())["reasoning"]


def test_duplicate_keys_and_surrogates_survive_the_wire():
    twice = REPLY_FAULTS["duplicate attribute"](body()).text
    assert twice.count('"passage":') == 2
    assert "\\ud83d" in REPLY_FAULTS["lone surrogate"](body()).text


def test_a_status_sends_what_it_is_given():
    with ScriptedServer(lambda serial, asked: Status(529, "busy", {"Retry-After": "3"})) as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(server, body())
        assert caught.value.code == 529
        assert caught.value.headers["Retry-After"] == "3"
        assert caught.value.read() == b"busy"
        caught.value.close()


def test_the_double_needs_nothing_heavy():
    import subprocess
    import sys

    program = "import sys, syneg_data.engines.faults, syneg_data.engines.scripted; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
