"""A small build made up by hand, hostile texts included, as the page gets it: report, lock and tables."""

import json

import pyarrow as pa

from syneg_data.collection import Collection, Document
from syneg_data.export.configs import candidate_table, collection_tables, generation_table, score_table, training_tables
from syneg_data.records import Attribute, Candidate, Example, Generation, Hit, Scored, Verdict
from syneg_data.report import ledger
from syneg_data.report.page import CONFIGS

HOSTILE = {
    "script": "</script><script>window.hacked = 1</script>",
    "image": '<img src="http://hostile.example/x.png" onerror="window.hacked = 2">',
    "comment": "<!-- <script> -->",
    "bidi": "abc \u202e txt.exe \u2066 hidden \u2069",
    "nul": "before \x00 after \x1b[31m red",
    "separators": "one \u2028 two \u2029 three",
    "template": "{{ report }} {% for x in y %} ${window.hacked = 3}",
    "link": "[click](javascript:window.hacked=4) & &lt;b&gt;",
    "huge": "word " * 40_000,
}
WAYS = ("used", "used", "not_selected", "too_easy", "false_negative", "ambiguous")


def row(query_id, slot, state, reply, **changes):
    values = {
        "request_id": f"r-{query_id}-{slot}", "doc_id": "", "query_id": query_id, "positive_id": f"{query_id}-p",
        "seed_doc_id": None, "slot": slot, "strategy": "syneg",
        "attributes": (Attribute("length", "shorter than"), Attribute("domain", "Virology")), "role": "negative",
        "grade": 0, "round": 0, "attempt": 0, "state": state, "detail": "", "text": "", "reflection": "",
        "tokens_in": 100, "tokens_out": 40, "tokens_cached": 10, "seed": 1, "reply": reply,
    }  # fmt: skip
    return Generation(**{**values, **changes})


def reply_of(text, reasoning="It asks one thing; the passage covers another."):
    return json.dumps({"reasoning": reasoning, "passage": text})


