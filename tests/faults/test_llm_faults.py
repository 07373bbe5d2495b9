"""Family 10 at work: each fault once, and a thousand drafts of which three replies in ten are faults of every kind."""

import random
from collections import Counter

import pytest

from syneg_data.engines.protocol import Completion
from syneg_data.generation.drafts import draft_key, final_rows, is_final, pairs_of, plan_assignments, write_drafts
from syneg_data.generation.strategies import Restyle, Syneg
from syneg_data.report import ledger
from syneg_data.spec import seed_of
from tests.faults.family10 import ENGINE_FAULTS, FAMILY_10, Honest
from tests.generation.world import Answering, Script, collection, planned, says, section, stored, text, write

FAULTS = {f"{n} {name}": fault for (n, name), fault in FAMILY_10.items()}
FAULTS |= {name: (lambda honest, made=made: made, state) for name, (made, state) in ENGINE_FAULTS.items()}
# What is no fault of the text by itself: relevance, Markdown on one line, a text that is said once.
HARMLESS = {name for name, (_, state) in FAULTS.items() if state == "ok"}


def honest(corpus, query_id, positive_id, n):
    return Honest(text(n), corpus.queries[query_id], corpus.text(positive_id))


# Each fault once


@pytest.mark.parametrize("name", FAULTS)
def test_one_fault(name):
    """One of three drafts meets it: the others never notice, and it is mended or has a reason."""
    make, state = FAULTS[name]
    corpus = collection(3)
    answers = [says(text(1)), make(honest(corpus, "q1", "p1_0", 2)), says(text(3)), says(text(4))]
    engine = Script(*answers)
    rows = write(section(), engine, corpus)
    by_query = {query_id: [row for row in rows if row.query_id == query_id] for query_id in corpus.queries}
    assert [[row.state for row in by_query[q]] for q in ("q0", "q2")] == [["ok"], ["ok"]]
    first, *rest = by_query["q1"]
    assert (first.state, bool(first.detail), bool(first.text)) == (state, state != "ok", state == "ok")
    mended = state != "ok" and name not in ("prompt too long", "rejected")
    assert [row.state for row in rest] == (["ok"] if mended else [])
    entry = ledger.generate_entry(final_rows(rows))
    assert entry["in"] == 3 == entry["kept"] + sum(entry["rejected"].values()) + sum(entry["failed"].values())
    assert entry["kept"] == (3 if mended or state == "ok" else 2)


# A thousand drafts

PAIRS, PER_PAIR, CHUNK, SHARE, ATTEMPTS = 500, 2, 50, 0.3, 3


class Faulty(Answering):
    """An engine of which three replies in ten are faults, chosen by the seed of the request; it notes which."""

    def __init__(self, corpus, seed):
        super().__init__(self._answer)
        self.corpus = corpus
        self.seed = seed
        self.faults = {}
        self.replies = {}

    def _answer(self, request):
        chance = random.Random(seed_of(self.seed, request.request_id))
        query_id, positive_id = self._about(request)
        made = honest(self.corpus, query_id, positive_id, seed_of(request.request_id) % 10**9)
        name = chance.choice(sorted(FAULTS)) if chance.random() < SHARE else ""
        reply = FAULTS[name][0](made) if name else Completion(says(made.passage), "stop", 100, 50, 80)
        assert request.request_id not in self.replies, "asked twice"
        self.faults[request.request_id], self.replies[request.request_id] = name, reply
        return reply

    def _about(self, request):
        number = request.messages[1].content.split("in case ")[1].split('"')[0]
        return f"q{number}", f"p{number}_0"


def run(spec, corpus, engine):
    """All drafts in chunks of pairs, each as a run of the stage would write it."""
    pairs = plan_assignments(spec, pairs_of(corpus), 13)
    rows, final = [], []
    for start in range(0, len(pairs), CHUNK):
        chunk = [job for jobs in pairs[start : start + CHUNK] for job in jobs]
        written = write_drafts(spec, chunk, corpus, engine, 13)
        rows += written
        final.append(is_final(written))
    return rows, final


