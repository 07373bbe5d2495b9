"""Every format: its very content, hostile texts, uneven sets, equal bytes, and the consumer that reads it."""

import hashlib
import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from syneg_data.errors import InputError
from syneg_data.export.formats import Format, write_exports
from syneg_data.records import Example
from syneg_data.spec import members
from tests.encoders.models import save_bi_encoder, save_cross_encoder
from tests.export.worlds import HOSTILE, PLAIN, hostile, many, ragged

KINDS = [spec.model_fields["kind"].annotation.__args__[0] for spec in members(Format)]
TRAINING = [kind for kind in KINDS if kind not in ("beir", "mteb")]


def of(kind, **fields) -> Format:
    return TypeAdapter(Format).validate_python({"kind": kind, **fields})


def rows(path):
    return pq.read_table(path).to_pylist()


def records(path):
    """Lines as the strictest and the loosest reader split them."""
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")
    assert lines == text.splitlines()
    return [json.loads(line) for line in lines]


PART = "-00000-of-00001.parquet"


# What is in the files, literally


def test_triplets(tmp_path):
    assert of("sentence_transformers_triplet").write(tmp_path, PLAIN) == {f"train{PART}": 4}
    table = pq.read_table(tmp_path / f"train{PART}")
    assert table.column_names == ["anchor", "positive", "negative"]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("second?", "two", "synthetic two"),
        ("second?", "two", "mined two"),
        ("first?", "First one", "synthetic one"),
        ("first?", "First one", "M mined one"),
    ]


def test_tuples(tmp_path):
    assert of("sentence_transformers_n_tuple").write(tmp_path, PLAIN) == {f"train{PART}": 2}
    assert rows(tmp_path / f"train{PART}") == [
        {"anchor": "second?", "positive": "two", "negative_1": "synthetic two", "negative_2": "mined two"},
        {"anchor": "first?", "positive": "First one", "negative_1": "synthetic one", "negative_2": "M mined one"},
    ]


def test_labelled_lists(tmp_path):
    assert of("sentence_transformers_labeled_list").write(tmp_path / "a", PLAIN) == {f"train{PART}": 2}
    assert rows(tmp_path / "a" / f"train{PART}") == [
        {"query": "second?", "documents": ["two", "synthetic two", "mined two"], "scores": [0.9, 0.5, 0.25]},
        {"query": "first?", "documents": ["First one", "synthetic one", "M mined one"], "scores": [0.875, 0.75, -0.5]},
    ]
    of("sentence_transformers_labeled_list", labels="binary").write(tmp_path / "b", PLAIN)
    found = rows(tmp_path / "b" / f"train{PART}")
    assert [list(row) for row in found] == [["query", "documents", "labels"]] * 2, "a second label would be an input"
    assert [row["labels"] for row in found] == [[1, 0, 0], [1, 0, 0]]


def test_a_positive_without_a_score_cannot_be_distilled_from(tmp_path):
    unknown = replace(PLAIN, positive_scores={("q2", "p2"): 0.9})
    with pytest.raises(InputError, match=r"nothing scored the positive 'p1' of query 'q1'; .* or set labels: binary"):
        of("sentence_transformers_labeled_list").write(tmp_path / "a", unknown)
    of("sentence_transformers_labeled_list", labels="binary").write(tmp_path / "b", unknown)
    of("flag_embedding").write(tmp_path, unknown)
    assert [line["pos_scores"] for line in records(tmp_path / "train.jsonl")] == [[0.9], [None]]
    of("sentence_transformers_ids").write(tmp_path / "c", unknown)
    assert rows(tmp_path / "c" / "train" / f"train{PART}")[1]["scores"] == [None, 0.75, -0.5]


