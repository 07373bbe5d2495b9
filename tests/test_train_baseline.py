"""The bundled baseline script: on its own, on a small real release, with a tiny real model."""

import ast
import gzip
import hashlib
import importlib.util
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "recipes" / "train_baseline.py"
SCIFACT = ROOT / "recipes" / "data" / "scifact"
METRICS = ["nDCG@10", "MRR@10", "Recall@10", "Recall@100", "MAP@100"]
SHORT = ["--batch-size", "4", "--max-length", "48", "--learning-rate", "1e-3"]


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def header():
    """The PEP 723 block, as the specification reads it."""
    block = re.search(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$", SCRIPT.read_text())["content"]
    return tomllib.loads("".join(line.removeprefix("# ").removeprefix("#") for line in block.splitlines(True)))


def package(requirement):
    return re.match(r"[\w-]+", requirement)[0]


def test_it_stands_alone():
    outside = {name.split(".")[0] for name in imported(ast.parse(SCRIPT.read_text()))} - set(sys.stdlib_module_names)
    assert outside == {"datasets", "numpy", "sentence_transformers", "torch"}
    assert outside <= {package(requirement).replace("-", "_") for requirement in header()["dependencies"]}


def test_its_dependencies_have_the_floors_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = {package(requirement): requirement for requirement in project["dependencies"]}
    assert header()["dependencies"] == [floors[package(requirement)] for requirement in header()["dependencies"]]
    assert header()["requires-python"] == project["requires-python"]


# A release: 12 training queries, judged again as `dev`, 8 others as `test`, and what they are judged on.


def lines(name):
    with gzip.open(SCIFACT / name, "rt") as file:
        return {row["_id"]: row for row in map(json.loads, file)}


def judgements(split, count):
    found = {}
    for line in (SCIFACT / "qrels" / f"{split}.tsv").read_text().splitlines()[1:]:
        query_id, doc_id, _ = line.split("\t")
        found.setdefault(query_id, {})[doc_id] = 1
    return dict(list(found.items())[:count])


def tables():
    """(config, split) -> columns. Grades, a tie, a query that is a document, and synthetic copies of queries."""
    corpus, queries = lines("corpus.jsonl.gz"), lines("queries.jsonl.gz")
    train, test = judgements("train", 12), judgements("test", 8)
    relevant = dict.fromkeys(doc_id for judged in [*train.values(), *test.values()] for doc_id in judged)
    documents = {doc_id: corpus[doc_id] for doc_id in [*relevant, *sorted(corpus)[:40]]}
    first, *others = list(test)
    test[first]["graded"] = 2  # the same text as a document that is not relevant and whose id comes first
    documents["graded"] = documents["earlier"] = {"title": None, "text": queries[first]["text"][:40]}
    documents[others[0]] = {"title": "", "text": queries[others[0]]["text"]}  # not its own answer
    test[others[1]]["unrelated"] = 0
    documents["unrelated"] = {"title": "", "text": queries[others[1]]["text"]}  # judged not relevant, found first
    real = [(doc_id, row["title"], row["text"], False) for doc_id, row in documents.items()]
    written = [(f"s{n}", "", queries[q]["text"], True) for n, q in enumerate([*train, *test])]
    fill = [f"{row['title'] or ''} {row['text']}" for row in list(documents.values())[-20:]]
    text = {doc_id: f"{row['title'] or ''} {row['text']}".strip() for doc_id, row in documents.items()}
    tuples = [
        (queries[q]["text"], text[next(iter(judged))], fill[n % 5], fill[5 + n % 5])
        for n, (q, judged) in enumerate(train.items())
    ]
    judged = {"train": train, "dev": train, "test": test}
    made = {
        ("n-tuple", "train"): (["query", "positive", "negative_1", "negative_2"], tuples),
        ("triplet", "train"): (["query", "positive", "negative"], [row[:3] for row in tuples]),
        ("pairs", "train"): (["query", "positive"], [row[:2] for row in tuples]),
        ("corpus", "train"): (["_id", "title", "text", "synthetic"], real + written),
    }
    for split, by_query in judged.items():
        made["queries", split] = (["_id", "text"], [(q, queries[q]["text"]) for q in by_query])
        rows = [(q, doc_id, grade) for q, found in by_query.items() for doc_id, grade in found.items()]
        made["qrels", split] = (["query-id", "corpus-id", "score"], rows)
    return made


def write_release(folder, made):
    import pyarrow as pa
    import pyarrow.parquet as pq

    files, configs = {}, {}
    for (config, split), (names, rows) in made.items():
        path = folder / config / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = zip(*rows, strict=True) if rows else [[]] * len(names)
        table = pa.table(
            {name: pa.array(list(c), None if rows else pa.string()) for name, c in zip(names, columns, strict=True)}
        )
        pq.write_table(table, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files[f"{config}/{path.name}"] = {"sha256": digest, "bytes": path.stat().st_size, "rows": len(rows)}
        data_file = {"split": split, "path": f"{config}/{split}-*.parquet"}
        configs.setdefault(config, {"config_name": config, "data_files": []})["data_files"].append(data_file)
    (folder / "README.md").write_text("---\n" + yaml.safe_dump({"configs": list(configs.values())}) + "---\n# small\n")
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "files": files}))
    return folder


