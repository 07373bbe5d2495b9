"""Drafts: requested, judged, criticised, revised, tried again; every request is a row."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.engines.protocol import Completion, Message
from syneg_data.generation import Critique, Inline
from syneg_data.generation.assignments import Pair, Passage
from syneg_data.generation.attributes import Proposal
from syneg_data.generation.critic import OBJECTIONS, opinion_request
from syneg_data.generation.drafts import (
    attempt_tokens,
    final_rows,
    first_messages,
    is_final,
    last_objections,
    pairs_of,
    plan_assignments,
    request_for,
    settled,
    texts_of,
    write_drafts,
)
from syneg_data.generation.strategies import Graded, Restyle, Rewrite, Syneg
from syneg_data.records import Attribute, Candidate, Hit, to_table
from syneg_data.records import Generation as Row
from tests.generation.world import (
    POSITIVE,
    Answering,
    Script,
    collection,
    mined,
    planned,
    says,
    section,
    stored,
    text,
    write,
)


def syneg(**changes):
    return Syneg(kind="syneg", **changes)


def good(n):
    return says(text(n))


CUT = Completion(good(1), "length", 1, 1)

# Pairs


def test_pairs_are_the_judgements_in_working_order_with_their_near_misses():
    corpus = Collection(
        {d: Document(d, d) for d in ("a", "b", "c", "n1", "n2", "n3")},
        {"q2": "two", "q1": "one"},
        {"q1": {"a": 1, "b": 3, "c": 0}, "q2": {"c": 2}},
        "digest",
    )
    candidates = [
        Candidate("q1", "n3", (Hit("bm25", 3, 1.0), Hit("dense", 1, 0.5))),
        Candidate("q1", "n2", (Hit("bm25", 2, 2.0),)),
        Candidate("q1", "n1", (Hit("dense", 2, 0.4),)),
        Candidate("q1", "a", (Hit("bm25", 1, 3.0),), "positive"),
    ]
    assert pairs_of(corpus, candidates) == [
        Pair("q2", "c", 2, (), 0),
        Pair("q1", "b", 3, ("n3", "n1", "n2"), 1),
        Pair("q1", "a", 1, ("n3", "n1", "n2"), 2),
    ]
    assert [pair.near_misses for pair in pairs_of(corpus)] == [(), (), ()]


# One request


def test_a_good_reply_is_one_whole_row():
    engine, spec = Script(good(1)), section()
    (row,) = write(spec, engine)
    (job,) = planned(spec, collection())
    (request,) = engine.requests
    assert row == Row(
        request_id=request.request_id, doc_id=row.doc_id, query_id="q0", positive_id="p0_0", seed_doc_id=None, slot=0,
        strategy="syneg", attributes=job.attributes, role="negative", grade=0, round=0, attempt=0, state="ok",
        detail="", text=text(1), reflection="", tokens_in=100, tokens_out=50, tokens_cached=80, seed=request.seed,
        reply=good(1),
    )  # fmt: skip
    assert row.doc_id.startswith("synthetic-")
    assert [attribute.axis for attribute in row.attributes] == ["difficulty", "length"]
    assert request.messages == first_messages(spec, job, texts_of(collection(), job))
    assert (request.temperature, request.top_p, request.max_tokens) == (0.7, 1.0, 320)


def test_the_id_of_a_document_follows_from_draft_and_text():
    one, again, other = (
        write(section(temperature=temperature), Script(good(n))) for n, temperature in ((1, 0.5), (1, 0.6), (2, 0.7))
    )
    assert one[0].doc_id == again[0].doc_id != other[0].doc_id
    twice = write(section(temperature=0.8), Script(good(1), good(1)), collection(2))
    assert twice[0].doc_id != twice[1].doc_id, "two drafts with one text are two documents"


def test_reasoning_and_notes_are_the_reflection():
    spec = section(Rewrite(kind="rewrite"), reflection=Inline(kind="inline"))
    reply = {"reasoning": " Two\n words ", "requirement": "adults", "change": "now  children", "passage": text(1)}
    (row,) = write(spec, Script(json.dumps(reply)))
    assert row.reflection == "Two words\nrequirement: adults\nchange: now children"
    assert row.seed_doc_id == "p0_0"


def test_a_reflection_is_kept_for_good_texts_alone():
    bad = json.dumps({"reasoning": "I think.", "passage": "three words only"})
    (row,) = write(section(reflection=Inline(kind="inline"), attempts=1), Script(bad))
    assert (row.state, row.reflection) == ("degenerate", "")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param('{"passage": "half \ud83d"}', id="raw surrogate in JSON"),
        pytest.param("\udcff", id="raw surrogate"),
        pytest.param(json.dumps({"passage": "\ud83d " + text(1)}), id="escaped surrogate"),
        pytest.param(json.dumps({"reasoning": "\ud83d", "passage": text(1)}), id="escaped surrogate in the reasoning"),
    ],
)
@pytest.mark.parametrize("reflection", [None, Inline(kind="inline")])
def test_every_reply_can_be_written_to_a_file(raw, reflection):
    rows = write(section(attempts=1, reflection=reflection), Script(raw))
    assert to_table(rows, Row).num_rows == 1
    for row in rows:
        (row.text + row.reflection + row.reply + row.detail).encode()


# Attempts


@pytest.mark.parametrize(
    ("bad", "state"),
    [
        ("no JSON", "invalid"),
        (says("I'm sorry, but I cannot help with that."), "refused"),
        (says(f"{POSITIVE} Report 0.0."), "copied"),
        (says("three words only"), "degenerate"),
        (Completion("", "unavailable", 1, 0, detail="reset"), "failed"),
    ],
)
def test_what_may_be_mended_is_tried_again(bad, state):
    engine = Script(bad, good(1))
    rows = write(section(), engine)
    assert [(row.state, row.attempt, row.text) for row in rows] == [(state, 0, ""), ("ok", 1, text(1))]
    first, second = engine.requests
    assert first.request_id != second.request_id
    assert first.seed != second.seed
    assert (first.messages, first.schema, first.max_tokens) == (second.messages, second.schema, second.max_tokens)
    assert [row.request_id for row in rows] == [first.request_id, second.request_id]
    assert final_rows(rows) == [rows[1]]


@pytest.mark.parametrize("finish", ["rejected", "too_long"])
def test_what_chance_cannot_mend_is_not(finish):
    engine = Script(Completion("", finish, 1, 0, detail="out of bounds"))
    (row,) = write(section(attempts=5), engine)
    assert (row.state, row.text, len(engine.batches)) == ("failed", "", 1)
    assert row.detail == f"{finish}: out of bounds"


def test_a_truncated_reply_is_given_more_room_and_no_other_is():
    engine = Script(CUT, "no JSON", CUT, CUT, good(1))
    rows = write(section(max_tokens=101, attempts=5), engine)
    assert [row.state for row in rows] == ["truncated", "invalid", "truncated", "truncated", "ok"]
    assert [request.max_tokens for request in engine.requests] == [101, 151, 151, 202, 252]
    assert [attempt_tokens(section(max_tokens=101), n) for n in range(4)] == [101, 151, 202, 252]


@pytest.mark.parametrize("attempts", [1, 3])
def test_attempts_end(attempts):
    rows = write(section(attempts=attempts), Script(*["no JSON"] * 3, good(1)))
    assert [(row.state, row.attempt) for row in rows] == [("invalid", n) for n in range(attempts)]
    assert len({row.seed for row in rows}) == len({row.request_id for row in rows}) == attempts
    assert final_rows(rows) == [rows[-1]]


def test_only_open_drafts_are_asked_again():
    engine = Script(good(1), "no JSON", good(3), "none either", good(5), good(6))
    rows = write(section(), engine, collection(4))
    assert [(row.query_id, row.attempt, row.state) for row in rows] == [
        ("q0", 0, "ok"), ("q1", 0, "invalid"), ("q1", 1, "ok"), ("q2", 0, "ok"), ("q3", 0, "invalid"), ("q3", 1, "ok"),
    ]  # fmt: skip
    asked = [["in case 1" in r.messages[1].content for r in batch] for batch in engine.batches]
    assert asked == [[False, True, False, False], [True, False]]


# Copies


def test_drafts_of_a_pair_see_their_accepted_siblings():
    rows = write(section(syneg(per_pair=2)), Script(good(1), good(1), good(1)))
    assert [(row.slot, row.attempt, row.state, row.detail) for row in rows] == [
        (0, 0, "ok", ""),
        (1, 0, "copied", "another draft for the same pair"),
        (1, 1, "copied", "another draft for the same pair"),
    ]


def test_strategies_of_a_pair_are_siblings_and_other_pairs_are_not():
    rows = write(section(syneg(name="one"), syneg(name="two")), Script(good(1), good(1), good(2)))
    assert [(row.strategy, row.state) for row in rows] == [("one", "ok"), ("two", "copied"), ("two", "ok")]
    rows = write(section(), Script(good(3), good(3)), collection(2))
    assert [(row.query_id, row.state) for row in rows] == [("q0", "ok"), ("q1", "ok")]


def test_a_refused_reply_is_no_sibling():
    rows = write(section(syneg(per_pair=2)), Script(CUT, good(1), good(2)))
    assert [(row.slot, row.attempt, row.state) for row in rows] == [(0, 0, "truncated"), (0, 1, "ok"), (1, 0, "ok")]


def changed(original, **more):
    return json.dumps({"requirement": "r", "change": "c", "passage": original, **more})


BASE = text(900_000)  # of n0


@pytest.mark.parametrize(
    ("passage", "state", "detail"),
    [
        pytest.param(BASE.replace("had seen", "had heard"), "ok", "", id="one word changed"),
        pytest.param(BASE, "copied", "the text it was made from", id="unchanged"),
        pytest.param(BASE.upper().replace(",", " -"), "copied", "the text it was made from", id="case, punctuation"),
        pytest.param(BASE.rsplit(" ", 2)[0], "copied", "the text it was made from", id="cut at the end"),
        pytest.param(BASE.split(" ", 3)[3], "copied", "the text it was made from", id="cut at the start"),
        pytest.param(f"{POSITIVE} Report 0.0!", "copied", "the positive", id="the positive"),
        pytest.param(
            POSITIVE.replace("acute", "severe"), "copied", "the positive", id="the positive, one word changed"
        ),
    ],
)
def test_a_rewrite_of_a_near_miss_differs_from_it_in_a_word_and_from_the_positive_in_many(passage, state, detail):
    corpus = collection()
    spec = section(Rewrite(kind="rewrite"), attempts=1)
    (row,) = write(spec, Script(changed(passage)), corpus, mined(corpus, "n0", "n1"))
    assert (row.state, row.detail, row.seed_doc_id) == (state, detail, "n0")


@pytest.mark.parametrize(
    ("passage", "state"),
    [(f"{POSITIVE} Report 0.0.", "copied"), (f"{POSITIVE.replace('acute', 'severe')} Report 0.0.", "ok")],
)
def test_a_rewrite_of_the_positive_may_be_near_to_it(passage, state):
    spec = section(Rewrite(kind="rewrite", base="positive"), attempts=1)
    (row,) = write(spec, Script(changed(passage)))
    assert (row.state, row.seed_doc_id) == (state, "p0_0")


def test_rewrites_of_one_text_may_be_near_to_each_other_but_not_the_same():
    corpus = collection()
    spec = section(Rewrite(kind="rewrite", per_pair=3), attempts=1)
    one, two = BASE.replace("had seen", "had heard"), BASE.replace("had seen", "had met")
    rows = write(spec, Script(changed(one), changed(two), changed(one)), corpus, mined(corpus, "n0"))
    assert [row.state for row in rows] == ["ok", "ok", "copied"]


def test_a_restyled_positive_is_a_positive_in_other_words():
    corpus = Collection({"p": Document("p", POSITIVE)}, {"q": "query"}, {"q": {"p": 2}}, "digest")
    spec = section(Restyle(kind="restyle", per_pair=2), attempts=1)
    rows = write(spec, Script(says(POSITIVE.replace("acute", "severe")), good(1)), corpus)
    assert [(row.role, row.grade, row.seed_doc_id, row.state, row.detail) for row in rows] == [
        ("positive", 2, "p", "copied", "the text it was made from"),
        ("positive", 2, "p", "ok", ""),
    ]


# Several passages in one reply


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(2, 6))
def test_tokens_are_dealt_out_and_nothing_is_lost(tokens_in, tokens_out, cached, levels):
    """Each figure in even parts, the sum that of the request."""
    strategy = Graded(kind="graded", levels={str(n): "x" for n in range(levels)})
    reply = json.dumps({f"grade_{n}": text(n) for n in range(levels)})
    engine = Answering(lambda request: Completion(reply, "stop", tokens_in, tokens_out, cached))
    rows = write_drafts(section(strategy), planned(section(strategy), collection()), collection(), engine, 13)
    assert len(rows) == levels
    for total, column in ((tokens_in, "tokens_in"), (tokens_out, "tokens_out"), (cached, "tokens_cached")):
        parts = [getattr(row, column) for row in rows]
        assert sum(parts) == total
        assert max(parts) - min(parts) <= 1


def graded(*numbers):
    """A reply whose passages are these texts; 0 is a bad one."""
    return json.dumps({f"grade_{3 - i}": text(n) if n else "three words only" for i, n in enumerate(numbers)})


def test_the_passages_of_a_reply_are_rows_with_one_request_id():
    engine = Script(graded(1, 2, 3, 4))
    rows = write(section(Graded(kind="graded")), engine)
    assert [(row.slot, row.role, row.grade, row.state) for row in rows] == [
        (0, "positive", 3, "ok"), (1, "negative", 2, "ok"), (2, "negative", 1, "ok"), (3, "negative", 0, "ok"),
    ]  # fmt: skip
    assert {row.request_id for row in rows} == {engine.requests[0].request_id}
    assert len({row.doc_id for row in rows}) == 4
    assert [row.text for row in rows] == [text(1), text(2), text(3), text(4)]
    assert [row.tokens_out for row in rows] == [13, 13, 12, 12]


def test_only_open_passages_are_judged_again():
    engine = Script(graded(1, 0, 3, 0), graded(5, 6, 7, 0), graded(8, 9, 10, 11))
    rows = write(section(Graded(kind="graded"), attempts=4), engine)
    assert [(row.slot, row.attempt, row.state) for row in rows] == [
        (0, 0, "ok"),
        (1, 0, "degenerate"), (1, 1, "ok"),
        (2, 0, "ok"),
        (3, 0, "degenerate"), (3, 1, "degenerate"), (3, 2, "ok"),
    ]  # fmt: skip
    assert [row.text for row in final_rows(rows)] == [text(1), text(6), text(3), text(11)]
    assert [row.tokens_out for row in rows if row.attempt == 1] == [25, 25]
    assert [row.tokens_out for row in rows if row.attempt == 2] == [50]


def test_a_reply_that_is_none_is_one_for_every_passage():
    rows = write(section(Graded(kind="graded"), attempts=1), Script("no JSON"))
    assert [(row.slot, row.state) for row in rows] == [(n, "invalid") for n in range(4)]


def test_passages_of_a_reply_must_not_copy_each_other():
    rows = write(section(Graded(kind="graded"), attempts=1), Script(graded(1, 2, 1, 2)))
    assert [row.state for row in rows] == ["ok", "ok", "copied", "copied"]


# Critique


def opinion(on_topic="yes", answers="no", **more):
    return json.dumps({"on_topic": on_topic, "answers": answers, **more})


FINE = opinion()


def critique(strategy=None, rounds=1, inline=False, **options):
    reflection = Critique(kind="critique", rounds=rounds, inline=inline)
    return section(strategy or syneg(attributes={}), reflection=reflection, **options)


def fates(rows):
    return [(row.role, row.round, row.attempt, row.state, row.detail) for row in rows]


def test_a_draft_that_the_critic_lets_pass_is_not_revised():
    engine = Script(good(1), FINE)
    rows = write(critique(), engine)
    assert fates(rows) == [("negative", 0, 0, "ok", ""), ("critique", 0, 0, "ok", "")]
    asked, judged = engine.requests
    assert judged == opinion_request(
        judged.request_id, "does vitamin D lower the risk of respiratory infection in adults in case 0",
        f"{POSITIVE} Report 0.0.", text(1), (), 13,
    )  # fmt: skip
    assert (judged.temperature, judged.max_tokens) == (0.0, 48)
    row = rows[1]
    assert (row.request_id, row.seed, row.reply, row.text, row.doc_id) == (
        judged.request_id, judged.seed, FINE, "", "",
    )  # fmt: skip
    assert asked.request_id != judged.request_id
    assert final_rows(rows) == rows[:1]
    assert last_objections(rows) == {}


def test_a_draft_that_the_critic_objects_to_is_revised():
    engine = Script(good(1), opinion("no", "yes"), good(2), FINE)
    spec = critique()
    rows = write(spec, engine)
    assert fates(rows) == [
        ("negative", 0, 0, "ok", ""), ("critique", 0, 0, "ok", "off_topic,answers"),
        ("negative", 1, 0, "ok", ""), ("critique", 1, 0, "ok", ""),
    ]  # fmt: skip
    first, _, revised, _ = engine.requests
    assert revised.messages == (
        *first.messages,
        Message("assistant", good(1)),
        Message(
            "user",
            "It has left the topic of the query. Stay on the topic. It answers the query. A reader with this query "
            "must not find the answer in it. Write it again.",
        ),
    )
    assert revised.schema == first.schema
    assert len({row.request_id for row in rows}) == 4
    assert [row.text for row in final_rows(rows)] == [text(2)]
    assert last_objections(rows) == {}


def test_rounds_end_and_the_last_word_stands():
    no = opinion(answers="yes")
    rows = write(critique(rounds=2), Script(good(1), no, good(2), no, good(3), opinion("no")))
    assert [(row.role, row.round) for row in rows] == [(role, n) for n in range(3) for role in ("negative", "critique")]
    assert last_objections(rows) == {("q0", "p0_0", "syneg", 0): ("off_topic",)}
    assert final_rows(rows)[0].text == text(3)


def test_without_rounds_the_critic_judges_and_nothing_is_revised():
    rows = write(critique(rounds=0), Script(good(1), opinion(answers="yes")))
    assert last_objections(rows) == {("q0", "p0_0", "syneg", 0): ("answers",)}
    assert len(rows) == 2


def test_a_critic_that_failed_its_exam_is_not_asked():
    assert fates(write(critique(), Script(good(1)), heed=frozenset())) == [("negative", 0, 0, "ok", "")]


def test_an_objection_that_is_not_heeded_is_none():
    heed = OBJECTIONS - {"off_topic"}
    rows = write(critique(), Script(good(1), opinion("no")), heed=heed)
    assert fates(rows) == [("negative", 0, 0, "ok", ""), ("critique", 0, 0, "ok", "")]
    engine = Script(good(1), opinion("no", "yes"), good(2), opinion("no"))
    rows = write(critique(), engine, heed=heed)
    assert [row.detail for row in rows] == ["", "answers", "", ""]
    assert engine.requests[2].messages[-1].content == (
        "It answers the query. A reader with this query must not find the answer in it. Write it again."
    )
    assert last_objections(rows) == {}


def test_only_drafts_that_stand_are_criticised_and_only_failing_ones_revised():
    spec = critique(attempts=1)
    engine = Script(good(1), "no JSON", good(3), FINE, opinion("no"), good(5), FINE)
    rows = write(spec, engine, collection(3))
    assert [(row.query_id, row.role, row.round, row.state) for row in rows] == [
        ("q0", "negative", 0, "ok"), ("q0", "critique", 0, "ok"),
        ("q1", "negative", 0, "invalid"),
        ("q2", "negative", 0, "ok"), ("q2", "critique", 0, "ok"),
        ("q2", "negative", 1, "ok"), ("q2", "critique", 1, "ok"),
    ]  # fmt: skip
    assert [len(batch) for batch in engine.batches] == [3, 2, 1, 1]


def test_a_revision_has_attempts_of_its_own_and_no_old_room():
    engine = Script(CUT, good(1), opinion("no"), "no JSON", good(2), FINE)
    rows = write(critique(max_tokens=100), engine)
    assert [(row.role, row.round, row.attempt, row.state) for row in rows] == [
        ("negative", 0, 0, "truncated"), ("negative", 0, 1, "ok"), ("critique", 0, 0, "ok"),
        ("negative", 1, 0, "invalid"), ("negative", 1, 1, "ok"), ("critique", 1, 0, "ok"),
    ]  # fmt: skip
    assert [r.max_tokens for r in engine.requests] == [100, 150, 48, 100, 100, 48]


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        ("no JSON", "invalid"),
        (says(POSITIVE), "copied"),
        (says("too short"), "degenerate"),
        (CUT, "truncated"),
        (Completion("", "too_long", 1, 0, detail="x"), "failed"),
        (Completion("", "unavailable", 1, 0, detail="reset"), "failed"),
    ],
)
def test_a_revision_that_never_succeeds_leaves_the_draft_and_what_was_held_against_it(failure, state):
    rows = write(critique(attempts=1), Script(good(1), opinion("no"), failure))
    assert [(row.role, row.round, row.state) for row in rows] == [
        ("negative", 0, "ok"), ("critique", 0, "ok"), ("negative", 1, state),
    ]  # fmt: skip
    assert final_rows(rows) == rows[:1]
    assert final_rows(rows)[0].text == text(1)
    assert last_objections(rows) == {("q0", "p0_0", "syneg", 0): ("off_topic",)}
    assert is_final(rows), "the draft stands, whatever became of its revision"


def test_of_two_revisions_the_one_that_succeeded_stands():
    engine = Script(good(1), opinion("no"), good(2), opinion(answers="yes"), "no JSON")
    rows = write(critique(rounds=2, attempts=1), engine)
    assert [(row.round, row.text) for row in final_rows(rows)] == [(1, text(2))]
    assert last_objections(rows) == {("q0", "p0_0", "syneg", 0): ("answers",)}


def test_a_draft_that_never_succeeds_is_decided_by_its_last_attempt():
    rows = write(section(attempts=3), Script("no JSON", CUT, says(POSITIVE)))
    assert final_rows(rows) == rows[2:]
    assert rows[2].state == "copied"


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ("no JSON", "invalid"),
        (opinion(answers="maybe"), "invalid"),
        (Completion(FINE, "length", 1, 1), "truncated"),
        (Completion("", "unavailable", 1, 0, detail="reset"), "failed"),
    ],
)
def test_no_opinion_is_no_objection(reply, state):
    rows = write(critique(), Script(good(1), reply))
    assert [(row.role, row.state) for row in rows] == [("negative", "ok"), ("critique", state)]
    assert last_objections(rows) == {}
    assert is_final(rows) == (state != "failed")


def test_attributes_are_judged_where_there_are_any():
    spec = critique(syneg(attributes={"tone": ("dry",)}))
    engine = Script(good(1), opinion(attributes="no"), good(2), opinion(attributes="yes"))
    rows = write(spec, engine)
    assert rows[1].detail == "attributes"
    assert engine.requests[1].messages[1].content.endswith(" Is the passage as follows (attributes)? tone: dry.")
    assert engine.requests[2].messages[-1].content == "It is not as it was asked to be: tone: dry. Write it again."


def test_a_positive_must_answer_and_a_negative_must_not():
    rows = write(critique(Restyle(kind="restyle"), rounds=0), Script(good(1), opinion(answers="no")))
    assert rows[1].detail == "does_not_answer"
    rows = write(critique(Restyle(kind="restyle"), rounds=0, temperature=0.1), Script(good(2), opinion(answers="yes")))
    assert rows[1].detail == ""


def test_of_several_passages_only_those_that_were_objected_to_are_rewritten():
    yes, no = opinion(answers="yes"), FINE
    engine = Script(graded(1, 2, 3, 4), yes, no, yes, opinion("no"), graded(5, 6, 7, 8), no, no)
    rows = write(critique(Graded(kind="graded")), engine)
    assert [len(batch) for batch in engine.batches] == [1, 4, 1, 2]
    assert [(row.slot, row.role, row.round) for row in rows] == [
        (0, "positive", 0), (0, "critique", 0),
        (1, "negative", 0), (1, "critique", 0),
        (2, "negative", 0), (2, "critique", 0), (2, "negative", 1), (2, "critique", 1),
        (3, "negative", 0), (3, "critique", 0), (3, "negative", 1), (3, "critique", 1),
    ]  # fmt: skip
    assert [row.text for row in final_rows(rows)] == [text(1), text(2), text(7), text(8)]
    assert engine.requests[5].messages[2:] == (
        Message("assistant", graded(1, 2, 3, 4)),
        Message(
            "user",
            "grade_1: It answers the query. A reader with this query must not find the answer in it. grade_0: It has "
            "left the topic of the query. Stay on the topic. Write it again.",
        ),
    )
    assert sum(row.tokens_out for row in rows) == 50 * 8, "four opinions, two of round 1, and two replies"


def test_of_several_passages_each_falls_back_on_its_own():
    """The new text of level 1 is fine, that of level 0 copies another level."""
    yes, no = opinion(answers="yes"), FINE
    engine = Script(graded(1, 2, 3, 4), yes, no, yes, opinion("no"), graded(5, 6, 7, 1), no)
    rows = write(critique(Graded(kind="graded"), attempts=1), engine)
    assert [(row.slot, row.round, row.text) for row in final_rows(rows)] == [
        (0, 0, text(1)), (1, 0, text(2)), (2, 1, text(7)), (3, 0, text(4)),
    ]  # fmt: skip
    assert last_objections(rows) == {("q0", "p0_0", "graded", 3): ("off_topic",)}


def test_the_revision_shows_the_draft_that_was_objected_to():
    answers = [
        graded(1, 0, 3, 4),
        graded(5, 6, 7, 8),
        opinion(answers="no"),
        FINE,
        FINE,
        FINE,
        graded(9, 9, 9, 9),
        FINE,
    ]
    engine = Script(*answers)
    write(critique(Graded(kind="graded")), engine)
    shown = json.loads(engine.requests[6].messages[2].content)
    assert shown["grade_3"] == text(1), "that is what the critic read"


def test_every_chat_can_be_encoded():
    first = json.dumps({"reasoning": "half \ud83d", "passage": text(1)})
    again = json.dumps({"reasoning": "whole", "passage": text(2)})
    engine = Script(first, opinion("no"), again, FINE)
    write(critique(inline=True), engine)
    for message in (message for request in engine.requests for message in request.messages):
        message.content.encode()


# Ids and seeds


def requests(spec, pairs, seed=13, round_=0, attempt=0):
    corpus = collection(pairs)
    return [
        request_for(spec, job, first_messages(spec, job, texts_of(corpus, job)), seed, round_, attempt, 0)
        for job in planned(spec, corpus, seed=seed)
    ]


def test_request_ids_depend_on_the_draft_round_and_attempt_alone():
    spec = section(syneg(per_pair=2))
    base = [request.request_id for request in requests(spec, 6)]
    assert len(set(base)) == 12
    other = section(syneg(per_pair=2, genre="study"), reflection=Inline(kind="inline"), temperature=0.1, max_tokens=99)
    assert [request.request_id for request in requests(other, 6, seed=99)] == base
    assert not set(base) & {request.request_id for request in requests(spec, 6, attempt=1)}
    assert not set(base) & {request.request_id for request in requests(spec, 6, round_=1)}
    assert not set(base) & {request.request_id for request in requests(section(syneg(per_pair=2, name="x")), 6)}


def test_a_plan_does_not_depend_on_how_many_pairs_there_are():
    spec = section(syneg(per_pair=2))
    assert requests(spec, 3) == requests(spec, 10)[:6]


def test_a_request_id_and_a_seed_are_the_same_on_every_machine():
    (request,) = requests(section(), 1)
    assert (request.request_id, request.seed) == ("b08c36920309b796196e1ad1", 8631507199788037174)


def test_seeds_differ_between_recipes_and_drafts():
    seeds = {
        request.seed for seed in (1, 2) for attempt in (0, 1) for request in requests(section(), 20, seed, 0, attempt)
    }
    assert len(seeds) == 80
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_any_engine_is_asked_the_same(fresh_cache):
    """What one engine answers well and another badly, both are asked under the same ids."""
    spec, corpus = section(syneg(per_pair=2), Graded(kind="graded"), Rewrite(kind="rewrite")), collection(3)
    asked = []
    for name, answer in (("one", "no JSON"), ("other", Completion("", "too_long", 1, 0, detail="x"))):
        engine = Answering(lambda request, answer=answer: answer)
        write_drafts(spec, planned(spec, corpus), corpus, stored(engine, name), 13)
        asked.append(engine.batches[0])
    assert asked[0] == asked[1]
    assert len(asked[0]) == 12


# Runs


def test_a_second_run_asks_nothing(fresh_cache):
    spec = section(syneg(per_pair=2))
    rows = write(spec, Script("no JSON", good(1), good(2)), store="s")
    assert write(spec, Script(), store="s") == rows


def test_what_was_unavailable_is_asked_again_in_the_next_run(fresh_cache):
    gone = Completion("", "unavailable", 1, 0, detail="reset")
    rows = write(section(), Script(gone, gone), store="s")
    assert [(row.state, row.detail) for row in rows] == [("failed", "unavailable: reset")] * 2
    assert not is_final(rows)
    again = write(section(), Script(good(1)), store="s")
    assert [row.state for row in again] == ["ok"]
    assert is_final(again)


def test_only_what_decides_makes_a_chunk_unfinished():
    gone = Completion("", "unavailable", 1, 0, detail="reset")
    assert is_final(write(section(), Script(gone, good(1)))), "the second attempt was answered"
    assert not is_final(write(section(), Script("no JSON", gone)))
    assert is_final(write(critique(attempts=1), Script(good(1), opinion("no"), gone))), "the first version stands"
    assert not is_final(write(critique(), Script(good(1), gone))), "the critic has not spoken"
    assert not is_final(write(critique(), Script(good(1), opinion("no"), good(2), gone)))


@pytest.mark.parametrize("finish", ["rejected", "too_long"])
def test_what_will_never_come_is_final(finish):
    assert is_final(write(section(), Script(Completion("", finish, 1, 0, detail="unavailable"))))
    assert is_final(write(section(attempts=1), Script("unavailable")))
    assert is_final([])


def test_an_engine_that_answers_too_few_is_never_believed():
    class Short(Script):
        def complete(self, requests, finished=lambda index, completion: None):
            replies = super().complete(requests, finished)
            return replies if requests[0].request_id == "canary" else replies[:-1]

    with pytest.raises(ValueError, match="zip"):
        write(section(syneg(per_pair=2)), Short(good(1), good(2)))


# Proposed attributes


def test_proposals_settle_auto_axes():
    spec = section(syneg(attributes={"domain": "auto", "tone": ("dry",)}), syneg(name="other", attributes={}))
    proposal = Proposal(strategy="syneg", axis="domain", values=("a", "b"), requests=1, tokens_in=1, tokens_out=1)
    ready = settled(spec, [proposal])
    assert [s.attributes for s in ready.strategies] == [{"domain": ("a", "b"), "tone": ("dry",)}, {}]
    (jobs,) = plan_assignments(ready, pairs_of(collection()), 13)
    assert [[a.axis for a in job.attributes] for job in jobs] == [["domain", "tone"], []]
    assert jobs[0].attributes[1] == Attribute("tone", "dry")
    assert jobs[0].passages == (Passage(0),)
