"""A file of pairs in, every export format out: built once with real parts, then read as its own lines say."""

import json
import subprocess
import sys

import pytest
import yaml

from syneg_data.durable import sha256_file
from syneg_data.export.formats import Format
from syneg_data.publishing.markdown import inline
from syneg_data.sources import Beir
from syneg_data.spec import members
from tests.conftest import make_cache, run_cli, small_recipe

pytestmark = pytest.mark.slow

KINDS = [spec.model_fields["kind"].annotation.__args__[0] for spec in members(Format)]
NOT_INSTALLED = {"flag_embedding", "beir", "mteb"}  # their readers are no dependencies


@pytest.fixture(scope="module")
def built(tmp_path_factory, model_folder, root):
    """A finished build of SciFact's train judgements as a file of pairs: (folder, cache, recipe)."""
    base = tmp_path_factory.mktemp("pairs")
    scifact = Beir(kind="beir", path=str(root / "recipes/data/scifact"), split="train", license="cc-by-4.0").load(13)
    rows = [
        {"claim": scifact.queries[q], "abstract": scifact.documents[d].text, "headline": scifact.documents[d].title}
        for q, d in scifact.pairs()[:150]
    ]
    (base / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cache = make_cache(base / "cache", model_folder)
    recipe = small_recipe(base, limit=20)
    text = yaml.safe_load(recipe.read_text())
    text["source"] = {
        "kind": "pairs", "path": "pairs.jsonl", "query": "claim", "positive": "abstract", "title": "headline",
        "dev": 0.1, "test": 0.1, "license": "cc-by-4.0",
    }  # fmt: skip
    del text["generation"]
    text["mixing"] = {"kind": "mined_only", "mined": 2}
    text["validation"]["rule"] = {"kind": "absolute", "maximum": 0.95}
    text["export"] = {"formats": [{"kind": kind} for kind in KINDS]}
    recipe.write_text(yaml.safe_dump(text, sort_keys=False))
    run_cli("build", recipe, "--out", base / "out", cache=cache)
    return base / "out", cache, recipe


def test_every_export_is_in_the_manifest_the_report_and_on_the_card(built):
    folder, _, _ = built
    exports = json.loads((folder / "report.json").read_text())["exports"]
    files = json.loads((folder / "manifest.json").read_text())["files"]
    card = (folder / "README.md").read_text()
    assert [entry["kind"] for entry in exports] == KINDS
    for entry in exports:
        assert entry["files"] and set(entry["files"]) <= set(files)
        assert all(files[name]["rows"] is not None for name in entry["files"] if not name.endswith(".md"))
        assert entry["rows"] > 0 and inline(entry["what"]) in card and f"```python\n{entry['load']}\n```" in card
    assert {name for name in files if name.startswith("exports/")} == {f for e in exports for f in e["files"]}
    examples = json.loads((folder / "report.json").read_text())["examples"]
    counted = {entry["kind"]: entry["rows"] for entry in exports}
    assert counted["flag_embedding"] == counted["sentence_transformers_ids"] == examples
    assert counted["sentence_transformers_triplet"] == 2 * examples


def test_the_lines_of_the_card_read_the_same_examples(built, tmp_path):
    folder, _, _ = built
    exports = json.loads((folder / "report.json").read_text())["exports"]
    program = "import json, datasets\nfound = {}\n"
    for entry in exports:
        if entry["kind"] not in NOT_INSTALLED:
            program += f"{entry['load'].replace('FOLDER', str(folder))}\nfound[{entry['kind']!r}] = list(train)\n"
    program += (
        f"plain = list(datasets.load_dataset({str(folder)!r}, 'n-tuple', split='train'))\n"
        "print(json.dumps([plain, found]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={"HF_DATASETS_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    plain, found = json.loads(done.stdout)
    expected = [list(row.values()) for row in plain]
    assert [list(row.values()) for row in found["sentence_transformers_n_tuple"]] == expected
    assert [[row["query"], *row["documents"]] for row in found["sentence_transformers_labeled_list"]] == expected
    ids = found["sentence_transformers_ids"]
    assert [[row["query"], *(row[f"document_{n}"] for n in (1, 2, 3))] for row in ids] == expected
    assert [row["scores"] for row in ids] == [row["scores"] for row in found["sentence_transformers_labeled_list"]]
    assert all(isinstance(score, float) for row in ids for score in row["scores"]), "every positive has a score"
    assert [row["query"] for row in found["tevatron"]] == [row[0] for row in expected]


def test_the_evaluation_layout_is_a_source_again(built):
    folder, _, _ = built
    for split in ("train", "dev", "test"):
        path = str(folder / "exports" / "beir")
        back = Beir(kind="beir", path=path, split=split, license="cc-by-4.0", evaluation=()).load(13)
        assert len(back.queries) > 0
        assert all(text for text in back.queries.values())


def test_the_same_recipe_gives_the_same_bytes(built, tmp_path):
    folder, cache, recipe = built
    run_cli("build", recipe, "--out", tmp_path / "again", cache=cache)
    assert sha256_file(tmp_path / "again" / "manifest.json") == sha256_file(folder / "manifest.json")
    done = json.loads(run_cli("build", recipe, "--out", folder, "--json", cache=cache).stdout)
    assert done["run"]["build_reused"] is True
    assert [entry["kind"] for entry in done["report"]["exports"]] == KINDS
