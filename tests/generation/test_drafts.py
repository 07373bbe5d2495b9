"""Drafts: requested, judged, tried again; every attempt is a row."""

import json
import random
from collections import Counter

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.engines.protocol import Completion
from syneg_data.engines.replies import StoredEngine
from syneg_data.engines.transformers import Transformers
from syneg_data.generation import Generation, NoReflection, Sampling, Syneg
from syneg_data.generation.drafts import final_rows, plan_drafts, request_for, write_drafts
from syneg_data.records import Generation as Row
from syneg_data.records import to_table

POSITIVE = (
    "Vitamin D supplements protected adults against acute respiratory infection in randomised trials of one year."
)


def passage(n):
    """Passage number n; no two share four words in a row."""
    return " ".join(f"word{n}x{i}" for i in range(12))


def good(n):
    return json.dumps({"passage": passage(n)})


class Script:
    """An engine that answers from a list, in the order in which it is asked."""

    def __init__(self, *answers, finish="stop"):
        self.answers = list(answers)
        self.finish = finish
        self.batches = []

    def complete(self, requests):
        self.batches.append(list(requests))
        texts = [self.answers.pop(0) for _ in requests]
        return [t if isinstance(t, Completion) else Completion(t, self.finish, 100, 50, 80) for t in texts]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))


def spec(per_pair=1, attempts=2, strategies=("syneg",), model="a" * 40, **sampling):
    return Generation(
        engine=Transformers(kind="transformers", model={"kind": "hub", "id": "some/model", "revision": model}),
        strategies=tuple(Syneg(kind="syneg", name=name, per_pair=per_pair) for name in strategies),
        reflection=NoReflection(kind="none"),
        sampling=Sampling(attempts=attempts, **sampling),
        terms="apache-2.0",
    )


def collection(pairs):
    documents = {f"d{i}": Document(f"d{i}", POSITIVE) for i in range(pairs)}
    queries = {f"q{i}": f"does vitamin D help in case {i}" for i in range(pairs)}
    return Collection(documents, queries, {f"q{i}": {f"d{i}": 1} for i in range(pairs)}, "digest")


def write(generation, engine, pairs=1, seed=13):
    corpus = collection(pairs)
    drafts = [draft for pair in plan_drafts(generation, corpus.pairs(), seed) for draft in pair]
    return write_drafts(generation, drafts, corpus, StoredEngine({"engine": "script"}, lambda: engine), seed)


def test_a_good_reply_is_one_whole_row():
    engine = Script(good(1))
    generation = spec()
    (row,) = write(generation, engine)
    ((draft,),) = plan_drafts(generation, [("q0", "d0")], 13)
    ((request,),) = engine.batches
    assert row == Row(
        request_id=request.request_id, doc_id=draft.doc_id, query_id="q0", positive_id="d0", seed_doc_id=None, slot=0,
        strategy="syneg", attributes=draft.attributes, role="negative", grade=0, round=0, attempt=0, state="ok",
        detail="", text=passage(1), reflection="", tokens_in=100, tokens_out=50, tokens_cached=80, seed=request.seed,
        reply=good(1),
    )  # fmt: skip
    assert row.doc_id.startswith("synthetic-")
    assert [attribute.axis for attribute in row.attributes] == ["difficulty", "length"]


@pytest.mark.parametrize(
    ("bad", "state"),
    [
        (Completion(good(1), "length", 1, 1), "truncated"),
        ("no JSON", "invalid"),
        (json.dumps({"passage": "I'm sorry, but I cannot help with that."}), "refused"),
        (json.dumps({"passage": POSITIVE}), "copied"),
        (json.dumps({"passage": "three words only"}), "degenerate"),
    ],
)
def test_what_chance_may_mend_is_tried_again(bad, state):
    engine = Script(bad, good(1))
    rows = write(spec(), engine)
    assert [(row.state, row.attempt, row.text) for row in rows] == [(state, 0, ""), ("ok", 1, passage(1))]
    first, second = (batch[0] for batch in engine.batches)
    assert first.request_id != second.request_id
    assert first.seed != second.seed
    assert (first.messages, first.schema, first.max_tokens) == (second.messages, second.schema, second.max_tokens)
    assert [row.request_id for row in rows] == [first.request_id, second.request_id]
    assert rows[0].doc_id == rows[1].doc_id
    assert final_rows(rows) == [rows[1]]


