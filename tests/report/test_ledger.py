"""The ledger, recounted with a group-by."""

from collections import Counter

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.export.configs import candidate_table, generation_table
from syneg_data.generation.drafts import final_rows
from syneg_data.records import Candidate, Example, Generation, Hit, Twin, Verdict
from syneg_data.report import ledger

HITS = (Hit("bm25", 1, 1.0),)
STATES = ("ok", "truncated", "invalid", "refused", "copied", "degenerate", "failed")
VERDICTS = {
    "keep": "", "false_negative": "above_threshold", "too_easy": "within_random", "duplicate": "text_of_document",
    "failed": "score_not_finite",
}  # fmt: skip


def generation(draft, attempt, state, tokens=(10, 20, 5), role="negative"):
    return Generation(
        f"r{draft}-{attempt}", f"doc{draft}", "q", "p", None, draft, "syneg", (), role, 0, 0, attempt, state, "",
        "", "", *tokens, 1, "reply",
    )  # fmt: skip


def candidate(i, reason):
    return Candidate("q", f"m{i}", HITS, reason)


def verdict(i, word, origin="mined"):
    return Verdict("q", None, f"{origin}{i}", origin, HITS, 0.5, 0.9, (), word, VERDICTS[word])


def balance(entry):
    assert entry["in"] == entry["kept"] + sum(entry["rejected"].values()) + sum(entry["failed"].values())
    assert all(n > 0 for part in ("rejected", "failed") for n in entry[part].values())
    assert list(entry["rejected"]) == sorted(entry["rejected"])


drafts = st.lists(st.lists(st.sampled_from(STATES), min_size=1, max_size=3), max_size=20)


@given(drafts)
def test_generate(tried):
    rows = [generation(i, attempt, state) for i, states in enumerate(tried) for attempt, state in enumerate(states)]
    entry = ledger.generate_entry(final_rows(rows))
    balance(entry)
    assert (entry["unit"], entry["in"]) == ("draft", len(tried))
    table = generation_table(rows)
    ok = set(table.filter(pc.field("state") == "ok")["slot"].to_pylist())
    found = table.group_by("slot").aggregate([("attempt", "max")]).to_pylist()
    last = {(row["slot"], row["attempt_max"]) for row in found if row["slot"] not in ok}
    states = Counter(r["state"] for r in table.to_pylist() if (r["slot"], r["attempt"]) in last)
    assert entry["kept"] == len(ok)
    assert entry["failed"] == {s: n for s, n in states.items() if s in ("truncated", "invalid", "failed")}
    assert entry["rejected"] == {s: n for s, n in states.items() if s in ("refused", "copied", "degenerate")}


@given(drafts, st.lists(st.tuples(*[st.integers(0, 1000)] * 3), min_size=60, max_size=60))
def test_tokens(tried, tokens):
    flat = [(i, attempt, state) for i, states in enumerate(tried) for attempt, state in enumerate(states)]
    rows = [generation(*where, spent) for where, spent in zip(flat, tokens, strict=False)]
    final = final_rows(rows)
    entry = ledger.tokens_entry(rows, final)
    sums = generation_table(rows).group_by("state").aggregate([("tokens_out", "sum")]).to_pylist()
    wasted = {row["state"]: row["tokens_out_sum"] for row in sums if row["state"] != "ok"}
    assert entry["wasted"] == wasted
    assert list(entry["wasted"]) == sorted(wasted)
    assert entry["out"] == sum(row["tokens_out_sum"] for row in sums)
    assert (entry["in"], entry["cached"]) == (sum(r.tokens_in for r in rows), sum(r.tokens_cached for r in rows))
    assert sum(entry["out_by_role"].values()) == entry["out"]
    accepted = sum(row.state == "ok" for row in final)
    assert entry["per_accepted"] == (round(entry["out"] / accepted, 1) if accepted else None)
    assert entry["cached_share"] == (round(entry["cached"] / entry["in"], 4) if entry["in"] else None)


def test_tokens_by_hand():
    """Two drafts, three requests and an opinion: of the four replies one was wasted, one draft was accepted."""
    rows = [
        generation(0, 0, "truncated", (100, 60, 0)),
        generation(0, 1, "ok", (100, 40, 90)),
        generation(0, 0, "ok", (200, 8, 90), role="critique"),
        generation(1, 0, "copied", (100, 30, 70), role="positive"),
    ]
    assert ledger.tokens_entry(rows, final_rows(rows)) == {
        "in": 500, "out": 138, "cached": 250, "cached_share": 0.5,
        "out_by_role": {"critique": 8, "negative": 100, "positive": 30},
        "wasted": {"copied": 30, "truncated": 60}, "per_accepted": 138.0,
    }  # fmt: skip
    assert ledger.tokens_entry([], []) == {
        "in": 0, "out": 0, "cached": 0, "cached_share": None, "out_by_role": {}, "wasted": {}, "per_accepted": None,
    }  # fmt: skip


