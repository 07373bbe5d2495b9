"""Candidates as the gate sees them: mined ones, drafts, and written positives, those that need no score marked."""

from collections.abc import Sequence

from syneg_data.collection import Collection
from syneg_data.generation.drafts import draft_key, final_rows, last_objections
from syneg_data.line import Written
from syneg_data.records import Candidate, Hit
from syneg_data.spec import fingerprint
from syneg_data.validation.gate import Subject, mark_duplicates

# What the critic still objects to in the end, as the gate puts it; attributes that were not met are no fault there.
_CRITICISED = {
    "answers": ("false_negative", "critique_answers"),
    "off_topic": ("too_easy", "critique_off_topic"),
    "does_not_answer": ("too_easy", "critique_does_not_answer"),
}


def digest_of(written: Written) -> str:
    """What of generation the gate depends on besides its key: which drafts came, should some have been unavailable."""
    return fingerprint([[*draft_key(row), row.doc_id] for row in final_rows(written.rows) if row.state == "ok"])


def subjects_of(
    collection: Collection, candidates: Sequence[Candidate], written: Written
) -> tuple[list[Subject], list[Subject]]:
    """Negatives (mined, then written), and restyled positives."""
    mined = [
        Subject(candidate.query_id, None, candidate.doc_id, "mined", candidate.sources)
        for candidate in candidates
        if not candidate.reason
    ]
    objections = last_objections(written.rows)
    drafted: dict[str, list[Subject]] = {"negative": [], "positive": []}
    texts = {}
    for row in final_rows(written.rows):
        if row.state != "ok":
            continue
        held = next((what for what in objections.get(draft_key(row), ()) if what in _CRITICISED), None)
        verdict, reason = _CRITICISED[held] if held else ("", "")
        hit = Hit(row.strategy, row.slot + 1, None)
        drafted[row.role].append(
            Subject(row.query_id, row.positive_id, row.doc_id, "synthetic", (hit,), reason, verdict)
        )
        texts[row.doc_id] = row.text
    negatives = mark_duplicates(collection, drafted["negative"], texts)
    return [*mined, *negatives], mark_duplicates(collection, drafted["positive"], texts)