def test_ids(tmp_path):
    written = of("sentence_transformers_ids").write(tmp_path, PLAIN)
    assert written == {f"train/train{PART}": 2, f"queries/train{PART}": 2, f"documents/train{PART}": 6}
    assert rows(tmp_path / "train" / f"train{PART}") == [
        {"query_id": "q2", "document_ids": ["p2", "s2", "m2"], "scores": [0.9, 0.5, 0.25]},
        {"query_id": "q1", "document_ids": ["p1", "s1", "m1"], "scores": [0.875, 0.75, -0.5]},
    ]
    assert rows(tmp_path / "queries" / f"train{PART}") == [
        {"query_id": "q2", "text": "second?"}, {"query_id": "q1", "text": "first?"},
    ]  # fmt: skip
    assert rows(tmp_path / "documents" / f"train{PART}")[2:5] == [
        {"document_id": "m1", "text": "M mined one"},
        {"document_id": "m2", "text": "mined two"},
        {"document_id": "s1", "text": "synthetic one"},
    ]


def test_ids_bring_only_the_texts_that_examples_name(tmp_path):
    written = of("sentence_transformers_ids").write(tmp_path, replace(PLAIN, examples=PLAIN.examples[:1]))
    assert written == {f"train/train{PART}": 1, f"queries/train{PART}": 1, f"documents/train{PART}": 3}
    assert [row["document_id"] for row in rows(tmp_path / "documents" / f"train{PART}")] == ["p2", "m2", "s2"]


def test_flag_embedding(tmp_path):
    assert of("flag_embedding").write(tmp_path, PLAIN) == {"train.jsonl": 2}
    assert (tmp_path / "train.jsonl").read_text() == (
        '{"query": "second?", "pos": ["two"], "neg": ["synthetic two", "mined two"], '
        '"pos_scores": [0.9], "neg_scores": [0.5, 0.25]}\n'
        '{"query": "first?", "pos": ["First one"], "neg": ["synthetic one", "M mined one"], '
        '"pos_scores": [0.875], "neg_scores": [0.75, -0.5]}\n'
    )


def test_tevatron(tmp_path):
    assert of("tevatron").write(tmp_path, PLAIN) == {"train.jsonl": 2}
    assert records(tmp_path / "train.jsonl")[1] == {
        "query_id": "q1",
        "query": "first?",
        "positive_passages": [{"docid": "p1", "title": "First", "text": "one"}],
        "negative_passages": [
            {"docid": "s1", "title": "", "text": "synthetic one"},
            {"docid": "m1", "title": "M", "text": "mined one"},
        ],
    }


def test_beir(tmp_path):
    written = of("beir").write(tmp_path, PLAIN)
    assert written == {"corpus.jsonl": 4, "queries.jsonl": 3, "qrels/train.tsv": 3, "qrels/test.tsv": 2}
    assert (tmp_path / "corpus.jsonl").read_text().splitlines()[0] == '{"_id": "p1", "title": "First", "text": "one"}'
    assert [line["_id"] for line in records(tmp_path / "corpus.jsonl")] == ["p1", "p2", "m1", "m2"], "none synthetic"
    assert (tmp_path / "queries.jsonl").read_text() == (
        '{"_id": "q2", "text": "second?"}\n{"_id": "q1", "text": "first?"}\n{"_id": "q9", "text": "ninth?"}\n'
    )
    assert (tmp_path / "qrels" / "train.tsv").read_text() == (
        "query-id\tcorpus-id\tscore\nq2\tp2\t1\nq1\tm2\t0\nq1\tp1\t2\n"
    )
    assert (tmp_path / "qrels" / "test.tsv").read_text() == "query-id\tcorpus-id\tscore\nq9\tm1\t1\nq9\tm2\t1\n"


def test_mteb(tmp_path):
    written = of("mteb").write(tmp_path, PLAIN)
    assert written == {
        f"corpus/corpus{PART}": 4, f"queries/queries{PART}": 3, f"qrels/train{PART}": 3, f"qrels/test{PART}": 2,
    }  # fmt: skip
    assert rows(tmp_path / "corpus" / f"corpus{PART}")[0] == {"_id": "p1", "title": "First", "text": "one"}
    assert rows(tmp_path / "queries" / f"queries{PART}")[2] == {"_id": "q9", "text": "ninth?"}
    assert rows(tmp_path / "qrels" / f"train{PART}")[1] == {"query-id": "q1", "corpus-id": "m2", "score": 0}


