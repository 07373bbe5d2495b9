"""Gains: paired over queries, of which those with a common positive are drawn together."""

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.judge.measuring import gains
from syneg_data.training.metrics import METRICS


def split(positive_of):
    documents = {doc_id: Document(doc_id, doc_id) for doc_id in positive_of.values()}
    return Collection(documents, dict.fromkeys(positive_of, "text"), {q: {d: 1} for q, d in positive_of.items()})


def scores(values):
    return {f"q{i}": dict.fromkeys(METRICS, value) for i, value in enumerate(values)}


def test_the_interval_of_queries_about_one_document_is_that_of_the_document():
    after = scores([0.1, 0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 0.3])
    before = scores([0.0] * 8)
    apart = gains(before, after, split({f"q{i}": f"d{i}" for i in range(8)}))["nDCG@10"]
    together = gains(before, after, split({f"q{i}": f"d{i // 4}" for i in range(8)}))["nDCG@10"]
    assert apart["mean"] == together["mean"] == pytest.approx(0.2)
    assert together["queries"] == 8
    # Two documents: t of one degree of freedom over z, times sqrt(2), times the reach 0.1.
    assert together["high"] == pytest.approx(0.2 + 0.1 * 12.7062 / 1.959964 * 2**0.5, abs=1e-4)
    assert apart["high"] < 0.3


def test_what_cannot_be_drawn_again_has_no_interval():
    before, after = scores([0.0, 0.0]), scores([0.5, 0.7])
    assert gains(before, after, split({"q0": "d", "q1": "d"})) == dict.fromkeys(METRICS)
    other = split({"q0": "d", "q1": "e"})
    assert gains(before, after, other, {"q1"}) == dict.fromkeys(METRICS)
    assert gains(before, after, other)["nDCG@10"]["mean"] == pytest.approx(0.6)