def positive(i, word, reason):
    return Verdict("q", "p", f"r{i}", "synthetic", HITS, 0.5, 0.9, (), word, reason)


RELEVANCE = [
    ("keep", ""),
    ("too_easy", "less_relevant"),
    ("too_easy", "critique_off_topic"),
    ("too_easy", "critique_does_not_answer"),
    ("duplicate", "text_of_document"),
    ("duplicate", "text_of_synthetic"),
    ("failed", "score_not_finite"),
]


@pytest.mark.parametrize(("word", "reason"), RELEVANCE)
def test_what_the_gate_says_of_a_written_positive(word, reason):
    entry = ledger.restyle_entry([generation(0, 0, "ok", role="positive")], [positive(0, word, reason)])["relevance"]
    assert entry == {
        "unit": "candidate",
        "in": 1,
        "kept": int(word == "keep"),
        "rejected": {word: 1} if word in ("too_easy", "duplicate") else {},
        "failed": {"score_not_finite": 1} if word == "failed" else {},
    }


def test_before_the_gate_nothing_is_said_of_relevance():
    rows = [generation(0, 0, "ok", role="positive"), generation(1, 0, "copied", role="positive")]
    assert ledger.restyle_entry(rows) == {
        "unit": "draft", "in": 2, "kept": 1, "rejected": {"copied": 1}, "failed": {},
    }  # fmt: skip
    assert ledger.restyle_entry(rows[1:], [])["relevance"]["in"] == 0, "the gate was asked, about none"


@given(st.lists(st.sampled_from(STATES), max_size=20), st.lists(st.sampled_from(RELEVANCE), max_size=20))
def test_restyle(states, found):
    rows = [generation(i, 0, state, role="positive") for i, state in enumerate(states)]
    verdicts = [positive(i, word, reason) for i, (word, reason) in enumerate(found)]
    entry = ledger.restyle_entry(rows, verdicts)
    balance(entry)
    balance(entry["relevance"])
    assert (entry["unit"], entry["in"], entry["kept"]) == ("draft", len(states), states.count("ok"))
    assert entry["relevance"]["in"] == len(found)
    words = Counter(word for word, _ in found)
    assert entry["relevance"]["kept"] == words["keep"]
    assert entry["relevance"]["rejected"] == {w: words[w] for w in ("duplicate", "too_easy") if words[w]}
    assert {key: entry[key] for key in ("in", "kept", "rejected", "failed")} == {
        key: ledger.generate_entry(rows)[key] for key in ("in", "kept", "rejected", "failed")
    }


@given(
    st.lists(st.sampled_from(["", "", "positive", "text_of_positive", "text_of_query"]), max_size=30),
    st.lists(st.sampled_from(sorted(VERDICTS)), max_size=30),
    st.integers(0, 2),
    st.integers(0, 9),
    st.randoms(use_true_random=False),
)
def test_candidates_from_miner_to_example(reasons, words, width, rest, random):
    """Mine, validate and mix, each figure recounted from the `candidates` table."""
    mined = [candidate(i, reason) for i, reason in enumerate(reasons)]
    verdicts = [verdict(i, word) for i, word in enumerate(words)]
    kept = [v for v in verdicts if v.verdict == "keep"]
    pool = random.sample([v.doc_id for v in kept], len(kept))
    count = len(kept) // (width or 99)
    examples = [
        Example("q", f"p{i}", tuple(pool[i * width : (i + 1) * width]), ("mined:bm25",) * width, (0.5,) * width)
        for i in range(count)
    ]
    rejected = {"too_few_mined": rest} if rest else {}
    mine, validate = ledger.mine_entry(mined), ledger.validate_entry(verdicts)
    mix = ledger.mix_entry(kept, examples, rejected)
    for entry in (mine, validate, mix, mix["pairs"]):
        balance(entry)
    assert [entry["unit"] for entry in (mine, validate, mix, mix["pairs"])] == ["candidate"] * 3 + ["pair"]

    rows = candidate_table(mined, verdicts, examples).to_pylist()
    refused = Counter(row["reason"] for row in rows if row["stage"] == "mine")
    assert mine["rejected"] == refused
    assert mine["in"] == len(mined)
    judged = Counter(row["verdict"] for row in rows if row["stage"] != "mine")
    assert validate["in"] == len(verdicts)
    assert validate["kept"] == judged.pop("keep", 0)
    assert validate["failed"] == ({"score_not_finite": judged.pop("failed")} if "failed" in judged else {})
    assert validate["rejected"] == judged
    idle = sum(row["stage"] == "mix" and row["reason"] == "not_selected" for row in rows)
    assert mix["rejected"] == ({"not_selected": idle} if idle else {})
    assert mix["kept"] == sum(row["selected"] for row in rows) == count * width
    assert (mix["pairs"]["kept"], mix["pairs"]["rejected"]) == (count, rejected)