def test_a_query_is_one_text_in_all_splits(tmp_path):
    other = replace(PLAIN.held_out["test"], queries={"q1": "another"}, qrels={"q1": {"m1": 1}})
    for kind in ("beir", "mteb"):
        with pytest.raises(InputError, match="query 'q1' of split 'test' has another text elsewhere"):
            of(kind).write(tmp_path / kind, replace(PLAIN, held_out={"test": other}))
        with pytest.raises(InputError, match="split 'train' is trained on and held out"):
            of(kind).write(tmp_path / kind, replace(PLAIN, held_out={"train": other}))


# All of them


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_set_gives_the_same_bytes(tmp_path, kind):
    digests = []
    for name in ("a", "b"):
        of(kind).write(tmp_path / name, hostile())
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append([(p.relative_to(tmp_path / name), hashlib.sha256(p.read_bytes()).digest()) for p in files])
    assert digests[0] == digests[1] and digests[0]


@pytest.mark.parametrize("kind", TRAINING)
def test_uneven_sets_are_written_where_the_format_allows_them(tmp_path, kind):
    format = of(kind)
    if not format.uneven:
        with pytest.raises(InputError, match=r"query 'q1' has 1 negatives and another example 2; .* another format"):
            format.write(tmp_path, ragged())
        assert list(tmp_path.iterdir()) == [], "nothing half-written"
        return
    format.write(tmp_path, ragged())
    found = {
        "sentence_transformers_triplet": lambda: [r["negative"] for r in rows(tmp_path / f"train{PART}")],
        "sentence_transformers_labeled_list": lambda: [len(r["documents"]) for r in rows(tmp_path / f"train{PART}")],
        "sentence_transformers_ids": lambda: [len(r["scores"]) for r in rows(tmp_path / "train" / f"train{PART}")],
        "flag_embedding": lambda: [r["neg_scores"] for r in records(tmp_path / "train.jsonl")],
        "tevatron": lambda: [len(r["negative_passages"]) for r in records(tmp_path / "train.jsonl")],
    }[kind]()
    assert (
        found
        == {
            "sentence_transformers_triplet": ["synthetic two", "mined two", "synthetic one"],
            "sentence_transformers_labeled_list": [3, 2],
            "sentence_transformers_ids": [3, 2],
            "flag_embedding": [[0.5, 0.25], [0.75]],
            "tevatron": [2, 1],
        }[kind]
    )


def joined(finished):
    """The examples as texts, put together by hand."""
    documents = finished.collection.documents
    text = {doc_id: f"{d.title} {d.text}".strip() for doc_id, d in documents.items()}
    return [
        (finished.collection.queries[e.query_id], text[e.positive_id], [text[doc_id] for doc_id in e.negative_ids])
        for e in finished.examples
    ]


def test_hostile_texts_come_back_from_parquet(tmp_path):
    world = hostile()
    of("sentence_transformers_n_tuple").write(tmp_path / "n", world)
    found = rows(tmp_path / "n" / f"train{PART}")
    assert [(r["anchor"], r["positive"], [r["negative_1"], r["negative_2"]]) for r in found] == joined(world)
    of("sentence_transformers_labeled_list").write(tmp_path / "l", world)
    found = rows(tmp_path / "l" / f"train{PART}")
    assert [(r["query"], r["documents"][0], r["documents"][1:]) for r in found] == joined(world)
    assert found[0]["scores"] == [0.30000000000000004, 1e-05, -0.3333333333333333]


