"""Shortcut evidence: which pairs are asked, and what is counted, with vectors that can be told by eye."""

import numpy as np

from syneg_data.collection import Collection, Document
from syneg_data.judge.shortcuts import Probe, probe_pairs, shortcuts
from syneg_data.records import Hit, Verdict

VECTORS = {
    "north": (1.0, 0.0), "close": (0.8, 0.6), "further": (0.6, 0.8), "away": (0.0, 1.0), "east": (0.0, 1.0),
}  # fmt: skip


class Compass:
    """An embedder that knows five words."""

    def encode(self, texts, role):
        return np.array([VECTORS[text] for text in texts], dtype=np.float32)


def collection():
    texts = {"p": "close", "p2": "close", "m": "further", "s": "north", "t": "away"}
    documents = {doc_id: Document(doc_id, text) for doc_id, text in texts.items()}
    return Collection(documents, {"q1": "north", "q2": "north"}, {"q1": {"p": 1}, "q2": {"p2": 1}}, "digest")


def verdict(query_id, doc_id, origin, positive_id=None):
    return Verdict(query_id, positive_id, doc_id, origin, (Hit("x", 1, None),), 0.1, 0.9, (), "keep", "")


def test_only_kept_back_pairs_with_both_kinds_are_asked():
    kept = [
        verdict("q1", "m", "mined"), verdict("q1", "s", "synthetic", "p"), verdict("q1", "t", "synthetic", "p"),
        verdict("q2", "m", "mined"),
    ]  # fmt: skip
    assert probe_pairs(collection(), kept, {"q1", "q2"}) == [Probe("q1", "p", ("m",), ("s", "t"))]
    assert probe_pairs(collection(), kept, {"q2"}) == []


def test_accuracy_and_gap_of_each_kind():
    found = shortcuts(Compass(), collection(), [Probe("q1", "p", ("m",), ("s", "t"))])
    # The positive scores 0.8; mined 0.6; synthetic 1.0 and 0.0.
    assert found["mined"] == {"accuracy": 1.0, "gap": 0.2, "comparisons": 1}
    assert found["synthetic"] == {"accuracy": 0.5, "gap": 0.3, "comparisons": 2}


def test_without_probes_nothing_is_said():
    assert shortcuts(Compass(), collection(), []) == {}