# The seeds are such that some drafts end unavailable: their chunks are to be asked again, and no others.
@pytest.mark.parametrize(
    ("strategy", "seed", "unfinished"),
    [
        (Syneg(kind="syneg", per_pair=PER_PAIR), 7, {6: ["q304"]}),
        (Restyle(kind="restyle", per_pair=PER_PAIR), 13, {0: ["q37", "q45"], 2: ["q143"]}),
    ],
    ids=["syneg", "restyle"],
)
def test_a_thousand_drafts_with_three_faulty_replies_in_ten(strategy, seed, unfinished, fresh_cache):
    spec, corpus = section(strategy, attempts=ATTEMPTS), collection(PAIRS)
    engine = Faulty(corpus, seed)
    rows, chunks = run(spec, corpus, stored(engine))
    last = final_rows(rows)

    # Every draft is accounted for, once.
    plan = [
        (job.pair.query_id, job.pair.positive_id, strategy.name, passage.slot)
        for job in planned(spec, corpus)
        for passage in job.passages
    ]
    assert len(plan) == len(set(plan)) == PAIRS * PER_PAIR == 1000
    assert [draft_key(row) for row in last] == plan
    entry = ledger.generate_entry(last)
    assert entry["in"] == 1000 == entry["kept"] + sum(entry["rejected"].values()) + sum(entry["failed"].values())
    states = Counter(row.state for row in last)
    assert entry["kept"] == states["ok"] > 900
    assert {**entry["rejected"], **entry["failed"]} == {s: n for s, n in states.items() if s != "ok"}

    # Every request is a row, once, and its tokens with it.
    assert sorted(row.request_id for row in rows) == sorted(engine.replies)
    assert len(engine.replies) == len(rows) > 1000
    for row in rows:
        reply = engine.replies[row.request_id]
        assert (row.tokens_in, row.tokens_out, row.tokens_cached, row.reply) == (
            reply.tokens_in, reply.tokens_out, reply.tokens_cached, reply.text.encode("utf-8", "replace").decode(),
        )  # fmt: skip
    tokens = ledger.tokens_entry(rows, last)
    assert tokens["out"] == sum(reply.tokens_out for reply in engine.replies.values())
    assert sum(tokens["wasted"].values()) == sum(row.tokens_out for row in rows if row.state != "ok")

    # Every kind of fault came, about three in ten in all, and none passed.
    assert set(engine.faults.values()) == {*FAULTS, ""}
    assert 0.25 < sum(map(bool, engine.faults.values())) / len(engine.faults) < 0.35
    for row in rows:
        name = engine.faults[row.request_id]
        if name not in HARMLESS and name:
            assert row.state == FAULTS[name][1], name
            assert row.text == row.doc_id == "", "no faulty text is kept"
        elif row.state != "ok":
            assert (row.state, row.detail, name) == (
                "copied",
                "another draft for the same pair",
                "21 same text for all",
            )
    texts = Counter((row.query_id, row.text) for row in last if row.state == "ok")
    assert set(texts.values()) == {1}, "no text stands twice for a pair"
    assert len({row.doc_id for row in last if row.state == "ok"}) == states["ok"]

    # Attempts: in order, only while they may help, and never after success.
    for mine in _by_draft(rows).values():
        assert [row.attempt for row in mine] == list(range(len(mine)))
        assert [row.state for row in mine[:-1]].count("ok") == 0
        given_up = mine[-1].state != "ok" and mine[-1].attempt < ATTEMPTS - 1
        assert not given_up or engine.faults[mine[-1].request_id] in ("prompt too long", "rejected")

    # A second run: what is stored is asked of nobody, and where the engine is as it was, the rows are the same.
    assert [n for n, final in enumerate(chunks) if not final] == list(unfinished)
    gone = [row.query_id for row in last if engine.faults[row.request_id] == "unavailable"]
    assert gone == [query_id for found in unfinished.values() for query_id in found]
    assert list(engine.faults.values()).count("unavailable") > 2 * len(gone), "most were mended by a later attempt"
    facts = {request_id for request_id, reply in engine.replies.items() if reply.finish in ("stop", "length")}
    again = Faulty(corpus, seed)
    repeated, _ = run(spec, corpus, stored(again))
    assert repeated == rows
    assert set(again.replies) == set(engine.replies) - facts
    assert len(again.replies) > 0

    # A third one meets an engine without faults: only what was never answered comes anew, and all chunks are final.
    sound = Answering(lambda request: says(text(seed_of("sound", request.request_id) % 10**9)))
    mended, chunks = run(spec, corpus, stored(sound))
    assert all(chunks)
    assert [draft_key(row) for row in final_rows(mended)] == plan
    assert not {request.request_id for request in sound.requests} & facts
    assert "failed" not in ledger.generate_entry(final_rows(mended))["failed"]


def _by_draft(rows):
    found = {}
    for row in rows:
        found.setdefault(draft_key(row), []).append(row)
    return found