def test_hostile_texts_come_back_from_json_lines(tmp_path):
    world = hostile()
    of("flag_embedding").write(tmp_path / "f", world)
    found = records(tmp_path / "f" / "train.jsonl")
    assert [(r["query"], *r["pos"], r["neg"]) for r in found] == joined(world)
    assert found[0]["neg_scores"] == [1e-05, -0.3333333333333333]
    of("tevatron").write(tmp_path / "t", world)
    found = records(tmp_path / "t" / "train.jsonl")
    passages = [p for r in found for p in r["positive_passages"]]
    assert [(p["text"], p["title"]) for p in passages] == list(zip(HOSTILE, reversed(HOSTILE), strict=True))
    of("beir").write(tmp_path / "b", world)
    assert [r["text"] for r in records(tmp_path / "b" / "corpus.jsonl")] == HOSTILE
    assert [r["text"] for r in records(tmp_path / "b" / "queries.jsonl")] == HOSTILE


def test_ids_that_readers_of_csv_would_take_apart(tmp_path):
    import csv

    names = ['"quoted"', '"', 'in "the" middle', "comma, and ; such", "'apostrophe'", "café", "#"]
    documents = {name: replace(PLAIN.collection.documents["p1"], doc_id=name) for name in names}
    collection = replace(PLAIN.collection, documents=documents, queries=dict.fromkeys(names, "x"))
    collection = replace(collection, qrels={name: {name: 1} for name in names})
    of("beir").write(tmp_path, replace(PLAIN, collection=collection, examples=[], held_out={}))
    with (tmp_path / "qrels" / "train.tsv").open(newline="") as handle:
        found = list(csv.reader(handle, delimiter="\t"))
    assert found == [["query-id", "corpus-id", "score"], *([name, name, "1"] for name in names)]


def test_a_number_that_json_does_not_have_is_an_error(tmp_path):
    example = Example("q1", "p1", ("m1",), ("mined:bm25",), (float("nan"),))
    with pytest.raises(ValueError, match="JSON"):
        of("flag_embedding").write(tmp_path, replace(PLAIN, examples=[example]))
    assert list(tmp_path.iterdir()) == []


def test_a_format_says_what_it_is_in_one_line(tmp_path):
    for kind in KINDS:
        format = of(kind)
        assert "\n" not in format.what and 40 < len(format.what) < 250
        for even in (True, False):
            compile(format.load("FOLDER/exports", "train", even), kind, "exec")


# The consumers


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """A cache of `datasets` for this test alone."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)


def export(folder, finished, *kinds, even=True):
    """What the report says of each export, after its lines have been run."""
    entries, _ = write_exports(folder, [of(kind) for kind in kinds], finished, even=even)
    loaded = []
    for entry in entries:
        names = {}
        exec(entry["load"].replace("FOLDER", str(folder)), names)
        loaded.append(names)
    return loaded


def test_datasets_reads_hostile_texts_from_every_training_format(tmp_path, offline):
    world = hostile()
    triplet, n_tuple, labelled, ids, tevatron = (
        names["train"] for names in export(tmp_path, world, *(kind for kind in TRAINING if kind != "flag_embedding"))
    )
    expected = joined(world)
    assert [(r["anchor"], r["positive"], r["negative"]) for r in triplet] == [
        (query, positive, negative) for query, positive, negatives in expected for negative in negatives
    ]
    assert [(r["anchor"], r["positive"], [r["negative_1"], r["negative_2"]]) for r in n_tuple] == expected
    assert [(r["query"], r["documents"][0], r["documents"][1:]) for r in labelled] == expected
    assert ids[0].keys() == {"query", "document_1", "document_2", "document_3", "scores"}
    assert [(r["query"], r["document_1"], [r["document_2"], r["document_3"]]) for r in ids] == expected
    assert [r["query"] for r in tevatron] == HOSTILE
    assert [r["positive_passages"][0]["title"] for r in tevatron] == HOSTILE[::-1]


def test_resolve_ids_gives_lists_where_the_set_is_uneven(tmp_path, offline):
    (names,) = export(tmp_path, ragged(), "sentence_transformers_ids", even=False)
    assert list(names["train"]) == [
        {"query": "second?", "documents": ["two", "synthetic two", "mined two"], "scores": [0.9, 0.5, 0.25]},
        {"query": "first?", "documents": ["First one", "synthetic one"], "scores": [0.875, 0.75]},
    ]


def fruit():
    """PLAIN's examples in words that the tiny models know."""
    words = ["apple", "banana", "cherry", "grape", "lemon", "melon"]
    documents = PLAIN.collection.documents.values()
    known = {d.doc_id: replace(d, text=word, title="") for d, word in zip(documents, words, strict=True)}
    return replace(PLAIN, collection=replace(PLAIN.collection, documents=known))


