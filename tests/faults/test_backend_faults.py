"""Every way in which a back end fails, once, for 30 % of the requests, and for good: nothing is lost or asked twice."""

import json
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter

import pytest

from syneg_data.engines.faults import backend_faults
from syneg_data.engines.openai import OpenAI, OpenAIEngine
from syneg_data.engines.protocol import Message, Request
from syneg_data.engines.replies import StoredEngine
from syneg_data.engines.scripted import Reply, ScriptedServer, Status, honest
from syneg_data.errors import InputError, UnavailableError

N = 20
SCHEMA = json.dumps({"type": "object", "properties": {"passage": {"type": "string"}}, "required": ["passage"]})
PATIENCE = 0.3
FAULTS = backend_faults(PATIENCE)
SLOW = {"no answer in time", "an answer byte by byte"}
REJECTED = {"400": "rejected", "413": "rejected", "422": "rejected", "context length": "too_long"}
WRONG = {
    "401": "HTTP 401: the key is not valid; put a valid key into the environment variable that api_key_env names",
    "403": "HTTP 403: this key may not use this model; use a key that may use this model",
    "404": "HTTP 404: no such model; correct model or base_url (which mostly ends in /v1)",
    "redirect": "it redirects to other.example, and neither key nor prompts follow a redirect; "
    "if that is the server you mean, write it in base_url",
}
STOPPED = {
    "429 with a huge wait": "HTTP 429: quota used up; it asks to wait 86400 s; the same command resumes then",
    "another model": "it now serves 'another', before it was 'scripted'; rows of two models must not mix: "
    "serve the first again, then the same command resumes, or state a new revision",
}
PASSING = [name for name in FAULTS if name not in REJECTED | WRONG | STOPPED]
MODES = ["once", "30 %", "for good"]


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def request(i):
    return Request(f"r{i}", (Message("user", f"Describe river {i} please."),), SCHEMA, 0.7, 1.0, 64, i)


REQUESTS = [request(i) for i in range(N)]


def river(body):
    """The number of the request; None for the engine's own question whether the server is there."""
    words = body["messages"][-1]["content"].split()
    return int(words[2]) if words[1:2] == ["river"] else None


def good(body):
    return Reply(f"reply {river(body)}")


def engine_for(base_url, *, slow=False, resolver=None, **changes):
    fields = {"concurrency": 4, "retries": 5, "breaker": 4, "timeout": PATIENCE if slow else 20.0, **changes}
    spec = OpenAI(kind="openai", base_url=base_url, model="m", revision="r", **fields)
    return OpenAIEngine(spec, backoff=0.002, resolver=resolver)


class Script:
    """Good replies, but the fault in the sixth request, in the first two tries of 30 %, or from the sixth on."""

    def __init__(self, fault, mode):
        self.fault = fault
        self.mode = mode
        self.tries = Counter()

    def __call__(self, serial, body):
        self.tries[river(body)] += 1
        return self.fault(body) if self._faulty(serial, river(body)) else good(body)

    def _faulty(self, serial, number):
        if self.mode == "once":
            return serial == 5
        if self.mode == "30 %":
            return number is not None and number % 10 in (0, 3, 6) and self.tries[number] <= 2
        return self.mode == "for good" and serial >= 5


class Told:
    """A listener that notes every completion and refuses to hear of one twice."""

    def __init__(self):
        self.replies = {}

    def __call__(self, index, completion):
        assert index not in self.replies
        self.replies[index] = completion


def check_all_good(replies, told):
    assert [(reply.text, reply.finish) for reply in replies] == [(f"reply {i}", "stop") for i in range(N)]
    assert told.replies == dict(enumerate(replies))


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("mode", ["once", "30 %"])
def test_a_fault_that_passes_costs_no_reply(name, mode):
    script, told = Script(FAULTS[name], mode), Told()
    with ScriptedServer(script) as server:
        replies = engine_for(server.base_url, slow=name in SLOW, breaker=12).complete(REQUESTS, told)
    check_all_good(replies, told)
    if name not in SLOW:
        assert server.completions == N + (1 if mode == "once" else 2 * 6)


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_stays_ends_the_run_and_the_next_one_asks_for_the_rest(name):
    script, told = Script(FAULTS[name], "for good"), Told()
    with ScriptedServer(script) as server:
        engine = engine_for(server.base_url, slow=name in SLOW)
        with pytest.raises(UnavailableError) as caught:
            engine.complete(REQUESTS, told)
        assert len(told.replies) == 5
        message = str(caught.value)
        assert message.startswith(f"engine at {server.base_url}: ")
        assert " faults in a row, the last: " in message
        assert message.endswith("; see to the server, then the same command resumes")
        script.mode = "mended"
        rest = [i for i in range(N) if i not in told.replies]
        replies = engine.complete([REQUESTS[i] for i in rest])
    assert [reply.text for reply in replies] == [f"reply {i}" for i in rest]


