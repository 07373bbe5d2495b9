"""A slice of SciFact, a tiny real encoder with its words, and a recipe without an LLM: a release in seconds."""

import gzip
import json
import re
import shutil

import pytest
import yaml

from syneg_data.engines.honest import honest_value
from syneg_data.engines.scripted import Reply, ScriptedServer
from syneg_data.pipeline import build
from syneg_data.publishing.release import open_release
from syneg_data.recipe import load_recipe


def scifact(root):
    folder = root / "recipes" / "data" / "scifact"
    rows = {}
    for name in ("corpus", "queries"):
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows[name] = {row["_id"]: row for row in map(json.loads, lines)}
    qrels = {}
    for split in ("train", "test"):
        lines = (folder / "qrels" / f"{split}.tsv").read_text().splitlines()[1:]
        qrels[split] = [line.split("\t") for line in lines]
    return rows["corpus"], rows["queries"], qrels


def write_beir(folder, corpus, queries, qrels):
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in corpus.values()))
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries.values()))
    for split, lines in qrels.items():
        body = "".join("\t".join(line) + "\n" for line in lines)
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + body)
    return folder


@pytest.fixture(scope="session")
def slice_of_scifact(root, tmp_path_factory):
    """60 train and 20 test queries of SciFact; the documents of their judgements and a hundred others."""
    corpus, queries, qrels = scifact(root)
    few = {"train": qrels["train"][:66], "test": qrels["test"][:24]}
    judged = [line[1] for lines in few.values() for line in lines]
    ids = dict.fromkeys([*judged, *sorted(corpus)[:100]])
    small = {doc_id: {**corpus[doc_id], "text": " ".join(corpus[doc_id]["text"].split()[:60])} for doc_id in ids}
    asked = {line[0]: queries[line[0]] for lines in few.values() for line in lines}
    return write_beir(tmp_path_factory.mktemp("beir") / "slice", small, asked, few)


def save_encoder(folder, data, seed=1, pooling=True, broken=False):
    """A BERT of one layer with random weights and the commonest words of the data."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    text = (data / "corpus.jsonl").read_text().lower() + (data / "queries.jsonl").read_text().lower()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(re.findall(r"[a-z]+|[0-9]+", text)))]
    bert = folder.parent / f"{folder.name}-bert"
    bert.mkdir()
    (bert / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast.from_pretrained(bert).save_pretrained(bert)
    torch.manual_seed(seed)
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    model = BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=96, initializer_range=0.2, **size))
    if broken:
        torch.nn.init.constant_(model.embeddings.word_embeddings.weight, float("nan"))
    model.save_pretrained(bert, safe_serialization=True)
    if not pooling:
        shutil.copytree(bert, folder)
        return folder
    SentenceTransformer(modules=[Transformer(str(bert)), Pooling(32)], device="cpu").save(str(folder))
    return folder


@pytest.fixture(name="save_encoder", scope="session")
def encoder_writer():
    """save_encoder, for tests that need one that is broken in some way."""
    return save_encoder


@pytest.fixture(scope="session")
def encoder(slice_of_scifact, tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("models") / "tiny", slice_of_scifact)


@pytest.fixture(scope="session")
def other_encoder(slice_of_scifact, tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("models") / "other", slice_of_scifact, seed=2)


@pytest.fixture
def recipe(slice_of_scifact, encoder, other_encoder, tmp_path):
    """Writes a recipe; keyword arguments replace its sections."""

    def write(**changes):
        content = {
            "name": "slice",
            "seed": 13,
            "source": {
                "kind": "beir", "path": str(slice_of_scifact), "split": "train", "dev": 0.2, "license": "cc-by-4.0",
            },
            "mining": [{"kind": "bm25", "depth": 60}],
            "validation": {
                "rerankers": [{"kind": "bi_encoder", "model": str(other_encoder), "max_length": 64}],
                "rule": {"kind": "absolute", "maximum": 0.999},
                "floor": {"sample": 20},
            },
            "mixing": {"kind": "mined_only", "mined": 2},
            "publishing": {"license": "cc-by-4.0"},
            "training": {
                "base": str(encoder), "epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "max_length": 64,
                "checks": 2,
            },
            "comparison": {"learning_rates": [1e-3, 3e-3]},
        }  # fmt: skip
        content |= changes
        path = tmp_path / "slice.yaml"
        path.write_text(yaml.safe_dump({name: part for name, part in content.items() if part is not None}))
        return load_recipe(path)

    return write


def about(queries):
    """A script that writes something with half the words of the query, so that the gate has reason to keep it.

    A restyled positive has all of them, as it has to be relevant.
    """

    def script(serial, body):
        asked = " ".join(message["content"] for message in body["messages"])
        query = next((text for text in queries if text.rstrip(".") in asked), "nothing")
        words = query.split()
        value = honest_value(body)
        if "passage" in value:
            some = " ".join(words[: len(words) // 2 + 1])
            value["passage"] = f"{some} was looked at in {serial} mice {value['passage']}"
            if "You are an editor" in asked:
                value["passage"] = f"It was found that {query} in a study of {serial} patients over nine years."
        return Reply(json.dumps(value))

    return script


@pytest.fixture
def write(recipe, slice_of_scifact, root):
    """Writes a recipe whose drafts come from a scripted server, and whose gate is a real encoder.

    Further strategies are added, and keyword arguments replace sections.
    """
    lines = (slice_of_scifact / "queries.jsonl").read_text().splitlines()
    queries = [json.loads(line)["text"] for line in lines]
    gate = yaml.safe_load((root / "recipes" / "mined.yaml").read_text())["validation"]["rerankers"]
    with ScriptedServer(about(queries)) as server:

        def write(*strategies, **changes):
            syneg = {"kind": "syneg", "per_pair": 3, "attributes": {"length": ["shorter than"]}}
            sections = {
                "generation": {
                    "engine": {"kind": "openai", "base_url": server.base_url, "model": "scripted", "revision": "1"},
                    "strategies": [syneg, *strategies],
                    "reflection": {"kind": "inline"},
                    "sampling": {"attempts": 1},
                    "terms": "apache-2.0",
                },
                "validation": {
                    "rerankers": gate,
                    "rule": {"kind": "absolute", "maximum": 0.7},
                    "floor": {"sample": 20},
                },
                "mixing": {"kind": "hybrid", "synthetic": 1, "mined": 1, "shortage": "drop"},
                "comparison": {"learning_rates": [1e-3], "held_out": 0.3},
            }
            return recipe(**sections | changes)

        yield write


@pytest.fixture
def release(recipe, fresh_cache, tmp_path):
    build(recipe(), tmp_path / "release")
    return open_release(str(tmp_path / "release"))