def test_a_sentence_transformer_is_trained_on_what_is_loaded(tmp_path, offline):
    """Every format for bi-encoders, with losses that it is for: a step each, and the columns that they were given."""
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import (
        DistillKLDivLoss,
        MarginMSELoss,
        MultipleNegativesRankingLoss,
    )

    model = SentenceTransformer(str(save_bi_encoder(tmp_path / "model", 1)), device="cpu")
    kinds = ["sentence_transformers_triplet", "sentence_transformers_n_tuple", "sentence_transformers_ids"]
    triplet, n_tuple, ids = (names["train"] for names in export(tmp_path, fruit(), *kinds))
    for train, loss, columns in [
        (triplet, MultipleNegativesRankingLoss(model), 3),
        (n_tuple, MultipleNegativesRankingLoss(model), 4),
        (ids, DistillKLDivLoss(model), 4),
        (ids, MarginMSELoss(model), 4),
    ]:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=2, report_to=[],
            save_strategy="no", logging_strategy="no", use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(model=model, args=arguments, train_dataset=train, loss=loss)
        batch = next(iter(trainer.get_train_dataloader()))
        features, labels = trainer.collect_features(batch)
        assert len(features) == columns
        assert (labels is None) == (train is not ids)
        assert trainer.train().global_step == 1


@pytest.mark.parametrize("labels", ["scores", "binary"])
def test_a_cross_encoder_is_trained_on_lists(tmp_path, offline, labels):
    from datasets import load_dataset
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.losses import ListNetLoss

    entries, _ = write_exports(
        tmp_path, [of("sentence_transformers_labeled_list", labels=labels)],
        replace(fruit(), examples=ragged().examples), even=False,
    )  # fmt: skip
    names = {"load_dataset": load_dataset}
    exec(entries[0]["load"].replace("FOLDER", str(tmp_path)), names)
    model = CrossEncoder(str(save_cross_encoder(tmp_path / "model", 1)), device="cpu")
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=2, report_to=[], save_strategy="no",
        logging_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = CrossEncoderTrainer(model=model, args=arguments, train_dataset=names["train"], loss=ListNetLoss(model))
    assert trainer.train().global_step == 1


def test_flag_embedding_reads_its_lines(tmp_path, offline):
    pytest.importorskip("FlagEmbedding", reason="FlagEmbedding is no dependency; read by hand with 1.4.2")
    world = hostile()
    (names,) = export(tmp_path, world, "flag_embedding")
    train, expected = names["train"], joined(world)
    train.args.train_group_size = 3
    for i, (query, positive, negatives) in enumerate(expected):
        found, passages, _ = train[i]
        assert (found, passages[0], sorted(passages[1:])) == (query, positive, sorted(negatives))


def test_the_json_lines_are_read_as_flag_embedding_reads_them(tmp_path, offline):
    """Its data set is `load_dataset("json")` of the file, of which it takes query, pos, neg and both scores."""
    from datasets import load_dataset

    world = hostile()
    of("flag_embedding").write(tmp_path, world)
    train = load_dataset("json", data_files=str(tmp_path / "train.jsonl"), split="train")
    assert [(r["query"], r["pos"][0], r["neg"]) for r in train] == joined(world)
    assert train[0]["pos_scores"] == [0.30000000000000004]


def test_beirs_loader_reads_its_folder(tmp_path):
    pytest.importorskip("beir", reason="beir is no dependency; read by hand with 2.2.0")
    world = hostile()
    (names,) = export(tmp_path, world, "beir")
    assert names["corpus"] == {
        d.doc_id: {"text": d.text, "title": d.title} for d in world.collection.documents.values()
    }
    assert (names["queries"], names["qrels"]) == (world.collection.queries, world.collection.qrels)


