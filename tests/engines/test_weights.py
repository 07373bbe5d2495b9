"""A GGUF file becomes a safetensors folder once, whole or not at all."""

import dataclasses
import json
import logging
import os
import subprocess
import sys

import pytest
import yaml

from syneg_data.durable import sha256_file
from syneg_data.engines.weights import folder_of
from syneg_data.errors import InputError
from syneg_data.references import PackageModel, Resolved

DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
BFLOAT16_WEIGHTS = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"


@pytest.fixture(scope="module")
def gguf(root):
    recipe = yaml.safe_load((root / "recipes" / "quickstart.yaml").read_text())
    return PackageModel.model_validate(recipe["generation"]["engine"]["model"]).resolve()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A store of this module's own, models included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(gguf, cache):
    return folder_of(gguf, "bfloat16")


def test_a_folder_is_taken_as_it_is(tmp_path):
    assert folder_of(Resolved(tmp_path, "0" * 64, "mine"), "float32") == tmp_path


def test_a_gguf_file_becomes_a_folder_that_an_engine_can_read(folder):
    assert folder.name == f"{DIGEST}-bfloat16"
    assert sorted(path.name for path in folder.iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert sha256_file(folder / "model.safetensors") == BFLOAT16_WEIGHTS
    config = json.loads((folder / "config.json").read_text())
    assert (config["architectures"], config["dtype"]) == (["LlamaForCausalLM"], "bfloat16")
    assert "quantization_config" not in config
    assert "<|im_start|>" in (folder / "chat_template.jinja").read_text()


def test_it_tokenizes_as_the_gguf_file_does(folder, gguf):
    from transformers import AutoTokenizer

    chat = [{"role": "user", "content": "Größe: 3 µm\u2028— done?"}]
    ours = AutoTokenizer.from_pretrained(folder)
    theirs = AutoTokenizer.from_pretrained(gguf.path.parent, gguf_file=gguf.path.name)
    written = [t.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for t in (ours, theirs)]
    assert written[0] == written[1]
    assert ours(written[0])["input_ids"] == theirs(written[0])["input_ids"]


def test_the_second_time_nothing_is_converted(folder, gguf, caplog):
    before = (folder / "model.safetensors").stat().st_ino
    with caplog.at_level(logging.INFO, "syneg_data.engines.weights"):
        assert folder_of(gguf, "bfloat16") == folder
    assert caplog.messages == []
    assert (folder / "model.safetensors").stat().st_ino == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "no manifest"])
def test_damage_and_leftovers_are_mended(folder, gguf, damage):
    weights, manifest = folder / "model.safetensors", folder / "manifest.json"
    if damage == "truncated":
        os.truncate(weights, 269_000_000)
    else:
        manifest.unlink()
    leftover = folder.with_name(f".{folder.name}.new")
    leftover.mkdir()
    (leftover / "junk").write_text("of a killed run")
    assert folder_of(gguf, "bfloat16") == folder
    assert sha256_file(weights) == BFLOAT16_WEIGHTS
    assert json.loads(manifest.read_text())["model.safetensors"] == 269_060_552
    assert not (folder / "junk").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == [f".{folder.name}.lock", folder.name]


@pytest.mark.slow
def test_weights_that_lack_a_part_are_refused(gguf, cache, tmp_path):
    """Transformers would make the missing part up at random."""
    data = gguf.path.read_bytes()
    assert data.count(b"blk.3.ffn_up.weight") == 1
    path = tmp_path / "lacking.gguf"
    path.write_bytes(data.replace(b"blk.3.ffn_up.weight", b"blk.3.ffn_uq.weight"))
    with pytest.raises(InputError, match=r"lacking.gguf: cannot be loaded \(the weights lack model.layers.3.mlp.up"):
        folder_of(Resolved(path, "1" * 64, "lacking.gguf"), "bfloat16")


def test_a_file_that_is_cut_short_is_refused(gguf, cache, tmp_path):
    path = tmp_path / "short.gguf"
    path.write_bytes(gguf.path.read_bytes()[:1_000_000])
    with pytest.raises(InputError, match=r"short.gguf: cannot be loaded \(the file is cut short"):
        folder_of(Resolved(path, "2" * 64, "short.gguf"), "bfloat16")


@pytest.mark.slow
def test_a_full_disk_says_so_and_leaves_no_folder(gguf, tmp_path):
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from syneg_data.engines.weights import folder_of\n"
        "from syneg_data.errors import StorageError\n"
        "from syneg_data.references import Resolved\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, resource.RLIM_INFINITY))\n"
        "try: folder_of(Resolved(Path(sys.argv[1]), '3' * 64, 'm'), 'bfloat16')\n"
        "except StorageError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(gguf.path)],
        capture_output=True,
        text=True,
        env={**os.environ, "SYNEG_CACHE": str(tmp_path)},
        check=False,
    )
    assert "free disk space" in done.stdout, done.stderr
    assert not (tmp_path / "models" / f"{'3' * 64}-bfloat16").exists()


@pytest.mark.slow
def test_another_arithmetic_is_another_folder(folder, gguf, cache):
    other = folder_of(dataclasses.replace(gguf), "float32")
    assert other.name == f"{DIGEST}-float32"
    assert json.loads((other / "config.json").read_text())["dtype"] == "float32"
    assert (other / "model.safetensors").stat().st_size == 538_090_408
