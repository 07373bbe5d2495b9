"""A retriever that never was, with every part that its card can have; this module run as a program writes the card."""

from pathlib import Path

from syneg_data.publishing.model_card import render_model_card

GOLDEN = Path(__file__).with_name("model_card.golden.txt")  # .txt, because the formatter would change the code in a .md
METRICS = ("nDCG@10", "MRR@10", "Recall@10", "Recall@100", "MAP@100")


def metrics(*values):
    return dict(zip(METRICS, values, strict=True))


def gain(mean, low, high, queries):
    entry = {"mean": mean, "low": low, "high": high, "level": 0.95, "queries": queries, "seeds": 1, "covers": "queries"}
    return dict.fromkeys(METRICS, entry)


FACTS = {
    "schema": 1,
    "tool": "syneg-data 0.1.0",
    "fingerprint": "12" * 32,
    "base": "someone/small-encoder@" + "c" * 40,
    "base_sha256": "ab" * 32,
    "base_license": "apache-2.0",
    "base_model": {"id": "someone/small-encoder", "revision": "c" * 40},
    "model_sha256": "ac" * 32,
    "dataset": "someone/small@" + "d" * 40,
    "dataset_sha256": "ad" * 32,
    "data": {
        "title": "A small set",
        "language": ["en", "de"],
        "license": "other",
        "license_name": "llama3.1-and-cc-by-4.0",
        "license_link": "https://example.org/LICENSE.txt",
        "source_license": "cc-by-4.0",
        "terms": "llama3.1",
        "repo": {"id": "someone/small", "tag": "v1.0.0", "commit": "d" * 40},
    },
    "license": {
        "id": "other", "name": "llama3.1-community", "link": "https://example.org/llama.txt", "chosen": True,
    },
    "seed": 13,
    "settings": {
        "objective": {"kind": "ranking", "temperature": 0.05, "in_batch": True},
        "epochs": 3, "batch_size": 32, "learning_rate": 5e-05, "warmup": 0.1, "max_length": 192,
        "query_prompt": "query: ", "document_prompt": "", "duplicates": "apart", "checks": 3, "patience": None,
        "dev_depth": 20, "precision": "float32",
    },
    "examples": 1041,
    "negatives": 3,
    "synthetic": {"negatives": 1041, "of": 3123},
    "devices": 1,
    "device": "cuda",
    "steps": 99,
    "best_step": 66,
    "seconds": 123.4,
    "versions": {"torch": "2.13.0", "sentence-transformers": "6.2.0", "transformers": "5.23.0"},
    "before": {"dev": metrics(0.5, 0.51, 0.6, 0.8, 0.45), "test": metrics(0.6123, 0.61, 0.7, 0.9, 0.55)},
    "after": {"dev": metrics(0.55, 0.56, 0.65, 0.85, 0.5), "test": metrics(0.6345, 0.63, 0.72, 0.92, 0.57)},
    "gain": {"dev": gain(0.05, 0.01, 0.09, 80), "test": gain(0.0222, 0.0101, 0.0343, 300)},
    "unseen": {
        "dev": {
            "queries": 80, "of": 80, "before": metrics(0.5, 0.51, 0.6, 0.8, 0.45),
            "after": metrics(0.55, 0.56, 0.65, 0.85, 0.5), "gain": gain(0.05, 0.01, 0.09, 80),
        },
        "test": {
            "queries": 212, "of": 300, "before": metrics(0.58, 0.57, 0.68, 0.88, 0.52),
            "after": metrics(0.579, 0.57, 0.68, 0.88, 0.52), "gain": gain(-0.001, -0.012, 0.01, 212),
        },
    },
    "baselines": {
        "bm25": {
            "settings": {"k1": 1.5, "b": 0.75, "stopwords": "english"},
            "metrics": {"dev": metrics(0.56, 0.55, 0.66, 0.8, 0.5), "test": metrics(0.65, 0.64, 0.73, 0.9, 0.6)},
            "gain": {"dev": gain(-0.01, -0.05, 0.03, 80), "test": gain(-0.0155, -0.031, -0.0005, 300)},
            "unseen": {
                "dev": {"metrics": metrics(0.56, 0.55, 0.66, 0.8, 0.5), "gain": gain(-0.01, -0.05, 0.03, 80)},
                "test": {"metrics": metrics(0.64, 0.63, 0.72, 0.89, 0.59), "gain": gain(-0.06, -0.09, -0.03, 212)},
            },
        },
    },
}  # fmt: skip


def model_card(**changes):
    """The card of that retriever, or of one that differs from it."""
    return render_model_card({**FACTS, **changes})


def data(**changes):
    """What is said of its data set, or of one that differs from it."""
    return {**FACTS["data"], **changes}


PLAIN = {
    "synthetic": {"negatives": 0, "of": 3123},
    "base": "tiny",
    "base_model": None,
    "dataset": "small",
    "data": data(license="cc-by-4.0", license_name=None, license_link=None, terms=None, repo=None),
    "license": {"id": "apache-2.0", "name": None, "link": None, "chosen": False},
}


if __name__ == "__main__":
    GOLDEN.write_text(model_card(), encoding="utf-8")