def test_our_own_source_reads_the_beir_layout(tmp_path):
    from syneg_data.sources import Beir

    world = hostile()
    of("beir").write(tmp_path, world)
    back = Beir(kind="beir", path=str(tmp_path), split="train", license="mit").load(13)
    assert dict(back.documents) == world.collection.documents
    assert (dict(back.queries), back.qrels) == (world.collection.queries, world.collection.qrels)


def test_mtebs_loader_reads_its_folder(tmp_path, offline):
    pytest.importorskip("mteb", reason="mteb is no dependency; read by hand with 2.26.24")
    world = hostile()
    (names,) = export(tmp_path, world, "mteb")
    data = names["data"]
    assert [(r["id"], r["title"], r["text"]) for r in data["corpus"]] == [
        (d.doc_id, d.title, d.text) for d in world.collection.documents.values()
    ]
    assert {r["id"]: r["text"] for r in data["queries"]} == world.collection.queries
    assert data["relevant_docs"] == world.collection.qrels


def test_the_mteb_folder_is_a_data_set_with_three_configs(tmp_path, offline):
    from datasets import get_dataset_config_names, get_dataset_split_names, load_dataset

    of("mteb").write(tmp_path / "set", PLAIN)
    folder = str(tmp_path / "set")
    assert get_dataset_config_names(folder) == ["default", "corpus", "queries"]
    assert get_dataset_split_names(folder, "default") == ["train", "test"]
    assert load_dataset(folder, split="test").to_list() == [
        {"query-id": "q9", "corpus-id": "m1", "score": 1}, {"query-id": "q9", "corpus-id": "m2", "score": 1},
    ]  # fmt: skip
    assert len(load_dataset(folder, "corpus", split="corpus")) == 4


def test_the_report_counts_what_a_trainer_reads(tmp_path):
    entries, written = write_exports(tmp_path, [of(kind) for kind in KINDS], PLAIN, even=True)
    assert [(entry["kind"], entry["rows"]) for entry in entries] == [
        ("sentence_transformers_triplet", 4),
        ("sentence_transformers_n_tuple", 2),
        ("sentence_transformers_labeled_list", 2),
        ("sentence_transformers_ids", 2),
        ("flag_embedding", 2),
        ("tevatron", 2),
        ("beir", 5),
        ("mteb", 5),
    ]
    assert entries[3]["files"] == [f"exports/sentence_transformers_ids/{t}/train{PART}" for t in (
        "documents", "queries", "train")]  # fmt: skip
    assert entries[7]["path"] == "exports/mteb" and entries[7]["files"][0] == "exports/mteb/README.md"
    there = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert there == {name for entry in entries for name in entry["files"]}
    assert set(written) == there - {"exports/mteb/README.md"}
    assert written[f"exports/sentence_transformers_ids/documents/train{PART}"] == 6


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec((root / "docs" / "exports.md").read_text().split("```python\n")[-1].split("```")[0], names)
    assert names["written"] == {"train.jsonl": 1}
    assert (tmp_path / "exported" / "train.jsonl").read_text() == (
        '{"query": "what is a quince?", "pos": ["A fruit."], "neg": ["A tree."], "pos_scores": [null], '
        '"neg_scores": [0.25]}\n'
    )


def test_formats_agree_on_examples_and_order(tmp_path):
    world = many(300)
    for kind in ("sentence_transformers_n_tuple", "flag_embedding"):
        of(kind).write(tmp_path / kind, world)
    parquet = rows(tmp_path / "sentence_transformers_n_tuple" / f"train{PART}")
    lines = records(tmp_path / "flag_embedding" / "train.jsonl")
    assert [(r["anchor"], r["positive"], r["negative_1"], r["negative_2"]) for r in parquet] == [
        (r["query"], *r["pos"], *r["neg"]) for r in lines
    ]
