"""The line with real parts: SciFact, BM25, SmolLM2-135M under a JSON constraint, MiniLM-L6; built once, asked much."""

import hashlib
import json
import subprocess
import sys
from collections import Counter

import pyarrow.parquet as pq
import pytest
import yaml

from syneg_data.collection import normalise
from syneg_data.export.configs import CONFIGS
from tests.conftest import make_cache, run_cli, small_recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory, model_folder):
    """A finished build: (folder, cache, recipe)."""
    base = tmp_path_factory.mktemp("built")
    cache = make_cache(base / "cache", model_folder)
    # A floor and a margin that let most drafts through: what is tested is the line, not the quality of 135M.
    recipe = small_recipe(base, limit=12)
    text = yaml.safe_load(recipe.read_text())
    text["validation"]["rule"] = {"kind": "absolute", "maximum": 0.95}
    text["generation"]["strategies"][0]["per_pair"] = 3
    recipe.write_text(yaml.safe_dump(text, sort_keys=False))
    run_cli("build", recipe, "--out", base / "out", cache=cache)
    return base / "out", cache, recipe


def rows(folder, config):
    return [row for path in sorted((folder / config).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def hashes(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    return {name: entry["sha256"] for name, entry in manifest["files"].items()} | {
        "manifest.json": hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    }


def test_the_folder_is_what_its_manifest_says(built):
    folder, _, _ = built
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["schema"] == 1
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(manifest["files"]) == files - {"manifest.json", "run.json"}
    for name, entry in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
        if name.endswith(".parquet"):
            assert entry["rows"] == pq.read_metadata(folder / name).num_rows


def test_every_ledger_equation_holds_recounted_from_the_rows(built):
    folder, _, _ = built
    stages = json.loads((folder / "report.json").read_text())["stages"]
    candidates, generations = rows(folder, "candidates"), rows(folder, "generations")
    for entry in [*stages.values(), stages["mix"]["pairs"]]:
        assert entry["in"] == entry["kept"] + sum(entry["rejected"].values()) + sum(entry["failed"].values())
    mined = [c for c in candidates if c["origin"] == "mined"]
    assert stages["mine"]["in"] == len(mined)
    assert stages["mine"]["rejected"] == Counter(c["reason"] for c in mined if c["stage"] == "mine")
    last = {(g["query_id"], g["positive_id"], g["strategy"], g["slot"]): g["state"] for g in generations}
    states = Counter(last.values())
    assert stages["generate"]["in"] == len(last)
    assert stages["generate"]["kept"] == states["ok"] == sum(c["origin"] == "synthetic" for c in candidates)
    assert stages["generate"]["rejected"] | stages["generate"]["failed"] == {
        state: n for state, n in states.items() if state != "ok"
    }
    assert stages["validate"]["in"] == stages["mine"]["kept"] + stages["generate"]["kept"]
    refused = Counter(c["verdict"] for c in candidates if c["stage"] == "validate")
    assert stages["validate"]["rejected"] == refused
    assert stages["validate"]["kept"] == stages["mix"]["in"] == sum(c["verdict"] == "keep" for c in candidates)
    assert stages["mix"]["kept"] == sum(c["selected"] for c in candidates)
    assert stages["mix"]["rejected"].get("not_selected", 0) == sum(c["reason"] == "not_selected" for c in candidates)
    assert stages["mix"]["pairs"]["in"] == stages["load"]["kept"]
    assert stages["mix"]["pairs"]["kept"] == len(rows(folder, "n-tuple")) > 0


def test_every_reply_that_finished_parses_and_every_synthetic_negative_is_distinct(built):
    folder, _, _ = built
    for row in rows(folder, "generations"):
        if row["state"] not in ("truncated", "failed"):
            assert set(json.loads(row["reply"])) == {"reasoning", "passage"}
            assert list(json.loads(row["reply"])) == ["reasoning", "passage"], "reasoning comes before the text"
    texts = {d["_id"]: d["text"] for d in rows(folder, "corpus")}
    synthetic = [d["_id"] for d in rows(folder, "corpus") if d["synthetic"]]
    used = [i for row in rows(folder, "ids") for i in row["negative_ids"] if i.startswith("synthetic-")]
    assert sorted(used) == sorted(synthetic) and len(set(used)) == len(used)
    assert len({normalise(texts[i]) for i in used}) == len(used)


def test_ids_are_row_aligned_with_n_tuple(built):
    folder, _, _ = built
    texts = {d["_id"]: f"{d['title']} {d['text']}".strip() for d in rows(folder, "corpus")}
    queries = {q["_id"]: q["text"] for q in rows(folder, "queries")}
    for ids, tuples in zip(rows(folder, "ids"), rows(folder, "n-tuple"), strict=True):
        assert tuples["query"] == queries[ids["query_id"]]
        assert tuples["positive"] == texts[ids["positive_id"]]
        assert [tuples[f"negative_{i + 1}"] for i in range(3)] == [texts[i] for i in ids["negative_ids"]]
        assert ids["sources"][0] == "synthetic:syneg" and ids["sources"][1:] == ["mined:bm25"] * 2


def test_datasets_opens_every_config_and_two_training_steps_run(built, tmp_path, monkeypatch):
    folder, cache, _ = built
    configs = [config for config in CONFIGS if config != "ragged"]  # in its place is n-tuple
    program = f"""
import datasets
for config in {configs!r}:
    table = datasets.load_dataset({str(folder)!r}, config, split="train")
    assert len(table) > 0, config
assert datasets.load_dataset({str(folder)!r}, split="train").column_names == ["query", "positive", "negative"]
triplets = datasets.load_dataset({str(folder)!r}, "triplet", split="train")
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from syneg_data.recipe import load_recipe
from syneg_data.inputs import resolve_models
file = load_recipe({str(built[2])!r})
at = [reranker.kind for reranker in file.recipe.validation.rerankers].index("bi_encoder")
model = SentenceTransformer(
    str(resolve_models(file, ["validate"])[f"validation.rerankers[{{at}}]"].path), device="cpu")
model.max_seq_length = 64
arguments = SentenceTransformerTrainingArguments(
    output_dir={str(tmp_path)!r}, max_steps=2, per_device_train_batch_size=2, report_to=[], save_strategy="no",
    logging_strategy="no")
trainer = SentenceTransformerTrainer(
    model=model, args=arguments, train_dataset=triplets, loss=MultipleNegativesRankingLoss(model))
print("steps", trainer.train().global_step)
"""
    environment = {"SYNEG_CACHE": str(cache), "HF_DATASETS_CACHE": str(tmp_path / "datasets"), "HF_HUB_OFFLINE": "1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "steps 2" in done.stdout


def test_a_second_build_loads_no_model_and_changes_nothing(built):
    folder, cache, recipe = built
    before = hashes(folder)
    program = (
        "import sys; from syneg_data.cli import main\n"
        f"sys.argv = ['syneg-data', 'build', {str(recipe)!r}, '--out', {str(folder)!r}, '--json']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(sorted({'torch', 'transformers', 'bm25s', 'datasets'} & set(sys.modules)), file=sys.stderr)"
    )
    environment = {"SYNEG_CACHE": str(cache), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr.strip().splitlines()[-1] == "[]"
    run = json.loads(done.stdout)["run"]
    assert (run["engine_requests"], run["chunks_computed"], run["build_reused"]) == (0, 0, True)
    assert hashes(folder) == before


def test_changing_only_mixing_reruns_only_mixing(built, tmp_path):
    folder, cache, recipe = built
    before = hashes(folder)
    changed = tmp_path / recipe.name
    text = yaml.safe_load(recipe.read_text())
    text["mixing"] = {"kind": "mined_only", "mined": 2}
    changed.write_text(yaml.safe_dump(text, sort_keys=False))
    done = json.loads(run_cli("build", changed, "--out", folder, "--json", cache=cache).stdout)
    assert (done["run"]["engine_requests"], done["run"]["chunks_computed"]) == (0, 1), "the audit alone"
    assert pq.read_schema(folder / "n-tuple" / "train-00000-of-00001.parquet").names[-1] == "negative_2"
    run_cli("build", recipe, "--out", folder, cache=cache)
    assert hashes(folder) == before, "going back gives the very same bytes"


def test_the_same_stores_give_the_same_bytes_in_another_place(built, tmp_path):
    folder, cache, recipe = built
    done = json.loads(run_cli("build", recipe, "--out", tmp_path / "again", "--json", cache=cache).stdout)
    assert done["run"]["engine_requests"] == 0, "every reply was in the store"
    assert hashes(tmp_path / "again") == hashes(folder)


def test_explain_tells_every_candidate_of_a_query(built):
    folder, cache, _ = built
    query_id = rows(folder, "ids")[0]["query_id"]
    story = json.loads(run_cli("explain", folder, query_id, "--json", cache=cache).stdout)
    expected = [c for c in rows(folder, "candidates") if c["query_id"] == query_id]
    assert len(story["candidates"]) == len(expected)
    assert all(c["text"] for c in story["candidates"]), "rejected drafts are told too"
    page = run_cli("explain", folder, query_id, cache=cache).stdout
    for candidate in expected:
        assert candidate["doc_id"][:12] in page
    missing = run_cli("explain", folder, "no-such-query", cache=cache, check=2)
    assert "no query 'no-such-query'; there are 12 with candidates, such as" in missing.stderr


def test_a_damaged_build_folder_is_written_again(built):
    folder, cache, recipe = built
    before = hashes(folder)
    victim = folder / "corpus" / "train-00000-of-00001.parquet"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    run_cli("build", recipe, "--out", folder, cache=cache)
    assert hashes(folder) == before
    assert hashlib.sha256(victim.read_bytes()).hexdigest() == before["corpus/train-00000-of-00001.parquet"]


def test_files_of_others_are_never_destroyed(built):
    folder, cache, recipe = built
    (folder / "notes.txt").write_text("mine")
    done = run_cli("build", recipe, "--out", folder, cache=cache, check=2)
    assert "holds files that no build wrote (notes.txt)" in done.stderr
    assert (folder / "notes.txt").read_text() == "mine"
    (folder / "notes.txt").unlink()
