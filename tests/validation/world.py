"""A collection whose scores are known: a bi-encoder made by hand, for which a cosine is that of word counts.

Every query is one word. A document holds it `a` times and other words `b` times, so its cosine is a / sqrt(a^2 + b^2).
"""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from syneg_data.collection import Collection, Document
from syneg_data.engines.scripted import Reply, honest

_TOPICS = """
    alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo
    sierra tango uniform victor whiskey xray
"""
_OTHERS = "apple banana cherry damson fig grape lemon melon nectarine orange papaya quince raisin sloe"
TOPICS, OTHERS = _TOPICS.split(), _OTHERS.split()
# In a text its vector is not a number, nor is that of the text.
POISON = "poison"

# name -> how often a document holds the query's word, and another one; the cosine stands beside it.
SHAPES = {
    "p": (4, 3),  # 0.8, the positive
    "same": (2, 0),  # 1.0
    "high": (12, 5),  # 0.92308
    "above": (15, 8),  # 0.88235
    "near": (20, 21),  # 0.68966
    "half": (3, 4),  # 0.6
    "low": (5, 12),  # 0.38462
    "faint": (7, 24),  # 0.28
    "off": (0, 6),  # 0.0
}
MINED = ("same", "high", "above", "near", "half", "low", "faint", "off")


def hadamard(size):
    """Rows of +1 and -1, each orthogonal to every other, all but the first with mean 0 and variance 1."""
    rows = [[1.0]]
    while len(rows) < size:
        rows = [row + row for row in rows] + [row + [-x for x in row] for row in rows]
    return rows


def save_words(folder: Path) -> Path:
    """A BERT without layers whose word vectors are orthogonal; what is no word of it has no length at all."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = [*TOPICS, *OTHERS, POISON]
    bert = folder.parent / f"{folder.name}-bert"
    bert.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (bert / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast.from_pretrained(bert).save_pretrained(bert)
    size = {"hidden_size": 64, "num_hidden_layers": 0, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **size))
    vectors = model.embeddings
    with torch.no_grad():
        for part in (vectors.word_embeddings, vectors.position_embeddings, vectors.token_type_embeddings):
            part.weight.zero_()
        for place, row in enumerate(hadamard(64)[1 : len(words) + 1]):
            vectors.word_embeddings.weight[5 + place] = torch.tensor(row)
        vectors.word_embeddings.weight[-1] = float("nan")
    model.save_pretrained(bert, safe_serialization=True)
    SentenceTransformer(modules=[Transformer(str(bert)), Pooling(64)], device="cpu").save(str(folder))
    shutil.rmtree(bert)
    return folder


def save_pairs(folder: Path, seed=1, outputs=1, layers=1, broken=False) -> Path:
    """A cross-encoder with random weights; without a layer it reads nothing, and all its scores are one."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *TOPICS, *OTHERS, POISON]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    torch.manual_seed(seed)
    size = {"hidden_size": 32, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 64}
    size |= {"vocab_size": len(vocabulary), "max_position_embeddings": 96, "initializer_range": 0.2}
    model = BertForSequenceClassification(BertConfig(num_labels=outputs, **size))
    if broken:
        torch.nn.init.constant_(model.classifier.weight, float("nan"))
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def text_of(place: int, shape: str) -> str:
    """The document of one shape for the query at one place."""
    times, rest = SHAPES[shape]
    other = OTHERS[(place + list(SHAPES).index(shape)) % len(OTHERS)]
    return " ".join([TOPICS[place]] * times + [other] * rest)


