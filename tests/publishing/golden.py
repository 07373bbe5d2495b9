"""A build that never was, with every part that a card can have; `python -m tests.publishing.golden` writes its card."""

from pathlib import Path

from syneg_data.publishing.card import render_card
from syneg_data.publishing.models import Credit

GOLDEN = Path(__file__).with_name("card.golden.txt")  # .txt, because the formatter would change the code in a .md

REPORT = {
    "schema": 1,
    "name": "small",
    "seed": 13,
    "examples": 1041,
    "negatives_per_example": 3,
    "restyled_positives": 17,
    "relabelled": {"positives": 9, "used": 6},
    "stages": {
        "load": {"unit": "pair", "in": 1500, "kept": 1480, "rejected": {"no_text": 20}, "failed": {}},
        "mine": {"unit": "candidate", "in": 29600, "kept": 28000, "rejected": {"positive": 1600}, "failed": {}},
        "generate": {
            "unit": "draft", "in": 2960, "kept": 2400, "rejected": {"copied": 310}, "failed": {"truncated": 250},
        },
        "restyle": {
            "unit": "draft", "in": 300, "kept": 280, "rejected": {"degenerate": 20}, "failed": {},
            "relevance": {
                "unit": "candidate", "in": 280, "kept": 240, "rejected": {"too_easy": 40}, "failed": {},
            },
        },
        "validate": {
            "unit": "candidate", "in": 30400, "kept": 15400, "failed": {},
            "rejected": {"ambiguous": 700, "false_negative": 2300, "too_easy": 12000},
        },
        "mix": {
            "unit": "candidate", "in": 15400, "kept": 3123, "rejected": {"not_selected": 12277}, "failed": {},
            "pairs": {"unit": "pair", "in": 1489, "kept": 1041, "rejected": {"too_few_synthetic": 448}, "failed": {}},
        },
    },
    "tokens": {"in": 1234567, "out": 456789, "cached": 0, "wasted": {"copied": 30000, "truncated": 3333}},
    "origins": [
        {"source": "mined:bm25", "count": 1641, "mean": 0.2125},
        {"source": "mined:bm25+dense", "count": 441, "mean": 0.4001},
        {"source": "mined:dense:backfill", "count": 41, "mean": 0.1999},
        {"source": "synthetic:graded:grade_1", "count": 200, "mean": 0.5},
        {"source": "synthetic:syneg", "count": 800, "mean": 0.4321},
    ],
    "mixing": {
        "kind": "hybrid", "negatives_per_example": {"3": 1041}, "sources": {}, "backfilled": 41,
        "synthetic_per_mined": 0.471, "documents": 3001, "most_often": 4, "capped": 12,
    },
    "validation": {
        "agree": "any",
        "rerankers": [
            {
                "name": "crossed", "positives": 1480, "mined": 28000, "random": 500, "auc_random": 0.9912,
                "auc_mined": 0.8765,
                "bar": {"rule": "calibrated", "maximum": 0.5, "slope": 10.968, "intercept": -5.36331},
            },
            {
                "name": "llm", "positives": 48, "mined": 0, "random": 100, "auc_random": 0.95, "auc_mined": None,
                "bar": {"rule": "absolute", "maximum": 0.5},
            },
        ],
    },
    "review": {
        "by": "second",
        "kept": {"of": 15400, "judged": 100, "relevant": 7, "rate": 0.07, "low": 0.0343, "high": 0.1375},
        "sources": {
            "mined:bm25": {"of": 15000, "judged": 98, "relevant": 7, "rate": 0.0714, "low": 0.035, "high": 0.1401},
            "synthetic:syneg": {"of": 2, "judged": 0, "relevant": 0, "rate": None, "low": None, "high": None},
        },
        "refused": {"of": 2300, "judged": 100, "relevant": 81, "rate": 0.81, "low": 0.7222, "high": 0.8749},
        "kappa": 0.8123,
        "without_score": 0,
        "auc_random": 0.9871,
        "auc_mined": 0.8532,
    },
    "critic": {
        "cases": 40, "without_opinion": 1, "accuracy": 0.8, "balanced_accuracy": 0.8125, "balanced_on_topic": 0.9,
        "minimum": 0.6, "passed": True, "passed_on_topic": True,
        "by_kind": {
            "positive": {"cases": 10, "truth": "yes", "right": 9},
            "near_miss": {"cases": 30, "truth": "no", "right": 23},
        },
    },
    "attributes": [
        {
            "strategy": "syneg", "axis": "(all)", "value": "", "drafts": 2960, "kept": 2400, "length_ratio": 0.512,
            "reading_grade": 14.157, "positive_reading_grade": 17.57, "same_language": 0.9876,
        },
        {
            "strategy": "syneg", "axis": "length", "value": "much shorter than", "drafts": 10, "kept": 0,
            "length_ratio": None, "reading_grade": None, "positive_reading_grade": None, "same_language": None,
        },
    ],
    "audit": {
        "measures": [
            {
                "name": "source_length_auc", "group": "source shortcut", "value": 0.7312, "low": 0.701, "high": 0.7619,
                "n": 3123, "sentence": "Length alone tells a written negative from a mined one in 73 of 100 cases.",
            },
            {
                "name": "query_blind_auc", "group": "query-blind shortcut", "value": 0.81, "low": 0.79, "high": 0.83,
                "n": 4164, "sentence": "Without seeing the query, a simple model tells positives from negatives.",
            },
            {
                "name": "near_duplicates", "group": "texts", "value": 1204, "low": None, "high": None, "n": 3123,
                "sentence": "Negatives that are nearly another one's text.",
            },
            {
                "name": "contaminated_test", "group": "contamination", "value": None, "low": None, "high": None,
                "n": 0, "sentence": "Not measured: the recipe names nothing to compare with.",
            },
        ],
        "gates": [
            {"measure": "query_blind_auc", "min": None, "max": 0.75, "value": 0.81, "holds": False},
            {"measure": "source_length_auc", "min": 0.4, "max": 0.8, "value": 0.7312, "holds": True},
        ],
        "on_fail": "warn",
        "details": {},
    },
    "exports": [
        {
            "kind": "tevatron", "path": "exports/tevatron", "files": ["exports/tevatron/train.jsonl"], "rows": 1041,
            "what": "query, positive and negative passages with ids, as Tevatron trains on them",
            "load": 'from datasets import load_dataset\n\nload_dataset("json", data_files="FOLDER/exports/tevatron/*")',
        },
    ],
}  # fmt: skip
ROWS = {
    "triplet": {"train": 3123},
    "n-tuple": {"train": 1041},
    "ids": {"train": 1041},
    "corpus": {"train": 6224},
    "queries": {"train": 1480, "dev": 80, "test": 300},
    "qrels": {"train": 1509, "dev": 91, "test": 339},
    "candidates": {"train": 32280},
    "scores": {"train": 64000},
    "generations": {"train": 3260},
}
PROSE = {"what": "What it is.", "limits": "Its limits.", "license": "Mind the licence.", "citation": "- Cite it."}
MODELS = (
    Credit("wrote the synthetic texts", "someone/writer@0123456", "ab" * 32, "llama3.1", True),
    Credit("mined candidates (dense)", "dense==1.0:dense/model", "cd" * 32, "apache-2.0", False),
    Credit("judged candidates (crossed)", "minilm-l3-cross-encoder", "ef" * 32, None, False),
    Credit("second opinion (llm)", "big, as served: 2026-01-01", None, None, False),
)
PUBLISHING = {
    "license": "other",
    "license_name": "llama3.1-and-cc-by-4.0",
    "license_link": "https://example.org/LICENSE.txt",
    "pretty_name": "A small set",
    "language": ("en", "de"),
    "source_datasets": ("BeIR/scifact",),
    "retriever": "someone/small-retriever",
}


def card(**changes):
    """The card of that build, or of one that differs from it."""
    return render_card(
        **{
            "report": REPORT,
            "prose": PROSE,
            "publishing": PUBLISHING,
            "source_license": "cc-by-4.0",
            "terms": "llama3.1",
            "split": "train",
            "rows": ROWS,
            "features": [{"config_name": "triplet", "features": [{"name": "query", "dtype": "string"}]}],
            "models": MODELS,
            "recipe_name": "small.yaml",
            "fingerprint": "12" * 32,
            **changes,
        }
    )


if __name__ == "__main__":
    GOLDEN.write_text(card(), encoding="utf-8")