def write_base(folder, made, prompts=None, broken=False):
    """A BERT of two layers with random weights, mean pooling and the words of the release."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    text = " ".join(str(cell) for _, rows in made.values() for row in rows for cell in row).lower()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]", text)))]
    bert = folder.parent / f"{folder.name}-bert"
    bert.mkdir()
    (bert / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast.from_pretrained(bert).save_pretrained(bert)
    torch.manual_seed(1)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    model = BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=128, initializer_range=0.2, **size))
    if broken:
        torch.nn.init.constant_(model.embeddings.word_embeddings.weight, float("nan"))
    model.save_pretrained(bert)
    SentenceTransformer(modules=[Transformer(str(bert)), Pooling(32)], prompts=prompts, device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("baseline")


@pytest.fixture(scope="module")
def made():
    return tables()


@pytest.fixture(scope="module")
def release(home, made):
    return write_release(home / "small", made)


@pytest.fixture(scope="module")
def base(home, made):
    return write_base(home / "tiny", made, prompts={"query": "the ", "document": ""})


@pytest.fixture(scope="module")
def script(home):
    """The script as a module, with the data sets library's cache in a place of its own."""
    import datasets

    spec = importlib.util.spec_from_file_location("train_baseline", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_baseline"] = module  # where its dataclass looks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "cache")
        spec.loader.exec_module(module)
        yield module
    del sys.modules["train_baseline"]


def run_script(home, *arguments):
    """As a user runs it, without a network."""
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=home,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home / "hf")},
    )


@pytest.fixture(scope="module")
def done(home, release, base):
    """One whole run in a process of its own."""
    arguments = ["--dataset", release, "--base", base, "--out", home / "new" / "done", "--epochs", 12, *SHORT]
    arguments += ["--revision", "v1.0.0"]  # what a folder does not have
    ran = run_script(home, *arguments)
    assert ran.returncode == 0, ran.stderr
    return ran, home / "new" / "done"


