"""Every figure of a report that the gate has to do with, counted again from the tables of its build folder."""

import math
from collections import Counter

from syneg_data.collection import normalise
from tests.validation.world import json_of, rows_of


def recount(folder, relabelled=False):
    """Check `stages`, `mining`, `validation` and `examples` of a build without generation against its own rows."""
    report = json_of(folder)
    assert set(report["stages"]) == {"load", "mine", "validate", "mix"}
    for entry in [*report["stages"].values(), report["stages"]["mix"]["pairs"]]:
        assert entry["in"] == entry["kept"] + sum(entry["rejected"].values()) + sum(entry["failed"].values())
    _stages(folder, report, relabelled)
    _mining(folder, report["mining"])
    for entry in report["validation"]["rerankers"]:
        _evidence(folder, entry)
    _examples(folder, report)


def counted(values):
    """How often each value stands there."""
    return dict(sorted(Counter(values).items()))


def _stages(folder, report, relabelled):
    stages, candidates = report["stages"], rows_of(folder, "candidates")
    new = [row for row in candidates if row["reason"] == "relabelled"]
    assert bool(new) == relabelled
    judged = [row for row in rows_of(folder, "qrels") if row["score"] > 0]
    assert stages["load"]["kept"] == len(judged) - sum(row["selected"] for row in new)

    refused = [row for row in candidates if row["stage"] == "mine"]
    assert stages["mine"]["in"] == len(candidates)
    assert stages["mine"]["rejected"] == counted(row["reason"] for row in refused)

    judged = [row for row in candidates if row["stage"] != "mine"]
    failed = [row for row in judged if row["verdict"] == "failed"]
    assert stages["validate"]["in"] == stages["mine"]["kept"] == len(judged)
    assert stages["validate"]["kept"] == sum(row["verdict"] == "keep" for row in judged)
    assert stages["validate"]["failed"] == counted(row["reason"] for row in failed)
    assert stages["validate"]["rejected"] == counted(
        row["verdict"] for row in judged if row["verdict"] not in ("keep", "failed")
    )
    assert {row["stage"] for row in judged if row["verdict"] == "keep"} <= {"mix"}
    assert {row["stage"] for row in judged if row["verdict"] != "keep"} <= {"validate"}

    kept = [row for row in judged if row["stage"] == "mix"]
    assert stages["mix"]["in"] == len(kept)
    assert stages["mix"]["kept"] == sum(row["selected"] for row in kept)
    assert stages["mix"]["rejected"] == counted(row["reason"] for row in kept if not row["selected"])
    assert stages["mix"]["pairs"]["in"] == stages["load"]["kept"] + len(new)
    assert stages["mix"]["pairs"]["kept"] == len(rows_of(folder, "ids")) == report["examples"]
    if relabelled:
        assert report["relabelled"] == {"positives": len(new), "used": sum(row["selected"] for row in new)}
    else:
        assert "relabelled" not in report or report["relabelled"] == {"positives": 0, "used": 0}


def _mining(folder, facts):
    candidates, corpus = rows_of(folder, "candidates"), rows_of(folder, "corpus")
    texts = [normalise(f"{row['title']} {row['text']}") for row in corpus]
    assert facts["documents"] == len(corpus)
    assert facts["without_text"] == texts.count("")
    assert facts["same_text"] == len(texts) - texts.count("") - len({text for text in texts if text})
    queries = [row["_id"] for row in rows_of(folder, "queries")]
    expected = {}
    for name in {hit["source"] for row in candidates for hit in row["sources"]}:
        mine = [row for row in candidates if name in [hit["source"] for hit in row["sources"]]]
        expected[name] = {
            "found": len(mine),
            "refused": sum(row["stage"] == "mine" for row in mine),
            "found_by_no_other": sum(len(row["sources"]) == 1 for row in mine),
            "queries_without": len(set(queries) - {row["query_id"] for row in mine}),
        }
    assert facts["sources"] == expected
    new = {(row["query_id"], row["doc_id"]) for row in candidates if row["reason"] == "relabelled"}
    positives = {(r["query-id"], r["corpus-id"]) for r in rows_of(folder, "qrels") if r["score"] > 0} - new
    kept = [row for row in candidates if row["verdict"] == "keep"]
    others = sum(any(d == row["doc_id"] and q != row["query_id"] for q, d in positives) for row in kept)
    share = round(others / len(kept), 4) if kept else None
    assert facts["positives_of_other_queries"] == {"count": others, "share": share}


