"""cost: time and memory of the whole audit of a large set, made of SciFact's sentences dealt anew."""

import random
import re
import time
from functools import cache

from benchmarks.cases.tells import abstracts
from benchmarks.measuring import PeakMemory, apart
from benchmarks.results import Row, row
from syneg_data.collection import Collection, Document
from syneg_data.records import Example, Verdict
from syneg_data.spec import seed_of

_EXAMPLES, _QUICK_EXAMPLES, _NEGATIVES = 10_000, 1000, 3
_SENTENCES, _DIMENSION = 8, 384
_SECONDS, _MIB = 300, 2048


@cache
def sentences() -> tuple[str, ...]:
    """The sentences of SciFact's abstracts."""
    return tuple(s for document in abstracts() for s in re.split(r"(?<=[.!?])\s+", document.text) if s)


def audited(examples: int) -> tuple[float, float, int]:
    """Seconds, MiB beyond the set itself, and figures of an audit; to be called in a process of its own."""
    import numpy as np

    from syneg_data.audit.registry import examine
    from syneg_data.audit.subject import Subject

    chance = random.Random(seed_of("cost", examples))
    documents: dict[str, Document] = {}
    made, verdicts = [], []
    for i in range(examples):
        ids = [f"d{i}-{n}" for n in range(_NEGATIVES + 1)]
        documents |= {doc_id: Document(doc_id, " ".join(chance.choices(sentences(), k=_SENTENCES))) for doc_id in ids}
        sources = ("synthetic:syneg", *["mined:bm25"] * (_NEGATIVES - 1))
        made.append(Example(f"q{i}", ids[0], tuple(ids[1:]), sources, (0.5,) * _NEGATIVES))
        for doc_id, source in zip(ids[1:], sources, strict=True):
            origin = source.partition(":")[0]
            verdicts.append(Verdict(f"q{i}", None, doc_id, origin, (), chance.random() * 0.8, 0.9, (), "keep", ""))
    queries = {f"q{i}": chance.choice(sentences()) for i in range(examples)}
    collection = Collection(documents, queries, {e.query_id: {e.positive_id: 1} for e in made}, "")
    held_out = {"test": Collection(documents, {f"t{i}": chance.choice(sentences()) for i in range(500)}, {}, "")}
    vectors = np.random.default_rng(0)
    subject = Subject(
        collection, made, verdicts, (), held_out,
        embed=lambda texts: vectors.standard_normal((len(texts), _DIMENSION)).astype(np.float32),
    )  # fmt: skip
    memory, started = PeakMemory(), time.monotonic()
    found = examine(subject)
    return time.monotonic() - started, memory.kib() / 1024, len(found.measures)


def measure(quick: bool) -> list[Row]:
    """Time and memory of one audit; made once, for it takes its time."""
    examples = _QUICK_EXAMPLES if quick else _EXAMPLES
    seconds, mib, figures = apart(audited, examples)
    what = f"cost: {examples:,} examples with {_NEGATIVES} negatives, {figures} figures, vectors given"
    return [
        row(what, "time", "s", seconds, None, "", 1, f"under {_SECONDS} s", seconds < _SECONDS),
        row(what, "peak memory beyond the set", "MiB", mib, None, "", 1, f"under {_MIB} MiB", mib < _MIB),
    ]