def expected(folder, made, split):
    """The metrics of a saved model: encoded here, ranked here, computed by ir_measures."""
    import ir_measures
    from ir_measures import AP, RR, R, nDCG
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = 48
    names = {nDCG @ 10: "nDCG@10", RR @ 10: "MRR@10", R @ 10: "Recall@10", R @ 100: "Recall@100", AP @ 100: "MAP@100"}
    documents = sorted(
        (d, f"{title or ''} {text}".strip())
        for d, title, text, synthetic in made["corpus", "train"][1]
        if not synthetic
    )
    vectors = model.encode_document([text for _, text in documents], normalize_embeddings=True).astype(float)
    run = {}
    for query_id, text in made["queries", split][1]:
        scores = np.round(vectors @ model.encode_query(text, normalize_embeddings=True), 6)
        ranked = [
            documents[n][0] for n in np.lexsort((np.arange(len(documents)), -scores)) if documents[n][0] != query_id
        ]
        run[query_id] = {doc_id: 1 / rank for rank, doc_id in enumerate(ranked, 1)}
    qrels = {}
    for query_id, doc_id, grade in made["qrels", split][1]:
        qrels.setdefault(query_id, {})[doc_id] = grade
    return {names[measure]: value for measure, value in ir_measures.calc_aggregate(names, qrels, run).items()}


def test_a_run_says_what_was_done(done, release):
    from sentence_transformers import SentenceTransformer

    _, out = done
    record = json.loads((out / "training.json").read_text())
    assert SentenceTransformer(str(out / "model")).max_seq_length == 48
    assert list(record) == [
        "base", "base_revision", "seed", "dataset", "revision", "config", "split", "rows", "before", "after",
        "hyperparameters", "device", "versions",
    ]  # fmt: skip
    assert (record["base"], record["dataset"], record["config"], record["split"]) == (
        "tiny",
        "small",
        "n-tuple",
        "train",
    )
    assert (record["seed"], record["rows"]) == (13, 12)
    manifest = (release / "manifest.json").read_bytes()
    assert record["revision"] == f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    assert record["base_revision"].startswith("sha256:")
    assert record["hyperparameters"] == {
        "epochs": 12, "batch_size": 4, "learning_rate": 1e-3, "max_length": 48, "temperature": 0.05,
        "limit_steps": None, "steps": 36, "warmup": 0.1, "batch_sampler": "no_duplicates", "bf16": False,
        "loss": "MultipleNegativesRankingLoss", "scale": 20.0,
    }  # fmt: skip
    assert set(record["versions"]) == {"sentence-transformers", "transformers", "torch", "datasets", "numpy"}
    for when in ("before", "after"):
        assert list(record[when]) == ["dev", "test"]
        assert all(list(metrics) == METRICS for metrics in record[when].values())


@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_metrics_are_those_of_the_models(done, base, made, when, split):
    _, out = done
    record = json.loads((out / "training.json").read_text())
    model = base if when == "before" else out / "model"
    assert record[when][split] == pytest.approx(expected(model, made, split), abs=2e-6)


def test_training_on_the_queries_finds_their_documents(done):
    """`dev` is the training queries again; synthetic copies of them, if ranked, would stand before every document."""
    record = json.loads((done[1] / "training.json").read_text())
    assert record["after"]["dev"]["MRR@10"] > record["before"]["dev"]["MRR@10"] + 0.3
    assert record["after"]["dev"]["MRR@10"] > 0.6


def test_the_table_is_all_of_stdout_and_in_the_card(done):
    ran, out = done
    record = json.loads((out / "training.json").read_text())
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in ran.stdout.splitlines()]
    assert rows[0] == ["split", "metric", "before", "after", "change"]
    assert rows[2:] == [
        [s, m, f"{record['before'][s][m]:.4f}", f"{v:.4f}", f"{v - record['before'][s][m]:+.4f}"]
        for s, metrics in record["after"].items()
        for m, v in metrics.items()
    ]
    assert ran.stdout in (out / "model" / "README.md").read_text()


