"""The whole audit at once, on sets that have next to nothing to measure."""

import json

import numpy as np
import pytest

from syneg_data.audit.registry import MEASURES, examine


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("query", "positive", [], [])],
        [("query", "positive text", ["written text"], ["mined text"])],
        [("query", "same", ["same"], ["same"])] * 3,
        [("", "", [""], [""])] * 3,
        [(f"query {i}", " \n", ["..."], ["\u200b"]) for i in range(30)],
        [(f"query {i}", "only mined", [], [f"mined {i}"]) for i in range(3)],
        [(f"query {i}", "lone \ud800", [f"\x00{i}"], [f"中文{i}"]) for i in range(30)],
    ],
    ids=["no examples", "no negatives", "one example", "one text", "empty", "blank", "one source", "odd characters"],
)
def test_a_set_with_little_to_measure_is_audited_all_the_same(rows, subject_of):
    """One example is what `--limit 1` leaves, and a weak generator may write the same for every query."""

    def embed(texts):
        return np.ones((len(texts), 4), np.float32)

    found = examine(subject_of(rows, embed=embed))
    assert tuple(measure.name for measure in found.measures) == MEASURES
    by_name = {measure.name: measure for measure in found.measures}
    assert by_name["source_auc"].value is None
    assert json.loads(json.dumps([found.details, *(m.record() for m in found.measures)], allow_nan=False))
