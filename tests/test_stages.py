"""Between generation and the gate: what becomes a candidate, and what the critic's word makes of it."""

from dataclasses import replace

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.generation.drafts import CRITIQUE
from syneg_data.line import Written
from syneg_data.records import Candidate, Generation, Hit
from syneg_data.subjects import digest_of, subjects_of
from syneg_data.validation.gate import Subject

CORPUS = Collection(
    {"p": Document("p", "the positive"), "m": Document("m", "a mined document")}, {"q": "query"}, {"q": {"p": 1}}, "x"
)
BM25 = (Hit("bm25", 1, 2.5),)


def draft(slot, text, role="negative", state="ok", round_=0, strategy="syneg"):
    return Generation(
        f"r{slot}-{round_}", f"s{slot}" if state == "ok" else "", "q", "p", None, slot, strategy, (), role, 0, round_,
        0, state, "", text, "", 1, 1, 0, 1, "reply",
    )  # fmt: skip


def word(slot, objections, state="ok", round_=0):
    return Generation(
        f"c{slot}-{round_}", "", "q", "p", None, slot, "syneg", (), CRITIQUE, 0, round_, 0, state, objections, "", "",
        1, 1, 0, 1, "reply",
    )  # fmt: skip


def subjects(*rows, mined=()):
    return subjects_of(CORPUS, mined, Written(list(rows)))


def test_negatives_are_what_was_mined_and_then_what_was_written():
    mined = [Candidate("q", "m", BM25), Candidate("q", "p", BM25, "positive")]
    negatives, positives = subjects(
        draft(0, "one new text"), draft(1, "", state="invalid"), draft(2, "another text", strategy="rewrite"),
        mined=mined,
    )  # fmt: skip
    assert negatives == [
        Subject("q", None, "m", "mined", BM25),
        Subject("q", "p", "s0", "synthetic", (Hit("syneg", 1, None),)),
        Subject("q", "p", "s2", "synthetic", (Hit("rewrite", 3, None),)),
    ]
    assert positives == []


def test_written_positives_go_a_way_of_their_own():
    negatives, positives = subjects(draft(0, "one new text"), draft(1, "a version", role="positive"))
    assert [s.doc_id for s in negatives] == ["s0"]
    assert [(s.doc_id, s.positive_id, s.refused) for s in positives] == [("s1", "p", "")]


@pytest.mark.parametrize(
    ("objections", "verdict", "reason"),
    [
        ("", "", ""),
        ("answers", "false_negative", "critique_answers"),
        ("off_topic", "too_easy", "critique_off_topic"),
        ("off_topic,answers", "too_easy", "critique_off_topic"),
        ("does_not_answer", "too_easy", "critique_does_not_answer"),
        ("attributes", "", ""),
        ("answers,attributes", "false_negative", "critique_answers"),
    ],
)
def test_what_the_critic_still_objects_to_is_its_verdict(objections, verdict, reason):
    ((subject,), _) = subjects(draft(0, "one new text"), word(0, objections))
    assert (subject.verdict, subject.refused) == (verdict, reason)


def test_only_its_last_word_on_this_draft_counts():
    rows = [
        draft(0, "first version"), word(0, "answers"), draft(0, "second version", round_=1), word(0, "", round_=1),
        draft(1, "another draft"), word(1, "off_topic"), draft(1, "its revision", round_=1), word(1, "", "invalid", 1),
        draft(2, "a third draft"), word(2, "answers"),
    ]  # fmt: skip
    negatives, _ = subjects(*rows)
    assert [s.refused for s in negatives] == ["", "", "critique_answers"]


def test_texts_that_are_there_already_are_duplicates():
    negatives, positives = subjects(
        draft(0, "A mined document!"), draft(1, "some text"), draft(2, "Some text."), word(2, "answers"),
        draft(3, "The Positive", role="positive"),
    )  # fmt: skip
    assert [(s.verdict, s.refused) for s in negatives] == [
        ("duplicate", "text_of_document"), ("", ""), ("duplicate", "text_of_synthetic"),
    ]  # fmt: skip
    assert [(s.verdict, s.refused) for s in positives] == [("duplicate", "text_of_document")]


def test_the_documents_are_the_last_versions_that_passed():
    written = Written([draft(0, "first"), draft(0, "second", round_=1), draft(1, "", state="copied"), word(0, "")])
    assert written.documents() == [Document("s0", "second")]


def test_which_drafts_came_is_part_of_what_the_gate_depends_on():
    """An engine that was unavailable leaves fewer drafts under the same key; the gate must not reuse their scores."""
    rows = [draft(0, "first"), draft(1, "", state="failed"), word(0, "")]
    assert digest_of(Written(rows)) == digest_of(Written(rows[:2])) == digest_of(Written(rows[:1]))
    assert digest_of(Written(rows)) != digest_of(Written([draft(0, "first"), draft(1, "second")]))
    assert digest_of(Written(rows)) != digest_of(Written([]))
    assert digest_of(Written(rows)) != digest_of(Written([replace(draft(0, "other"), doc_id="s9")]))