def test_what_is_published_names_no_path_and_no_training_text(done, home, made):
    _, out = done
    assert sorted(path.name for path in out.iterdir()) == ["model", "training.json"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["done"]
    texts = [row[0] for row in made["n-tuple", "train"][1]]
    for path in out.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert str(home).encode() not in data, path
            assert not any(text.encode() in data for text in texts), path
    assert not list(out.rglob("*.bin"))


def weights(out):
    return hashlib.sha256((out / "model" / "model.safetensors").read_bytes()).hexdigest()


def train(script, release, base, out, *more):
    code = script.main(["--dataset", str(release), "--base", str(base), "--out", str(out), *SHORT, *map(str, more)])
    return json.loads((out / "training.json").read_text()) if code == 0 else None


def test_the_same_seed_gives_the_same_model_and_metrics(done, script, release, base, tmp_path):
    record = json.loads((done[1] / "training.json").read_text())
    again = train(script, release, base, tmp_path / "out", "--epochs", 12)
    assert again == record
    assert weights(tmp_path / "out") == weights(done[1])
    other = train(script, release, base, tmp_path / "out", "--epochs", 12, "--seed", 14)  # replaces what is its own
    assert other["seed"] == 14
    assert weights(tmp_path / "out") != weights(done[1])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_models_prompts_are_part_of_training(script, home, base, made, tmp_path, capsys):
    """A model that asks for a prompt learns the same as one without, from queries that start with it."""
    table = [
        (n, positive, f"the {query}", *rest) for n, (query, positive, *rest) in enumerate(made["n-tuple", "train"][1])
    ]
    names = ["row", "positive", "query", "negative_1", "negative_2"]  # in an order of its own, with one too many
    asked = write_release(tmp_path / "asked", {**made, ("n-tuple", "train"): (names, table)})
    plain = write_base(tmp_path / "tiny", made)
    limit = ["--limit-steps", "3", "--skip-before"]
    train(script, home / "small", base, tmp_path / "first", *limit)
    second = train(script, asked, plain, tmp_path / "second", *limit)
    assert weights(tmp_path / "first") == weights(tmp_path / "second")
    assert second["before"] == {}
    assert second["hyperparameters"]["steps"] == 3
    assert re.search(r"\| dev   \| nDCG@10    \| -      \| 0\.\d{4} \| -       \|", capsys.readouterr().out)


def test_lengths_and_weights_are_those_that_training_needs(script, release, made, tmp_path):
    """Never longer than the model can read; float32, whatever the weights were stored as."""
    from safetensors.torch import load_file, save_file
    from sentence_transformers import SentenceTransformer

    base = write_base(tmp_path / "half", made)
    save_file(
        {k: v.bfloat16() for k, v in load_file(base / "model.safetensors").items()},
        base / "model.safetensors",
        {"format": "pt"},
    )
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    train(script, release, base, tmp_path / "out", "--limit-steps", 1, "--skip-before", "--max-length", 5000)
    assert {str(v.dtype) for v in load_file(tmp_path / "out" / "model" / "model.safetensors").values()} == {
        "torch.float32"
    }
    assert SentenceTransformer(str(tmp_path / "out" / "model")).max_seq_length == 128


def test_triplets_and_a_limit_beyond_the_end(script, release, base, tmp_path):
    more = ["--config", "triplet", "--epochs", 1, "--limit-steps", 50, "--skip-before"]
    record = train(script, release, base, tmp_path / "out", *more)
    assert record["config"] == "triplet"
    assert record["hyperparameters"]["steps"] == 3


def test_a_release_without_evaluation_splits_is_trained_on_and_that_is_said(script, base, made, tmp_path, capsys):
    small = {key: value for key, value in made.items() if key[1] == "train"}
    record = train(script, write_release(tmp_path / "small", small), base, tmp_path / "out", "--limit-steps", 1)
    assert (record["before"], record["after"]) == ({}, {})
    said = capsys.readouterr()
    assert said.out == "Nothing to evaluate on: the release has no split for it.\n"
    assert "nothing to evaluate on: small has no qrels but those of train" in said.err
    assert (tmp_path / "out" / "model" / "modules.json").is_file()


def test_another_folder_of_the_same_name_is_another_release(script, release, base, made, tmp_path):
    """The data sets library's cache knows a folder by its name and its card alone."""
    names, rows = made["n-tuple", "train"]
    fewer = write_release(tmp_path / release.name, {**made, ("n-tuple", "train"): (names, rows[:4])})
    more = ["--limit-steps", 1, "--skip-before"]
    assert train(script, release, base, tmp_path / "out", *more)["rows"] == 12
    assert train(script, fewer, base, tmp_path / "out", *more)["rows"] == 4


def test_nearest_is_exact_over_blocks_and_ties(script):
    generator = np.random.default_rng(13)
    documents = generator.integers(-3, 4, (script.DOCUMENT_BLOCK * 2 + 7, 3)).astype(np.float32)  # many ties
    queries = generator.integers(-3, 4, (script.QUERY_BLOCK + 3, 3)).astype(np.float32)
    found = script.nearest(queries, documents, 101)
    for query, positions in zip(queries, found, strict=True):
        order = np.lexsort((np.arange(len(documents)), -(documents @ query)))
        assert positions.tolist() == order[:101].tolist()
    assert [len(row) for row in script.nearest(queries[:2], documents[:5], 101)] == [5, 5]


def test_nearest_takes_what_differs_in_the_last_bits_for_equal(script):
    documents = np.array([[1, 0], [1 + 2e-7, 0]], np.float32)
    assert documents[0, 0] < documents[1, 0]
    assert script.nearest(np.array([[1, 0]], np.float32), documents, 1)[0].tolist() == [0]


class Cosines:
    """An encoder of texts that are numbers: the cosine to any query."""

    def encode_document(self, texts, **_):
        return np.array([[float(text), 1 - float(text)] for text in texts], np.float32)

    def encode_query(self, texts, **_):
        return np.array([[1, 0]] * len(texts), np.float32)


@pytest.mark.parametrize("query_id", ["q", "no document"])
@pytest.mark.parametrize(("rank", "recall"), [(100, 1.0), (101, 0.0)])
def test_a_query_that_is_a_document_takes_no_place(script, query_id, rank, recall):
    documents = {f"d{n:03}": str(1 - n / 1000) for n in range(1, 150)} | ({"q": "1"} if query_id == "q" else {})
    exam = script.Exam(documents, {"test": {query_id: "0"}}, {"test": {query_id: {f"d{rank:03}": 1}}})
    assert script.evaluate(Cosines(), exam, 8)["test"]["Recall@100"] == recall


def test_metrics_of_one_query_are_trec_evals(script):
    import ir_measures

    names = {"nDCG@10": "nDCG@10", "RR@10": "MRR@10", "R@10": "Recall@10", "R@100": "Recall@100", "AP@100": "MAP@100"}
    measures = {ir_measures.parse_measure(name): ours for name, ours in names.items()}
    chance = random.Random(13)
    for _ in range(50):
        ranked = chance.sample([f"d{n}" for n in range(150)], chance.choice([3, 40, 100]))
        judged = {f"d{n}": chance.choice([1, 1, 2, 3]) for n in chance.sample(range(160), chance.choice([1, 4, 30]))}
        run = {"q": {doc_id: 1 / rank for rank, doc_id in enumerate(ranked, 1)}}
        values = ir_measures.calc_aggregate(measures, {"q": judged}, run)
        assert script.measure(ranked, judged) == pytest.approx({measures[m]: v for m, v in values.items()})
    assert script.measure(["a", "b"], {"b": 2, "c": 1})["nDCG@10"] == pytest.approx(0.4796, abs=1e-4)


# What a user can do wrong.


@pytest.fixture
def refuses(script, release, base, tmp_path, capsys):
    """Runs with one thing wrong; the one line that says so. Nothing may have been written."""

    def run(*more, dataset=release, base=base):
        before = sorted(path for path in tmp_path.rglob("*"))
        capsys.readouterr()
        given = ["--dataset", str(dataset), "--base", str(base), "--out", str(tmp_path / "new" / "out"), *SHORT]
        assert script.main([*given, *map(str, more)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert "Traceback" not in said.err
        assert sorted(path for path in tmp_path.rglob("*")) == before
        last = said.err.splitlines()[-1]
        assert re.fullmatch(r"train_baseline: .+; .+", last)
        return last.removeprefix("train_baseline: ")

    return run


def test_a_data_set_that_is_not_there(refuses, tmp_path):
    assert refuses(dataset=tmp_path / "nothing").startswith(f"data set {tmp_path}/nothing: ")


def test_a_data_set_on_a_hub_that_cannot_be_reached(home, base, tmp_path):
    ran = run_script(home, "--dataset", "nobody/nothing", "--base", base, "--out", tmp_path / "out")
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    last = ran.stderr.splitlines()[-1]
    assert re.fullmatch(
        r"train_baseline: data set nobody/nothing: .+; check its name, --revision and the network", last
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_release(refuses, tmp_path):
    (tmp_path / "folder").mkdir()
    assert "give the folder of a release, with its manifest.json" in refuses(dataset=tmp_path / "folder")


def test_a_config_that_is_not_there(refuses):
    assert refuses("--config", "n-tuples") == (
        "config n-tuples: not in small, which has corpus, n-tuple, pairs, qrels, queries, triplet; "
        "choose another --config or release"
    )


def test_a_config_without_negatives_or_queries(refuses):
    assert refuses("--config", "pairs").startswith("config pairs: no column of negatives; ")
    assert refuses("--config", "corpus").startswith("config corpus, split train: no column query; ")


def test_lists_of_unequal_length_repeat_their_own(script, made, tmp_path):
    """Release, config -> columns; the second row has one negative where the first has three."""
    lists = [("q", "p", ["a", "b", "c"]), ("r", "s", ["d"]), ("t", "u", ["e", "f"])]
    ragged = write_release(tmp_path / "ragged", {("ragged", "train"): (["query", "positive", "negatives"], lists)})
    split, rows = script.training_rows(script.Release(str(ragged), None), "ragged")
    assert (split, rows.column_names) == ("train", ["query", "positive", "negative_1", "negative_2", "negative_3"])
    assert [tuple(row.values()) for row in rows] == [
        ("q", "p", "a", "b", "c"), ("r", "s", "d", "d", "d"), ("t", "u", "e", "f", "e"),
    ]  # fmt: skip


def test_a_config_with_more_than_one_split(refuses, made, tmp_path):
    twice = {**made, ("n-tuple", "other"): made["n-tuple", "train"]}
    assert refuses(dataset=write_release(tmp_path / "twice", twice)).startswith("config n-tuple: splits train, other ")


def list_anew(release, path):
    """Give the file as it is now to the manifest."""
    manifest = json.loads((release / "manifest.json").read_text())
    manifest["files"][str(path.relative_to(release))]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (release / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("groups", [0, 1])
@pytest.mark.parametrize(("config", "split"), [("n-tuple", "train"), ("qrels", "test")])
def test_an_empty_split(refuses, made, tmp_path, config, split, groups):
    """Parquet can say "no rows" with one empty row group or with none; the data sets library trips over both."""
    import pyarrow.parquet as pq

    empty = write_release(tmp_path / "empty", {**made, (config, split): (made[config, split][0], [])})
    path = empty / config / f"{split}-00000-of-00001.parquet"
    if groups == 0:
        pq.ParquetWriter(path, pq.read_schema(path)).close()
        list_anew(empty, path)
    assert pq.ParquetFile(path).num_row_groups == groups
    assert re.match(f"config {config}, empty or damaged: .+; .*give one that has rows", refuses(dataset=empty))


def test_a_file_that_is_no_parquet(refuses, made, tmp_path):
    broken = write_release(tmp_path / "broken", made)
    path = broken / "n-tuple" / "train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    list_anew(broken, path)
    assert re.match("config n-tuple, empty or damaged: .*[Pp]arquet", refuses(dataset=broken))


@pytest.mark.parametrize("lacking", [("queries", "test"), ("corpus", "train")])
def test_an_evaluation_split_that_is_not_whole(refuses, made, tmp_path, lacking):
    made = {**made, (lacking[0], "other"): made[lacking]}
    del made[lacking]
    assert "are not whole; fetch the release again" in refuses(dataset=write_release(tmp_path / "holes", made))


@pytest.mark.parametrize("change", ["unknown queries", "nothing relevant"])
def test_an_evaluation_split_that_judges_nothing(refuses, made, tmp_path, change):
    (asked, queries), (judged, qrels) = made["queries", "test"], made["qrels", "test"]
    if change == "unknown queries":
        made = {**made, ("queries", "test"): (asked, queries[1:])}
    else:
        made = {**made, ("qrels", "test"): (judged, [(*row[:2], 0) for row in qrels])}
    line = refuses(dataset=write_release(tmp_path / "holes", made))
    assert line.startswith("split test: its qrels, queries or corpus are not whole; ")


@pytest.mark.parametrize("config", ["n-tuple", "corpus", "queries", "qrels"])
def test_a_file_that_is_not_the_one_published(refuses, release, tmp_path, config):
    changed = shutil.copytree(release, tmp_path / "changed")
    path = changed / config / "train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    assert refuses(dataset=changed).startswith(f"{config}/{path.name}: not the file that manifest.json lists; ")


@pytest.mark.parametrize("change", ["added", "gone"])
def test_files_more_or_less_than_published(refuses, release, tmp_path, change):
    changed = shutil.copytree(release, tmp_path / "changed")
    path = changed / "queries" / "test-00000-of-00001.parquet"
    if change == "added":
        path = shutil.copy(path, path.with_name("test-00001-of-00001.parquet"))
    else:
        path.unlink()
    assert refuses(dataset=changed).startswith(f"queries/{path.name}: not the file that manifest.json lists; ")


def test_a_base_that_is_not_there(refuses, tmp_path):
    assert refuses(base=tmp_path / "nothing").startswith(f"base {tmp_path}/nothing: ")


def test_a_base_without_pooling(refuses, base):
    bare = base.with_name("tiny-bert")
    assert refuses(base=bare) == (
        f"base {bare}: no modules.json, so pooling is a guess; give a sentence-transformers model"
    )


def test_a_base_of_pickles(refuses, base, tmp_path):
    import torch
    from safetensors.torch import load_file

    pickled = shutil.copytree(base, tmp_path / "pickled")
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    assert "only safetensors are loaded" in refuses(base=pickled)


def test_a_base_that_is_broken(refuses, made, tmp_path):
    broken = write_base(tmp_path / "broken", made, broken=True)
    assert refuses(base=broken).startswith("the model's vectors are not finite; ")
    assert refuses("--skip-before", base=broken).startswith("the loss is nan at step 1; ")


def test_a_loss_that_runs_away_is_stopped_at_its_step(refuses):
    assert re.match(r"the loss is (nan|inf) at step [2-9]; ", refuses("--learning-rate", "1e30", "--skip-before"))


@pytest.mark.parametrize(
    "options",
    [
        ["--epochs", "0"],
        ["--limit-steps", "0"],
        ["--temperature", "nan"],
        ["--learning-rate", "inf"],
        ["--batch-size", "x"],
        ["--x"],
    ],
)
def test_options_out_of_range(refuses, options):
    line = refuses(*options)
    assert options[0] in line
    assert line.endswith("; see --help")


@pytest.mark.parametrize("holds", [["notes.txt"], ["model", "training.json", "notes.txt"], ["model"]])
def test_a_folder_that_holds_other_things_is_left_alone(refuses, tmp_path, holds):
    out = tmp_path / "taken"
    out.mkdir()
    for name in holds:
        (out / name).write_text("mine")
    assert "name a new folder" in refuses("--out", out)
    assert all((out / name).read_text() == "mine" for name in holds)
    assert "name a new folder" in refuses("--out", out / holds[0])