def test_load():
    corpus = Collection({"d": Document("d", "x")}, {"q": "a"}, {"q": {"d": 1}}, "x", {"no_document": 2, "limit": 3})
    entry = ledger.load_entry(corpus)
    assert entry == {"unit": "pair", "in": 6, "kept": 1, "rejected": {"limit": 3, "no_document": 2}, "failed": {}}


def test_the_same_document_of_two_queries_counts_twice():
    kept = [Verdict(q, None, "d", "mined", HITS, 0.5, 0.9, (), "keep", "") for q in ("q1", "q2")]
    one = [Example("q1", "p", ("d",), ("mined:bm25",), (0.5,))]
    both = [*one, Example("q2", "p", ("d",), ("mined:bm25",), (0.5,))]
    assert (ledger.mix_entry(kept, one, {})["kept"], ledger.mix_entry(kept, one, {})["in"]) == (1, 2)
    assert (ledger.mix_entry(kept, both, {})["kept"], ledger.mix_entry(kept, both, {})["in"]) == (2, 2)


def test_the_cap_is_a_reason_of_its_own():
    rows = [kept("q1", "a"), kept("q1", "b"), kept("q2", "a"), kept("q3", "a")]
    examples = [Example("q1", "p", ("a",), ("mined:bm25",), (0.5,))]
    entry = ledger.mix_entry(rows, examples, {"too_few_mined": 2}, frozenset({("q2", "a"), ("q3", "a")}))
    balance(entry)
    assert (entry["in"], entry["kept"], entry["rejected"]) == (4, 1, {"capped": 2, "not_selected": 1})
    again = candidate_table([], rows, examples, (), frozenset({("q2", "a"), ("q3", "a")})).to_pylist()
    assert Counter(row["reason"] for row in again if row["reason"]) == entry["rejected"]


def test_what_came_of_mixing():
    examples = [
        Example("q1", "p", ("s", "a", "b"), ("synthetic:syneg", "mined:bm25", "mined:bm25:backfill"), (0.5,) * 3),
        Example("q2", "p", ("a",), ("mined:bm25",), (0.5,)),
        Example("q3", "p", ("a",), ("mined:bm25",), (0.5,)),
    ]
    assert ledger.mixing_facts("quota", examples, frozenset({("q4", "a")})) == {
        "kind": "quota",
        "negatives_per_example": {"1": 2, "3": 1},
        "sources": {"mined:bm25": 3, "mined:bm25:backfill": 1, "synthetic:syneg": 1},
        "backfilled": 1,
        "synthetic_per_mined": 0.25,
        "documents": 3,
        "most_often": 3,
        "capped": 1,
    }
    nothing = ledger.mixing_facts("synthetic_only", [])
    assert (nothing["synthetic_per_mined"], nothing["most_often"], nothing["negatives_per_example"]) == (None, 0, {})


def test_origins():
    examples = [
        Example("q", "p", ("a", "b"), ("synthetic:syneg", "mined:bm25"), (0.5, 0.25)),
        Example("q", "r", ("c", "d"), ("synthetic:syneg", "mined:bm25+dense"), (0.2, -0.1)),
    ]
    assert ledger.origins(examples) == [
        {"source": "mined:bm25", "count": 1, "mean": 0.25},
        {"source": "mined:bm25+dense", "count": 1, "mean": -0.1},
        {"source": "synthetic:syneg", "count": 2, "mean": 0.35},
    ]
    assert ledger.origins([]) == []


def found(query_id, doc_id, sources, reason=""):
    hits = tuple(Hit(name, rank + 1, 1.0) for rank, name in enumerate(sources.split("+")))
    return Candidate(query_id, doc_id, hits, reason)


