"""The llm reranker, asking a scripted server over HTTP."""

import json
import math

import pytest

from syneg_data.engines.scripted import Drop, Reply, ScriptedServer, Status
from syneg_data.errors import InputError, UnavailableError
from syneg_data.execution import Silence
from syneg_data.validation import LlmReranker
from tests.validation.world import Words, engine_at

NAN = float("nan")
PAIRS = [("what heals", "honey heals"), ("what heals", "honey is sweet"), ("who sings", "honey heals")]
SAYS = {PAIRS[0]: "answers", PAIRS[1]: "related", PAIRS[2]: "unrelated"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def judge_at(server, engine=(), **options):
    return LlmReranker(kind="llm", engine=engine_at(server, **dict(engine)), **options).open(None)


def scores_of(says, pairs=PAIRS, **options):
    with ScriptedServer(Words(says)) as server:
        return judge_at(server, **options).score(pairs)


def test_a_verdict_is_a_score_and_has_a_reason():
    with ScriptedServer(Words(SAYS)) as server:
        judge = judge_at(server)
        assert judge.score(PAIRS) == [1.0, 0.5, 0.0]
        assert judge.words(PAIRS) == [
            "It is answers to what heals.", "It is related to what heals.", "It is unrelated to who sings.",
        ]  # fmt: skip


def test_each_pair_is_asked_about_once_ever():
    words = Words(SAYS)
    with ScriptedServer(words) as server:
        judge = judge_at(server)
        judge.prepare([*PAIRS, PAIRS[0]], Silence())
        assert sorted(words.asked) == sorted(PAIRS)
        assert judge.score([PAIRS[2], PAIRS[0], PAIRS[0]]) == [0.0, 1.0, 1.0]
        assert judge_at(server).score(PAIRS) == [1.0, 0.5, 0.0]
        assert len(words.asked) == 3
        judge_at(server).score([("what heals", "something new")])
        assert len(words.asked) == 4
        # Another model of that name, a shorter reading or a longer reply is another judge.
        judge_at(server, engine={"revision": "2"}).score(PAIRS)
        assert len(words.asked) == 7
        judge_at(server, max_tokens=128).score(PAIRS)
        assert len(words.asked) == 10


def test_no_pairs_ask_for_nothing():
    with ScriptedServer(Words()) as server:
        judge = judge_at(server)
        judge.prepare([], Silence())
        assert judge.score([]) == judge.words([]) == []
    assert server.completions == 0


def test_a_request_holds_the_texts_as_data_and_asks_for_the_likeliest():
    document = " ".join(f"word{i}" for i in range(300)) + ' <|im_end|> "quoted"'
    with ScriptedServer(Words(), log=True) as server:
        judge_at(server, words=100).score([("a <|im_start|> query", document)])
        judge_at(server, words=1000).score([("a query", document)])
    (_, first), (_, second) = [entry for entry in server.log if entry[1]["messages"][0]["content"] != "You are a host."]
    assert (first["temperature"], first["top_p"], first["max_tokens"], first["n"]) == (0.0, 1.0, 96, 1)
    system, user = first["messages"]
    assert (system["role"], system["content"]) == ("system", "You judge search results.")
    lines = user["content"].split("\n")
    assert json.loads(lines[0]) == {"document": " ".join(f"word{i}" for i in range(100))}
    assert json.loads(lines[1]) == {"query": "a <|im_start|> query"}
    assert json.loads(second["messages"][1]["content"].split("\n")[0]) == {"document": document}
    assert not any(mark in turn["content"] for body in (first, second) for turn in body["messages"] for mark in ("<|",))
    schema = first["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["reason", "verdict"]
    assert schema["properties"]["verdict"]["enum"] == ["answers", "related", "unrelated"]
    assert schema["additionalProperties"] is False


BROKEN = {
    "no JSON": "The document answers the query.",
    "empty": "",
    "null": "null",
    "a list": '[{"reason": "x", "verdict": "answers"}]',
    "cut short": '{"reason": "it tells that hon',
    "fenced": '```json\n{"reason": "x", "verdict": "answers"}\n```',
    "no verdict": '{"reason": "x"}',
    "no reason": '{"verdict": "answers"}',
    "another verdict": '{"reason": "x", "verdict": "maybe"}',
    "a number for a verdict": '{"reason": "x", "verdict": 1}',
    "one key too many": '{"reason": "x", "verdict": "answers", "score": 1.0}',
    "a reason that is no text": '{"reason": null, "verdict": "answers"}',
    "nested without end": "[" * 100_000,
    "cut off at the bound": Reply(json.dumps({"reason": "x", "verdict": "answers"}), finish="length"),
    "refused by a filter": Reply("", finish="content_filter"),
    "too long for the context": Status(400, json.dumps({"error": {"message": "maximum context length is 512"}})),
    "rejected": Status(422, json.dumps({"error": {"message": "no"}})),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_reply_is_no_score_and_harms_no_other(broken):
    with ScriptedServer(Words({**SAYS, PAIRS[1]: broken})) as server:
        judge = judge_at(server)
        first, second, third = judge.score(PAIRS)
        assert (first, third) == (1.0, 0.0)
        assert math.isnan(second)
        assert judge.words(PAIRS)[1] == ""


def test_a_server_that_breaks_down_can_be_asked_again():
    words = Words({**SAYS, PAIRS[1]: Drop()})
    with ScriptedServer(words) as server:
        with pytest.raises(UnavailableError, match=r"reranker llm: .*; the same command resumes") as caught:
            judge_at(server, engine={"concurrency": 1}).score(PAIRS)
        assert caught.value.exit_code == 4
        words.says[PAIRS[1]] = "related"
        asked = len(words.asked)
        assert judge_at(server, engine={"concurrency": 1}).score(PAIRS) == [1.0, 0.5, 0.0]
    assert PAIRS[0] not in words.asked[asked:], "what was answered is kept"


def test_a_server_that_is_not_there_is_unavailable():
    with ScriptedServer(Words()) as server:
        pass
    with pytest.raises(UnavailableError) as caught:
        judge_at(server).score(PAIRS)
    assert caught.value.exit_code == 4


def test_a_model_that_is_not_held_to_the_schema_is_refused_before_it_is_asked():
    words = Words(SAYS)
    with ScriptedServer(lambda serial, body: Reply("Hello!")) as server, pytest.raises(InputError, match="JSON schema"):
        judge_at(server).score(PAIRS)
    assert words.asked == []
    assert server.completions == 1


def test_it_is_the_dearest_and_its_threshold_is_its_own():
    assert (LlmReranker.cost, LlmReranker.absolute, LlmReranker.bounded) == (1000, 0.5, True)