@pytest.mark.parametrize("finish", ["error", "too_long"])
def test_what_chance_cannot_mend_is_not(finish):
    engine = Script(Completion("", finish, 1, 0, detail="out of memory"))
    (row,) = write(spec(attempts=5), engine)
    assert (row.state, row.text, len(engine.batches)) == ("failed", "", 1)


def test_attempts_end():
    engine = Script(*["no JSON"] * 3, good(1))
    rows = write(spec(attempts=3), engine)
    assert [(row.state, row.attempt) for row in rows] == [("invalid", 0), ("invalid", 1), ("invalid", 2)]
    assert len({row.seed for row in rows}) == len({row.request_id for row in rows}) == 3
    assert final_rows(rows) == [rows[2]]


def test_one_attempt_is_no_retry():
    engine = Script("no JSON")
    assert [row.state for row in write(spec(attempts=1), engine)] == ["invalid"]


def test_only_open_drafts_are_asked_again():
    engine = Script(good(1), "no JSON", good(3), "none either", good(5), good(6))
    rows = write(spec(), engine, pairs=4)
    assert [(row.query_id, row.attempt, row.state) for row in rows] == [
        ("q0", 0, "ok"), ("q1", 0, "invalid"), ("q1", 1, "ok"), ("q2", 0, "ok"), ("q3", 0, "invalid"), ("q3", 1, "ok"),
    ]  # fmt: skip
    asked = [["does vitamin D help in case 1" in r.messages[1].content for r in batch] for batch in engine.batches]
    assert asked == [[False, True, False, False], [True, False]]


def test_drafts_of_a_pair_see_their_accepted_siblings():
    rows = write(spec(per_pair=2), Script(good(1), good(1), good(1)))
    assert [(row.slot, row.attempt, row.state, row.detail) for row in rows] == [
        (0, 0, "ok", ""),
        (1, 0, "copied", "another draft for the same pair"),
        (1, 1, "copied", "another draft for the same pair"),
    ]


def test_strategies_of_a_pair_are_siblings_and_other_pairs_are_not():
    rows = write(spec(strategies=("one", "two")), Script(good(1), good(1), good(2)))
    assert [(row.strategy, row.state) for row in rows] == [("one", "ok"), ("two", "copied"), ("two", "ok")]
    rows = write(spec(), Script(good(1), good(1)), pairs=2, seed=14)
    assert [(row.query_id, row.state) for row in rows] == [("q0", "ok"), ("q1", "ok")]


def test_a_refused_reply_is_no_sibling():
    rows = write(spec(per_pair=2), Script(Completion(good(1), "length", 1, 1), good(1), good(2)))
    assert [(row.slot, row.attempt, row.state) for row in rows] == [(0, 0, "truncated"), (0, 1, "ok"), (1, 0, "ok")]


def requests(generation, pairs, seed=13, attempt=0):
    corpus = collection(pairs)
    drafts = [draft for pair in plan_drafts(generation, corpus.pairs(), seed) for draft in pair]
    return [request_for(generation, draft, corpus, seed, attempt) for draft in drafts]


def test_request_ids_depend_on_the_draft_and_attempt_alone():
    base = [request.request_id for request in requests(spec(per_pair=2), 6)]
    assert len(set(base)) == 12
    assert [r.request_id for r in requests(spec(per_pair=2, model="b" * 40), 6)] == base
    assert [r.request_id for r in requests(spec(per_pair=2, temperature=1.5, max_tokens=64), 6)] == base
    assert [r.request_id for r in requests(spec(per_pair=2), 6, seed=14)] == base
    assert not set(base) & {r.request_id for r in requests(spec(per_pair=2), 6, attempt=1)}
    assert not set(base) & {r.request_id for r in requests(spec(per_pair=2, strategies=("other",)), 6)}