@pytest.mark.parametrize("name", REJECTED)
@pytest.mark.parametrize(("mode", "rejected"), [("once", 1), ("30 %", 6), ("for good", 15)])
def test_a_request_that_the_server_rejects_is_answered_so_and_not_asked_again(name, mode, rejected):
    script, told = Script(FAULTS[name], mode), Told()
    with ScriptedServer(script) as server:
        replies = engine_for(server.base_url).complete(REQUESTS, told)
    assert server.completions == N
    assert told.replies == dict(enumerate(replies))
    assert Counter(reply.finish for reply in replies) == {REJECTED[name]: rejected, "stop": N - rejected}
    bad = [reply for reply in replies if reply.finish != "stop"]
    assert all(
        reply.text == "" and reply.detail.startswith(f"HTTP {name if name.isdigit() else 400}: ") for reply in bad
    )
    if mode == "30 %":
        assert [i for i, reply in enumerate(replies) if reply.finish != "stop"] == [0, 3, 6, 10, 13, 16]


@pytest.mark.parametrize("name", [*WRONG, *STOPPED])
@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_refuses_as_a_whole_ends_the_run_at_once(name, mode):
    script, told = Script(FAULTS[name], "not yet"), Told()
    with ScriptedServer(script) as server:
        engine = engine_for(server.base_url, concurrency=1)
        engine.complete([request(99)])  # settles which model the server names
        script.mode = mode
        with pytest.raises(InputError if name in WRONG else UnavailableError) as caught:
            engine.complete(REQUESTS, told)
    assert str(caught.value) == f"engine at {server.base_url}: {(WRONG | STOPPED)[name]}"
    before = {"once": 4, "30 %": 0, "for good": 4}[mode]
    assert list(told.replies) == list(range(before))
    assert server.completions == 1 + before + 1


def test_the_catalogue_is_covered():
    assert len(FAULTS) == 27
    assert set(PASSING) | set(REJECTED) | set(WRONG) | set(STOPPED) == set(FAULTS)
    assert len(PASSING) == 17


# --- transport that fails before a server is reached


class Flaky:
    """A resolver of the interface of aiohttp: the n-th name leads to the server, to another port, or nowhere."""

    def __init__(self, mode, port):
        self.mode = mode
        self.port = port
        self.asked = 0
        self.failed = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        n, self.asked = self.asked, self.asked + 1
        if {"once": n == 5, "30 %": n % 10 in (0, 3, 6), "for good": n >= 5}[self.mode]:
            self.failed += 1
            if self.port is None:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            port = self.port
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self):
        pass


def closing(serial, body):
    """A good reply after which the connection ends, so that the next request resolves the name again."""
    return Status(200, json.dumps(good(body).completion(serial, body, "m")), {"Connection": "close"})


@pytest.fixture
def closed_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused, nobody else gets it
        yield held.getsockname()[1]


def certificate(folder):
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        capture_output=True, check=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def run_flaky(server, resolver):
    url = f"{server.base_url.split(':')[0]}://localhost:{server.port}/v1"
    engine, told = engine_for(url, resolver=resolver), Told()
    if resolver.mode != "for good":
        check_all_good(engine.complete(REQUESTS, told), told)
        assert resolver.failed >= (1 if resolver.mode == "once" else 6)
        assert server.completions == N
        return ""
    with pytest.raises(UnavailableError) as caught:
        engine.complete(REQUESTS, told)
    assert len(told.replies) == 5
    return str(caught.value).split("the last: ")[1]


@pytest.mark.parametrize("mode", MODES)
def test_connection_refused(mode, closed_port):
    with ScriptedServer(closing) as server:
        last = run_flaky(server, Flaky(mode, closed_port))
    assert last in ("", "connection: Connection refused; see to the server, then the same command resumes")


@pytest.mark.parametrize("mode", MODES)
def test_names_that_do_not_resolve(mode):
    with ScriptedServer(closing) as server:
        last = run_flaky(server, Flaky(mode, None))
    assert last in ("", "connection: Name or service not known; see to the server, then the same command resumes")


@pytest.mark.parametrize("mode", MODES)
def test_tls_that_breaks(mode, tmp_path, monkeypatch):
    known, foreign = certificate(tmp_path / "known"), certificate(tmp_path / "foreign")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "known" / "cert.pem"))
    with ScriptedServer(closing, tls=known) as server, ScriptedServer(closing, tls=foreign) as other:
        last = run_flaky(server, Flaky(mode, other.port))
    assert other.completions == 0
    assert last == "" or "certificate verify failed" in last


def test_a_name_that_is_none():
    with pytest.raises(UnavailableError, match=r"the last: connection: (Name or service|Temporary failure in name)"):
        engine_for("http://no-such-host.invalid/v1").complete(REQUESTS)


# --- the life of a server


