"""A part of SciFact, which ships with the recipes, in the layouts in which data sets lie on the Hub."""

import csv
import functools
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCIFACT = Path(__file__).parents[2] / "recipes" / "data" / "scifact"


def raw(split):
    """Judgements as they ship."""
    return (SCIFACT / "qrels" / f"{split}.tsv").read_bytes()


def judgements(split):
    found = csv.DictReader(io.StringIO(raw(split).decode()), delimiter="\t")
    return [{**row, "score": float(row["score"])} for row in found]


@functools.cache
def rows(name):
    """All queries; of the documents those that are judged, and some others."""
    lines = gzip.decompress((SCIFACT / f"{name}.jsonl.gz").read_bytes()).splitlines()
    judged = {row["corpus-id"] for split in ("train", "test") for row in judgements(split)}
    found = [json.loads(line) for line in lines]
    return [row for i, row in enumerate(found) if name == "queries" or row["_id"] in judged or i % 20 == 0]


def packed(name):
    return gzip.compress(jsonl(rows(name)), 1)


def folder(path):
    """The same as a folder of the BEIR layout."""
    (path / "qrels").mkdir(parents=True)
    for name in ("corpus", "queries"):
        (path / f"{name}.jsonl.gz").write_bytes(packed(name))
    for split in ("train", "test"):
        (path / "qrels" / f"{split}.tsv").write_bytes(raw(split))
    return path


def jsonl(entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def parquet(entries):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(entries), sink)
    return sink.getvalue()


def texts(name):
    """As MTEB has them: queries without a title."""
    return [{key: row[key] for key in ("_id", "title", "text") if key in row} for row in rows(name)]


def beir():
    """Corpus and queries, with the loading script of old; and the repository with the judgements."""
    main = {f"{name}.jsonl.gz": packed(name) for name in ("corpus", "queries")}
    main |= {"README.md": b"---\nlicense: cc-by-sa-4.0\n---\n", "scifact.py": b"raise SystemExit('code was run')\n"}
    return main, {f"{split}.tsv": raw(split) for split in ("train", "test")}


def mteb_jsonl():
    files = {f"{name}.jsonl": jsonl(texts(name)) for name in ("corpus", "queries")}
    return files | {f"qrels/{split}.jsonl": jsonl(judgements(split)) for split in ("train", "test")}


def mteb_parquet(home="data/"):
    corpus, half = texts("corpus"), len(texts("corpus")) // 2
    files = {
        "corpus/corpus-00000-of-00002.parquet": parquet(corpus[:half]),
        "corpus/corpus-00001-of-00002.parquet": parquet(corpus[half:]),
        "queries/queries-00000-of-00001.parquet": parquet(texts("queries")),
    }
    return files | {f"{home}{s}-00000-of-00001.parquet": parquet(judgements(s)) for s in ("train", "test")}


def mteb_converted():
    """As in the branch refs/convert/parquet, which the Hub makes itself."""
    files = {f"{name}/{name}/0000.parquet": parquet(texts(name)) for name in ("corpus", "queries")}
    return files | {f"default/{split}/0000.parquet": parquet(judgements(split)) for split in ("train", "test")}


CARD = """---
configs:
- config_name: default
  data_files:
  - {split: train, path: labels/of-train*}
  - {split: test, path: [labels/of-test.parquet]}
- config_name: corpus
  data_files: [{split: corpus, path: texts/c-*}]
- config_name: queries
  data_files: [{split: queries, path: texts/q.jsonl}]
---
"""


def mteb_by_card():
    """Names that only the card explains."""
    return {
        "README.md": CARD.encode(),
        "corpus/corpus-00000-of-00001.parquet": b"not what the card says",
        "texts/c-0.parquet": parquet(texts("corpus")),
        "texts/c-notes.py": b"raise SystemExit('code was run')\n",
        "texts/q.jsonl": jsonl(texts("queries")),
        "labels/of-train.jsonl": jsonl(judgements("train")),
        "labels/of-test.parquet": parquet(judgements("test")),
    }


def pairs():
    corpus = {row["_id"]: row for row in texts("corpus")}
    queries = {row["_id"]: row["text"] for row in texts("queries")}
    found = [
        {"question": queries[row["query-id"]], "answer": corpus[row["corpus-id"]]["text"], "extra": 1}
        for row in judgements("train")
        if row["score"] > 0
    ]
    half = len(found) // 2
    return {
        "README.md": b"# pairs\n",
        "pair/train-00000-of-00002.parquet": parquet(found[:half]),
        "pair/train-00001-of-00002.parquet": parquet(found[half:]),
        "triplet/train-00000-of-00001.parquet": parquet([{"question": "q", "answer": "a", "negative": "n"}]),
    }