def test_a_limit_takes_the_first_requests_as_they_are():
    assert requests(spec(per_pair=2), 3) == requests(spec(per_pair=2), 10)[:6]


def test_a_request_id_and_a_seed_are_the_same_on_every_machine():
    (request,) = requests(spec(), 1)
    assert (request.request_id, request.seed) == ("3af1d662199625d2b1b390f0", 6440362337700444230)


def test_seeds_differ_between_recipes_and_drafts():
    seeds = {request.seed for seed in (1, 2) for attempt in (0, 1) for request in requests(spec(), 20, seed, attempt)}
    assert len(seeds) == 80
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_second_run_asks_nothing():
    rows = write(spec(per_pair=2), Script("no JSON", good(1), good(2)))
    assert write(spec(per_pair=2), Script()) == rows


def test_a_fault_of_the_engine_is_asked_again_in_the_next_run():
    assert [row.state for row in write(spec(), Script(Completion("", "error", 1, 0, detail="reset")))] == ["failed"]
    assert [row.state for row in write(spec(), Script(good(1)))] == ["ok"]


def test_an_engine_that_answers_too_few_is_never_believed():
    class Short(Script):
        def complete(self, requests):
            return super().complete(requests)[:-1]

    with pytest.raises(ValueError, match="zip"):
        write(spec(per_pair=2), Short(good(1), good(2)))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param('{"passage": "half \ud83d"}', id="raw surrogate in JSON"),
        pytest.param("\udcff", id="raw surrogate"),
        pytest.param(json.dumps({"passage": "\ud83d " + passage(1)}), id="escaped surrogate"),
    ],
)
def test_every_reply_can_be_written_to_a_file(raw):
    rows = write(spec(attempts=1), Script(raw))
    table = to_table(rows, Row)
    assert table.num_rows == 1
    assert rows[0].state in ("invalid", "degenerate")


class Faulty:
    """An engine of which three replies in ten are faults, whatever it is asked."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.asked = 0

    def complete(self, requests):
        return [self._one() for _ in requests]

    def _one(self):
        self.asked += 1
        faults = [
            Completion('{"passage": "cut', "length", 100, 320),
            Completion("", "stop", 100, 0),
            Completion("```json\n{}\n```", "stop", 100, 9),
            Completion('{"passage": null}', "stop", 100, 9),
            Completion(json.dumps({"passage": POSITIVE}), "stop", 100, 40),
            Completion(json.dumps({"passage": "I cannot do that for you, whatever you say."}), "stop", 100, 40),
            Completion(json.dumps({"passage": "on and on it goes " * 20}), "stop", 100, 99),
            Completion("", "error", 0, 0, detail="connection reset"),
            Completion("", "too_long", 9000, 0),
        ]
        if self.random.random() < 0.3:
            return self.random.choice(faults)
        return Completion(good(self.asked), "stop", 100, 50)


@pytest.mark.parametrize("seed", range(3))
def test_three_hundred_drafts_with_faults_all_have_one_fate(seed):
    engine = Faulty(seed)
    generation = spec(per_pair=3, attempts=3)
    rows = write(generation, engine, pairs=100)
    final = final_rows(rows)
    assert len(rows) == engine.asked
    assert len({row.request_id for row in rows}) == len(rows)
    planned = [d.doc_id for pair in plan_drafts(generation, collection(100).pairs(), 13) for d in pair]
    assert len(set(planned)) == 300
    assert [row.doc_id for row in final] == planned
    attempts = Counter(row.doc_id for row in rows)
    for row in final:
        assert row.attempt == attempts[row.doc_id] - 1
        assert row.state in ("ok", "failed") or row.attempt == 2
    earlier = [row for row in rows if row not in final]
    assert earlier
    assert not {row.state for row in earlier} & {"ok", "failed"}
    texts = [row.text for row in final if row.state == "ok"]
    assert len(set(texts)) == len(texts) > 250
    assert {row.state for row in rows} >= {"ok", "truncated", "invalid", "copied", "refused", "degenerate", "failed"}