def test_a_server_that_is_killed_and_started_again_costs_no_reply():
    told, reached = Told(), threading.Event()

    def count(serial, body):
        if serial == 8:
            reached.set()
            time.sleep(0.05)  # still unanswered when the server dies
        return good(body)

    with ScriptedServer(count) as first:
        restarted = []

        def restart():
            reached.wait(timeout=10)
            first.close()
            time.sleep(0.2)
            restarted.append(ScriptedServer(lambda serial, body: good(body), port=first.port).__enter__())

        thread = threading.Thread(target=restart)
        thread.start()
        replies = engine_for(first.base_url, breaker=100, retries=2).complete(REQUESTS, told)
        thread.join()
    restarted[0].close()
    check_all_good(replies, told)
    assert first.completions + restarted[0].completions <= N + 4


def test_a_server_that_is_killed_for_good_ends_the_run():
    told = Told()

    def until_eight(serial, body):
        if serial == 8:
            threading.Thread(target=server.close).start()
            time.sleep(0.05)
        return good(body)

    with ScriptedServer(until_eight) as server, pytest.raises(UnavailableError) as caught:
        engine_for(server.base_url).complete(REQUESTS, told)
    assert str(caught.value) == (
        f"engine at {server.base_url}: 4 faults in a row, the last: connection: Connection refused; "
        "see to the server, then the same command resumes"
    )
    assert set(range(5)) <= set(told.replies) <= set(range(12))


def test_an_outage_longer_than_the_retries_of_a_request_costs_no_reply():
    told = Told()
    with ScriptedServer(lambda serial, body: FAULTS["503"](body) if 5 <= serial < 30 else good(body)) as server:
        replies = engine_for(server.base_url, retries=1, breaker=100).complete(REQUESTS, told)
    check_all_good(replies, told)


@pytest.mark.parametrize("poisoned", [{19}, {17, 18, 19}, {4}])
def test_a_request_that_breaks_the_server_is_given_up_and_the_others_are_not(poisoned):
    """A server that answers everything else is not gone, even if the breaking requests are all that is left to ask."""
    told = Told()
    with ScriptedServer(lambda s, body: FAULTS["500"](body) if river(body) in poisoned else good(body)) as server:
        replies = engine_for(server.base_url, retries=2, breaker=4).complete(REQUESTS, told)
    assert {i for i, reply in enumerate(replies) if reply.finish != "stop"} == poisoned
    for i in poisoned:
        assert replies[i].finish == "unavailable"
        assert replies[i].detail.startswith("HTTP 500: internal error (")
    assert told.replies == dict(enumerate(replies))


def test_a_lone_request_that_breaks_the_server_is_given_up_as_soon_as_the_server_answers_something_else():
    with ScriptedServer(lambda s, body: FAULTS["500"](body) if river(body) == 4 else good(body)) as server:
        (reply,) = engine_for(server.base_url, retries=2, breaker=1000).complete([request(4)])
    assert (reply.finish, reply.detail) == ("unavailable", "HTTP 500: internal error (4 tries)")
    assert server.completions == 5  # three tries, the question whether the server is there, one more try


# --- with the reply store


def test_after_the_breaker_opened_a_second_run_asks_only_for_the_rest(fresh_cache):
    down = threading.Event()
    asked = Counter()

    def script(serial, body):
        if body["messages"][-1]["content"].startswith("Greet"):
            return honest(body)  # the canary
        if down.is_set():
            return FAULTS["503"](body)
        asked[river(body)] += 1
        if sum(asked.values()) == 12:
            down.set()
        return good(body)

    with ScriptedServer(script) as server:
        spec = OpenAI(kind="openai", base_url=server.base_url, model="m", revision="r", breaker=4)

        def run():
            stored = StoredEngine(spec.identity(None), lambda: OpenAIEngine(spec, backoff=0.002))
            return stored, stored.complete(REQUESTS)

        with pytest.raises(UnavailableError):
            run()
        down.clear()
        answered = dict(asked)
        assert len(answered) == 12
        stored, replies = run()
    assert (stored.reused, stored.submitted) == (12, 8)
    assert [reply.text for reply in replies] == [f"reply {i}" for i in range(N)]
    assert set(asked.values()) == {1}


def test_a_reply_that_was_unavailable_is_not_stored(fresh_cache):
    broken = {7}
    with ScriptedServer(
        lambda serial, body: (
            honest(body)
            if body["messages"][-1]["content"].startswith("Greet")
            else FAULTS["500"](body)
            if river(body) in broken
            else good(body)
        )
    ) as server:
        spec = OpenAI(kind="openai", base_url=server.base_url, model="m", revision="r", retries=1)

        def run():
            return StoredEngine(spec.identity(None), lambda: OpenAIEngine(spec, backoff=0.002)).complete(REQUESTS)

        assert [i for i, reply in enumerate(run()) if reply.finish == "unavailable"] == [7]
        before = server.completions
        broken.clear()
        assert [reply.text for reply in run()] == [f"reply {i}" for i in range(N)]
        assert server.completions == before + 2  # the canary and the one