def build(queries=30, hostile=True, audit=None):
    """Arguments of `render_page`: every query has six mined candidates, two drafts and one that came to nothing."""
    documents, texts, qrels = {}, {}, {}
    mined, verdicts, examples, generations, scores = [], [], [], [], []
    said = list(HOSTILE.values()) if hostile else ["A plain text."]
    for n in range(queries):
        q = f"q{n:03}"
        texts[q] = f"query number {n} {said[n % len(said)][:200]}"
        qrels[q] = {f"{q}-p": 1}
        documents[f"{q}-p"] = Document(f"{q}-p", f"the answer to {n}", "A title")
        mined.append(Candidate(q, f"{q}-p", (Hit("bm25", 1, 9.5),), "positive"))
        for i, way in enumerate(WAYS):
            doc_id = f"{q}-m{i}"
            documents[doc_id] = Document(doc_id, f"mined {i} of {n} {said[(n + i) % len(said)]}")
            hits = (Hit("bm25", i + 2, 9.0 - i),)
            verdict = way if way in ("too_easy", "false_negative", "ambiguous") else "keep"
            reason = {"too_easy": "within_random", "false_negative": "above_threshold"}.get(way, "near_threshold")
            relevance = {"too_easy": 0.05, "false_negative": 0.95}.get(way, round(0.3 + 0.05 * i, 2))
            mined.append(Candidate(q, doc_id, hits))
            verdicts.append(
                Verdict(
                    q, None, doc_id, "mined", hits, relevance, 0.9, (), verdict, "" if verdict == "keep" else reason
                )
            )
            scores.append(Scored(q, doc_id, "candidate", "judge", relevance))
        scores.append(Scored(q, f"{q}-p", "positive", "judge", 0.9))
        for slot in range(2):
            words = f"written {slot} for {n} {said[(n + slot) % len(said)]}"
            doc_id = f"synthetic-{q}-{slot}"
            generations.append(
                row(q, slot, "ok", reply_of(words, said[n % len(said)][:300]), doc_id=doc_id, text=words)
            )
            hits = (Hit("syneg", slot + 1, None),)
            verdict = "keep" if slot == 0 else "too_easy"
            verdicts.append(
                Verdict(
                    q, f"{q}-p", doc_id, "synthetic", hits, (0.5, 0.05)[slot], 0.9, (), verdict,
                    "within_random" if slot else "",
                )
            )  # fmt: skip
        generations.append(row(q, 2, "truncated", '{"reasoning": "no end <b>'))
        negatives = (f"synthetic-{q}-0", f"{q}-m0", f"{q}-m1")
        examples.append(
            Example(q, f"{q}-p", negatives, ("synthetic:syneg", "mined:bm25", "mined:bm25"), (0.5, 0.3, 0.35))
        )
    collection = Collection(documents, texts, qrels, "digest")
    written = [Document(g.doc_id, g.text) for g in generations if g.text]
    whole = collection.with_documents(written)
    kept = [v for v in verdicts if v.verdict == "keep"]
    stages = {
        "load": ledger.load_entry(collection), "mine": ledger.mine_entry(mined),
        "generate": ledger.generate_entry(generations), "validate": ledger.validate_entry(verdicts),
        "mix": ledger.mix_entry(kept, examples, {}),
    }  # fmt: skip
    ledger.check_balance(stages)
    report = {
        "schema": 1, "name": "made", "seed": 13, "stages": stages, "examples": len(examples),
        "negatives_per_example": 3, "origins": ledger.origins(examples), "restyled_positives": 0,
        "tokens": ledger.tokens_entry(generations, generations),
        "attributes": [
            {
                "strategy": "syneg", "axis": "length", "value": "shorter than", "drafts": 90, "kept": 60,
                "length_ratio": 0.4, "reading_grade": 9.5, "positive_reading_grade": 11.2, "same_language": 1.0,
            }
        ],
        "validation": {
            "agree": "any",
            "rerankers": [
                {
                    "name": "judge", "positives": 30, "mined": 180, "random": 100, "auc_random": 0.98,
                    "auc_mined": 0.8, "bar": {"rule": "relative", "margin": 0.1},
                }
            ],
        },
    }  # fmt: skip
    if audit is not None:
        report["audit"] = audit
    tables = {
        **training_tables(whole, examples, 3),
        **collection_tables(collection, [d for d in written if d.doc_id.endswith("-0")], examples),
        "candidates": candidate_table(mined, verdicts, examples),
        "scores": score_table(scores),
        "generations": generation_table(generations),
    }
    lock = {
        "fingerprint": "ab" * 32, "tool": "syneg-data 0.1.0",
        "inputs": {
            "generation.engine": {"model": "some-model==1.0", "sha256": "cd" * 32},
            "source": {"split": "train", "license": "cc0-1.0", "sha256": "ef" * 32},
        },
        "recipe": {
            "name": "made", "source": {"license": "cc0-1.0"}, "generation": {"terms": "apache-2.0"},
            "publishing": {"license": "cc-by-4.0", "pretty_name": "Made <b>up</b>"},
        },
    }  # fmt: skip
    return {"report": report, "lock": lock, "tables": {config: tables[config] for config in CONFIGS}}


AUDIT = {
    "measures": [
        {
            "name": "source_length_auc", "group": "source shortcut", "value": 0.71, "low": 0.65, "high": 0.77, "n": 90,
            "sentence": "Length alone tells written from mined negatives in seven cases of ten.",
        },
        {
            "name": "query_blind_auc", "group": "query-blind shortcut", "value": 0.81, "low": 0.78, "high": 0.84,
            "n": 120, "sentence": "Without the query, a classifier tells positives <b>from</b> negatives.",
        },
        {
            "name": "near_duplicates", "group": "texts", "value": 4, "low": None, "high": None, "n": 60,
            "sentence": "Four texts are nearly another's.",
        },
        {
            "name": "contamination", "group": "contamination", "value": None, "low": None, "high": None, "n": 0,
            "sentence": "The recipe names no evaluation split.",
        },
    ],
    "gates": [
        {"measure": "query_blind_auc", "min": None, "max": 0.75, "value": 0.81, "holds": False},
        {"measure": "near_duplicates", "min": None, "max": 10, "value": 4, "holds": True},
    ],
    "on_fail": "warn",
    "details": {
        "lengths": {
            "mined": {"edges": [0, 50, 100, 150], "counts": [3, 8, 2]},
            "synthetic": {"edges": [0, 50, 100, 150], "counts": [9, 1, 0]},
            "positive": {"edges": [0, 50, 100, 150], "counts": [2, 7, 4]},
        },
        "hardness": {"mined": {"edges": [0.0, 0.5, 1.0], "counts": [10, 20]}},
    },
}  # fmt: skip


def data_of(page: str) -> dict:
    """The examples that a page holds."""
    return json.loads(page.split('<script type="application/json" id="data">')[1].split("</script>")[0])


def no_rows(table: pa.Table) -> pa.Table:
    """The same columns, empty."""
    return table.slice(0, 0)