def _evidence(folder, entry):
    said = [row for row in rows_of(folder, "scores") if row["reranker"] == entry["name"]]
    parts = {role: [row for row in said if row["role"] == role] for role in ("positive", "candidate", "random")}
    finite = {role: [row["score"] for row in rows if math.isfinite(row["score"])] for role, rows in parts.items()}
    assert (entry["positives"], entry["mined"], entry["random"]) == tuple(map(len, finite.values()))
    assert entry["auc_random"] == share_in_order(finite["positive"], finite["random"])
    assert entry["auc_mined"] == share_in_order(finite["positive"], finite["candidate"])
    positives = {(r["query-id"], r["corpus-id"]) for r in rows_of(folder, "qrels") if r["score"] > 0}
    candidates = {(r["query_id"], r["doc_id"]): r for r in rows_of(folder, "candidates") if r["stage"] != "mine"}
    pairs = {role: {(row["query_id"], row["doc_id"]) for row in rows} for role, rows in parts.items()}
    assert all(len(pairs[role]) == len(rows) for role, rows in parts.items()), "a row for each pair"
    assert pairs["candidate"] == set(candidates)
    new = {pair for pair, row in candidates.items() if row["reason"] == "relabelled"}
    assert pairs["positive"] == positives - new
    assert not pairs["random"] & pairs["positive"]
    assert len(pairs["random"]) <= 500


def share_in_order(higher, lower):
    """AUC, pair by pair."""
    if not higher or not lower:
        return None
    won = sum((high > low) + (high == low) / 2 for high in higher for low in lower)
    return round(won / (len(higher) * len(lower)), 4)


def _examples(folder, report):
    """Who is a positive and who a negative is said alike by `ids`, `qrels`, `candidates` and the texts."""
    candidates = {(r["query_id"], r["doc_id"]): r for r in rows_of(folder, "candidates") if r["stage"] != "mine"}
    ids, tuples = rows_of(folder, "ids"), rows_of(folder, "n-tuple")
    texts = {row["_id"]: f"{row['title']} {row['text']}".strip() for row in rows_of(folder, "corpus")}
    judged = {(row["query-id"], row["corpus-id"]): row["score"] for row in rows_of(folder, "qrels")}
    assert len(judged) == len(rows_of(folder, "qrels")), "nothing is judged twice"
    queries = {row["_id"]: row["text"] for row in rows_of(folder, "queries")}
    for row, texts_of in zip(ids, tuples, strict=True):
        assert judged[row["query_id"], row["positive_id"]] > 0
        assert texts_of["query"] == queries[row["query_id"]]
        assert texts_of["positive"] == texts[row["positive_id"]]
        for i, doc_id in enumerate(row["negative_ids"]):
            candidate = candidates[row["query_id"], doc_id]
            assert (candidate["verdict"], candidate["selected"]) == ("keep", True)
            assert row["sources"][i] == "mined:" + "+".join(hit["source"] for hit in candidate["sources"])
            assert row["scores"][i] == candidate["relevance"]
            assert texts_of[f"negative_{i + 1}"] == texts[doc_id]
    used = {(row["query_id"], row["positive_id"]) for row in ids}
    negatives = [(row["query_id"], doc_id) for row in ids for doc_id in row["negative_ids"]]
    assert all(len(set(row["negative_ids"])) == len(row["negative_ids"]) for row in ids), "no example has one twice"
    for pair, row in candidates.items():
        assert row["selected"] == (pair in (used if row["reason"] == "relabelled" else set(negatives)))
    found = Counter(source for row in ids for source in row["sources"])
    assert {entry["source"]: entry["count"] for entry in report["origins"]} == found