def write_data(folder: Path, queries=6, fillers=150, positives=("p",), changes=(), grades=()) -> Path:
    """A BEIR folder: `queries` queries with a document of every shape, and documents about none of them.

    Args:
        folder: where to.
        queries: how many.
        fillers: documents of other words.
        positives: the shapes that are judged relevant.
        changes: (doc_id, text) of documents that are other than they would be.
        grades: further judgements, (query_id, doc_id, grade).
    """
    corpus = {f"{q:02}-{shape}": text_of(q, shape) for q in range(queries) for shape in SHAPES}
    for i in range(fillers):
        corpus[f"f{i:03}"] = " ".join([OTHERS[i % 14], OTHERS[i // 14], OTHERS[(i + i // 14) % 14]])
    corpus |= dict(changes)
    judged = [(f"q{q:02}", f"{q:02}-{shape}", 1) for q in range(queries) for shape in positives] + list(grades)
    (folder / "qrels").mkdir(parents=True)
    rows = {
        "corpus": [{"_id": doc_id, "title": "", "text": text} for doc_id, text in corpus.items()],
        "queries": [{"_id": f"q{q:02}", "text": TOPICS[q]} for q in range(queries)],
    }
    for name, lines in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    body = "".join(f"{query_id}\t{doc_id}\t{grade}\n" for query_id, doc_id, grade in judged)
    (folder / "qrels" / "train.tsv").write_text(f"query-id\tcorpus-id\tscore\n{body}")
    return folder


def corpus(queries=1, documents=40, positives=1) -> Collection:
    """Queries q0.. and documents d0..; the positives of q0 are d0.., those of q1 follow. A text is its id."""
    qrels = {f"q{q}": {f"d{q * positives + p}": 1 for p in range(positives)} for q in range(queries)}
    texts = {f"d{i}": Document(f"d{i}", f"d{i}") for i in range(documents)}
    return Collection(texts, {f"q{q}": f"query {q}" for q in range(queries)}, qrels, "digest")


def write_run(path: Path, queries=6, shapes=MINED, more=()) -> Path:
    """A run that finds documents of these shapes, in this order, for every query; `more` are (query_id, doc_id)."""
    found = [(f"q{q:02}", f"{q:02}-{shape}", 99 - rank) for q in range(queries) for rank, shape in enumerate(shapes)]
    found += [(query_id, doc_id, 1) for query_id, doc_id in more]
    path.write_text("".join(f"{query_id} Q0 {doc_id} 0 {score} made\n" for query_id, doc_id, score in found))
    return path


def write_recipe(folder: Path, data: Path, run: Path, reranker: Path, validation=None, **changes) -> Path:
    """A recipe over such a collection; every document is in the sample for the floor, so that it is 0."""
    gate = {
        "rerankers": [{"kind": "bi_encoder", "name": "words", "model": str(reranker), "max_length": 64}],
        "rule": {"kind": "relative", "margin": 0.05, "doubt": 0.1},
        "floor": {"sample": 1000},
    } | (validation or {})
    recipe = {
        "name": "world",
        "seed": 13,
        "source": {"kind": "beir", "path": str(data), "split": "train", "license": "cc-by-4.0"},
        "mining": [{"kind": "run_file", "name": "first", "path": str(run)}],
        "validation": {key: value for key, value in gate.items() if value is not None},
        "mixing": {"kind": "mined_only", "mined": 2},
        "publishing": {"license": "cc-by-4.0"},
    } | changes
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "world.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def rows_of(folder: Path, config: str) -> list[dict]:
    """All rows of one config of a build."""
    return [
        row for path in sorted((folder / config).glob("train-*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def json_of(folder: Path, name: str = "report.json") -> dict:
    """A JSON file of a build."""
    return json.loads((folder / name).read_text())


def files_of(folder: Path) -> dict[str, str]:
    """path -> sha256, as the manifest has them."""
    return {path: entry["sha256"] for path, entry in json_of(folder, "manifest.json")["files"].items()}


def asked_of(body: dict) -> tuple[str, str] | None:
    """Query and document that a request for a verdict is about; None for the canary."""
    lines = body["messages"][-1]["content"].split("\n")
    if len(lines) < 3:
        return None
    return json.loads(lines[1])["query"], json.loads(lines[0])["document"]


class Words:
    """A script for a server that judges as it is told; it remembers what it was asked about.

    `says` maps (query, document) to a verdict, or to the whole text of a reply, or to an act; others are unrelated.
    """

    def __init__(self, says=()):
        self.says = dict(says)
        self.asked = []

    def __call__(self, serial, body):
        pair = asked_of(body)
        if pair is None:
            return honest(body)
        self.asked.append(pair)
        said = self.says.get(pair, "unrelated")
        if said in ("answers", "related", "unrelated"):
            return Reply(json.dumps({"reason": f"It is {said} to {pair[0]}.", "verdict": said}))
        return Reply(said) if isinstance(said, str) else said


def engine_at(server, **changes) -> dict:
    """The entry of an engine that asks a scripted server, and gives up at once."""
    entry = {"kind": "openai", "base_url": server.base_url, "model": "scripted", "revision": "1"}
    return entry | {"retries": 0, "breaker": 1} | changes
