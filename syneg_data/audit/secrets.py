"""Secrets: what in generated texts looks like a credential or personal data. Counted by kind; no text is ever shown."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from syneg_data.audit.measures import Measure
from syneg_data.audit.subject import Subject
from syneg_data.confidential import CREDENTIALS, PERSONAL, spans

NAMES: tuple[str, ...] = ("secrets_written", "secrets_copied", "personal_data_written", "personal_data_copied")
_GROUP = "secrets"
_RUN = re.compile(r"[A-Za-z0-9]+")
_CUT = 200  # characters; the shortest of the greatest lengths that a form has


@dataclass(slots=True)
class _Draft:
    """One generated text: what was found in it, and the texts that it was made from."""

    found: dict[str, str] = field(default_factory=dict)  # the piece -> its kind; never leaves this module
    sources: tuple[str, ...] = ()


def measure(subject: Subject) -> list[Measure]:
    """How many generated texts hold such things: made up by the model, and copied from the corpus."""
    drafts = list(_drafts(subject))
    copied = _in_corpus(subject, drafts)
    found = []
    for name, what, kinds in (
        ("secrets", "a credential", CREDENTIALS),
        ("personal_data", "personal data", PERSONAL),
    ):
        for end, where, is_it in (
            ("written", "that does not stand in the corpus", lambda piece: piece not in copied),
            ("copied", "that stands in the corpus, too", lambda piece: piece in copied),
        ):
            found.append(_count(f"{name}_{end}", f"what looks like {what} {where}", kinds, is_it, drafts))
    return found


def _count(
    name: str, what: str, kinds: Sequence[str], is_it: Callable[[str], bool], drafts: Sequence[_Draft]
) -> Measure:
    holding = [Counter({kind for piece, kind in d.found.items() if kind in kinds and is_it(piece)}) for d in drafts]
    hits = sum(bool(held) for held in holding)
    by_kind: Counter[str] = sum(holding, Counter())
    listed = ", ".join(f"{kind.replace('_', ' ')}: {by_kind[kind]:,}" for kind in sorted(by_kind))
    if not drafts:
        return Measure(name, _GROUP, None, None, None, 0, "No text was generated.")
    some = f"{f'{hits:,}' if hits else 'None'} of {len(drafts):,} generated texts hold{'s' if hits < 2 else ''} {what}"
    some += f" ({listed})." if listed else "."
    return Measure(name, _GROUP, hits, None, None, len(drafts), some)


def _drafts(subject: Subject) -> Iterator[_Draft]:
    """Every final draft of generation, kept or not, since all are published; and written negatives of unknown birth."""
    documents, queries = subject.collection.documents, subject.collection.queries
    known = set()
    for row in subject.generations:
        known.add(row.doc_id)
        written = [row.text, row.reflection] if row.state == "ok" else list(_strings(row.reply))
        found = _pieces(written)
        origin = [doc_id for doc_id in (row.positive_id, row.seed_doc_id) if doc_id is not None and found]
        sources = [subject.collection.text(doc_id) for doc_id in origin if doc_id in documents]
        yield _Draft(found, (*sources, queries.get(row.query_id, "")))
    for doc_id in subject.negative_ids("synthetic"):
        if doc_id not in known:
            yield _Draft(_pieces([subject.collection.text(doc_id)]))


def _pieces(texts: Sequence[str]) -> dict[str, str]:
    return {_flat(text[span.start : span.end]): span.kind for text in texts for span in spans(text)}


def _flat(text: str) -> str:
    """White space does not tell a copy from an original; a written text has single spaces."""
    return " ".join(text.split())


def _strings(reply: str) -> Iterator[str]:
    """All text of a reply: of its JSON, where it is any, so that no escape hides or makes a piece."""
    try:
        waiting: list[Any] = [json.loads(reply)]
    except (ValueError, RecursionError):
        yield reply
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value


def _in_corpus(subject: Subject, drafts: Sequence[_Draft]) -> set[str]:
    """The pieces that stand in the texts a draft was made from, or anywhere else in the corpus or the queries."""
    looked_for: set[str] = set()
    copied: set[str] = set()
    for draft in drafts:
        sources = [_flat(text) for text in draft.sources] if draft.found else []
        for piece in draft.found:
            (copied if any(piece in text for text in sources) else looked_for).add(piece)
    waiting: dict[str, list[str]] = {}
    for piece in looked_for - copied:
        waiting.setdefault(_longest_run(piece), []).append(piece)
    written = {row.doc_id for row in subject.generations} | set(subject.negative_ids("synthetic"))
    real = (subject.collection.text(doc_id) for doc_id in subject.collection.documents if doc_id not in written)
    for texts in (subject.collection.queries.values(), real):
        for text in texts:
            if not waiting:
                return copied
            # Whoever looked for each piece in each text would be at it for hours in a large corpus.
            for run in waiting.keys() & set(_RUN.findall(text)):
                flat = _flat(text)
                copied.update(piece for piece in waiting[run] if piece in flat)
                waiting[run] = [piece for piece in waiting[run] if piece not in copied]
                if not waiting[run]:
                    del waiting[run]
    return copied


def _longest_run(piece: str) -> str:
    """What a text that holds the piece has as one run of letters and digits, too.

    Forms begin and end where such a run does, but for one that is cut at its greatest length.
    """
    runs = _RUN.findall(piece)
    return max(runs[:-1] if len(piece) >= _CUT else runs, key=len, default="")