def kept(query_id, doc_id, origin="mined"):
    return Verdict(query_id, None, doc_id, origin, HITS, 0.5, 0.9, (), "keep", "")


MINED_FROM = Collection(
    {doc_id: Document(doc_id, doc_id) for doc_id in "abcdefgh"},
    {"q1": "one", "q2": "two", "q3": "three"},
    {"q1": {"a": 1}, "q2": {"b": 1, "c": 2, "d": 0}, "q3": {"a": 1}},
    "x",
)


def test_what_mining_saw():
    candidates = [
        found("q1", "e", "bm25+dense"),
        found("q1", "f", "bm25"),
        found("q1", "a", "bm25+dense+run", "positive"),
        found("q2", "e", "dense"),
        found("q2", "f", "bm25", "text_of_query"),
    ]
    twins = [Twin("g", "e"), Twin("h", None), Twin("f", "e")]
    # Of the mined ones `b` and `a` are positives of another query; `d` is judged, and relevant to nobody.
    after = [kept("q1", "b"), kept("q1", "d"), kept("q2", "a"), kept("q2", "e"), kept("q2", "a", "synthetic")]
    assert ledger.mining_facts(MINED_FROM, candidates, twins, after) == {
        "documents": 8,
        "same_text": 2,
        "without_text": 1,
        "sources": {
            "bm25": {"found": 4, "refused": 2, "found_by_no_other": 2, "queries_without": 1},
            "dense": {"found": 3, "refused": 1, "found_by_no_other": 1, "queries_without": 1},
            "run": {"found": 1, "refused": 1, "found_by_no_other": 0, "queries_without": 2},
        },
        "positives_of_other_queries": {"count": 2, "share": 0.5},
    }


def test_a_positive_of_its_own_query_is_not_another_ones():
    facts = ledger.mining_facts(MINED_FROM, [], [], [kept("q1", "a"), kept("q2", "b")])
    assert facts["positives_of_other_queries"] == {"count": 1, "share": 0.5}, "`a` is q3's too, `b` is q2's alone"


def test_mining_that_found_nothing():
    facts = ledger.mining_facts(MINED_FROM, [], [], [])
    assert (facts["sources"], facts["positives_of_other_queries"]) == ({}, {"count": 0, "share": None})


STAGES = {
    "load": {"kept": 4},
    "mine": {"kept": 10},
    "generate": {"kept": 5},
    "validate": {"in": 15, "kept": 9},
    "restyle": {"kept": 3, "relevance": {"in": 3}},
    "mix": {"in": 9, "kept": 6, "pairs": {"in": 4}},
}


@pytest.mark.parametrize(
    ("stage", "entry"),
    [
        ("mine", {"kept": 11}),
        ("generate", {"kept": 4}),
        ("validate", {"in": 14, "kept": 9}),
        ("validate", {"in": 15, "kept": 8}),
        ("mix", {"in": 9, "kept": 6, "pairs": {"in": 3}}),
        ("load", {"kept": 5}),
        ("restyle", {"kept": 4, "relevance": {"in": 3}}),
        ("restyle", {"kept": 3, "relevance": {"in": 2}}),
    ],
)
def test_a_lost_row_is_a_bug(stage, entry):
    ledger.check_balance(STAGES)
    with pytest.raises(AssertionError, match="lost"):
        ledger.check_balance({**STAGES, stage: entry})


def test_balance_without_generation_and_half_way():
    ledger.check_balance({"load": {"kept": 4}})
    ledger.check_balance({"load": {"kept": 4}, "mine": {"kept": 2}, "validate": {"in": 2, "kept": 1}})
    written = {"load": {"kept": 4}, "mine": {"kept": 2}, "generate": {"kept": 5}}
    ledger.check_balance({**written, "restyle": {"kept": 3}})  # build --until generate
    rows = [generation(i, 0, "ok", role="positive") for i in range(3)]
    ledger.check_balance({**written, "restyle": ledger.restyle_entry(rows)})
    with pytest.raises(AssertionError, match="the gate lost written positives"):
        ledger.check_balance({**written, "restyle": ledger.restyle_entry(rows, [])})


def test_a_relabelled_candidate_is_one_pair_more():
    relabelled = {**STAGES, "mix": {"in": 9, "kept": 6, "pairs": {"in": 6}}}
    ledger.check_balance(relabelled, 2)
    for count in (0, 1, 3):
        with pytest.raises(AssertionError, match="mixing lost pairs"):
            ledger.check_balance(relabelled, count)
