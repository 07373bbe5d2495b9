"""What diff shows: level and reasons first, aligned tables of what differs, nothing of what is equal."""

import pytest

from syneg_data.report.difference import print_difference

NOTHING = {
    "level": "none",
    "reasons": [],
    "version": None,
    "rows": [],
    "negatives": {
        "sources": [],
        "pairs": {"in_both": 3, "with_other_negatives": 0},
        "queries": {"before": 3, "after": 3, "gained": 0, "lost": 0, "examples": {"gained": [], "lost": []}},
    },
    "gate": {"bars": [], "judged_by_both": 9, "flips": []},
    "ledger": [],
    "audit": [],
    "recipe": {"keys": [], "inputs": [], "tool": None},
    "licenses": [],
}


@pytest.fixture
def shown(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")

    def show(**changes):
        print_difference(NOTHING | changes, "a", "b")
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return show


def test_what_is_equal_is_not_said(shown):
    row = {"config": "triplet", "split": "train", "before": 3, "after": 3, "added": 0, "removed": 0, "changed": 0}
    source = {"source": "mined:bm25", "before": 3, "after": 3}
    negatives = NOTHING["negatives"] | {"sources": [source]}
    assert shown(rows=[row | {"unchanged": 3}], negatives=negatives) == ["no change, from a to b"]


def test_level_and_reasons_come_first(shown):
    reasons = [{"level": "minor", "what": "rows differ in triplet"}, {"level": "patch", "what": "other [red]text"}]
    assert shown(level="minor", reasons=reasons, version={"before": "1.0.0", "after": "1.1.0"}) == [
        "MINOR, from a to b; 1.0.0 is followed by 1.1.0",
        "  MINOR: rows differ in triplet",
        "  PATCH: other [red]text",
    ]


def test_rows_are_aligned_and_what_is_new_has_no_count_before(shown):
    rows = [
        {"config": "triplet", "split": "train", "before": 1200, "after": 1201, "added": 2, "removed": 1}
        | {"changed": 0, "unchanged": 1199},
        {"config": "ragged", "split": "train", "before": None, "after": 0, "added": 0, "removed": 0}
        | {"changed": 0, "unchanged": 0},
    ]
    assert shown(rows=rows)[2:] == [
        "Rows",
        "config   split  before  after  added  removed  changed  unchanged",
        "triplet  train   1,200  1,201      2        1        0      1,199",
        "ragged   train       -      0      0        0        0          0",
    ]


def test_negatives_and_queries_in_a_sentence_each(shown):
    negatives = {
        "sources": [{"source": "synthetic:syneg", "before": 0, "after": 1000}],
        "pairs": {"in_both": 30, "with_other_negatives": 7},
        "queries": {"before": 9, "after": 9, "gained": 2, "lost": 1, "examples": {"gained": ["7", "8"], "lost": ["1"]}},
    }
    assert shown(negatives=negatives)[2:] == [
        "Negatives by source",
        "source           before  after",
        "synthetic:syneg       0  1,000",
        "7 of the 30 (query, positive) pairs that both have got other negatives",
        "queries gained: 2, such as 7, 8",
        "queries lost: 1, such as 1",
    ]


def test_flips_name_candidates_and_bars_their_values(shown):
    flip = {"from": "keep", "to": "too_easy", "count": 1, "examples": [{"query_id": "q1", "doc_id": "d[b]"}]}
    gate = {
        "bars": [{"path": "words.margin", "before": 0.05, "after": None}],
        "judged_by_both": 48,
        "flips": [flip],
    }
    assert shown(gate=gate)[2:] == [
        "Verdicts that are other, of 48 candidates that both judge",
        "from  to        count  such as (query, document)",
        "keep  too_easy      1  q1, d[b]",
        "",
        "What was fitted",
        "what          before  after",
        "words.margin  0.05    -",
    ]


def test_counts_of_a_stage_that_differ(shown):
    before = {"unit": "candidate", "in": 9, "kept": 5, "rejected": {"ambiguous": 4}, "failed": {}}
    after = {"unit": "candidate", "in": 9, "kept": 9, "rejected": {}, "failed": {}}
    stages = [
        {"stage": "validate", "before": before, "after": after},
        {"stage": "generate", "before": None, "after": {"unit": "draft", "in": 2, "kept": 2}},
    ]
    assert shown(ledger=stages)[2:] == [
        "What became of every row",
        "stage     what                before  after",
        "validate  kept                     5      9",
        "validate  rejected ambiguous       4      0",
        "generate  in                       -      2",
        "generate  kept                     -      2",
    ]


def test_audit_figures_with_intervals_and_whether_they_overlap(shown):
    figures = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}, {"value": 0.81, "low": 0.7, "high": 0.9, "n": 9}
    audit = [
        {"name": "auc", "group": "g", "before": figures[0], "after": figures[1], "overlap": False},
        {"name": "count", "group": "g", "before": None, "after": figures[0] | {"low": None}, "overlap": None},
    ]
    assert shown(audit=audit)[2:] == [
        "Audit (95 % intervals)",
        "measure            before              after  intervals",
        "auc      0.5 (0.4 .. 0.6)  0.81 (0.7 .. 0.9)  APART",
        "count                   -                0.5  -",
    ]


def test_recipe_models_tool_and_licences(shown):
    keys = [{"path": f"key{n}", "before": n, "after": "x" * 70 if n == 0 else None} for n in range(14)]
    inputs = [{"role": "generation.engine", "before": None, "after": {"model": "m@1", "sha256": "ab" * 32}}]
    tool = {"before": "syneg-data 0.1.0", "after": "syneg-data 0.2.0"}
    licenses = [{"of": "terms", "before": None, "after": "gemma"}]
    lines = shown(recipe={"keys": keys, "inputs": inputs, "tool": tool}, licenses=licenses)
    assert lines[2:5] == ["Licences", "of                      before  after", "the generator's output  -       gemma"]
    assert lines[8].split() == ["key0", "0", "x" * 59 + "…"]
    assert lines[-6:] == [
        "and 2 more (--json has all)",
        "",
        "Models and source",
        "role               before  after",
        "generation.engine  -       m@1 abababababab",
        "tool: syneg-data 0.1.0 -> syneg-data 0.2.0",
    ]
