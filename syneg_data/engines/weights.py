"""Weights in the form an engine can read: a GGUF file becomes a safetensors folder, once."""

import json
import logging
import os
import shutil
import struct
from pathlib import Path
from typing import Any

from syneg_data.durable import cache_root, exclusive, swap_directory, write_json
from syneg_data.errors import StorageError
from syneg_data.loading import SAFE, quiet_loading
from syneg_data.references import Resolved

logger = logging.getLogger(__name__)

_MANIFEST = "manifest.json"


def folder_of(model: Resolved, dtype: str) -> Path:
    """The model as a folder of safetensors with its tokenizer and chat template.

    A folder is returned as it is. A GGUF file is dequantised into the cache by the first call; later calls find it
    there, check the sizes of its files, and convert again if one is missing or cut short.

    Args:
        model: a folder or a GGUF file.
        dtype: arithmetic of the converted weights: `bfloat16`, `float16` or `float32`.

    Raises:
        InputError: the file cannot be read, or lacks weights.
        StorageError: the disk is full or read-only.
    """
    if model.path.is_dir():
        return model.path
    home = cache_root() / "models" / f"{model.digest}-{dtype}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(home.with_name(f".{home.name}.lock")):
        if not _whole(home):
            logger.info("converting %s to %s safetensors (once)", model.label, dtype)
            scratch = home.with_name(f".{home.name}.new")  # named, so that what a killed run left is removed here
            shutil.rmtree(scratch, ignore_errors=True)
            with quiet_loading(model.label):
                loaded = _load(model.path, dtype)
            _save(loaded, scratch)
            swap_directory(scratch, home, home.with_name(f".{home.name}.old"))
    return home


def dense_weights() -> dict[str, Any]:
    """Options that make transformers unpack GGUF weights on loading; since 5.20 or so they stay packed otherwise."""
    import transformers

    config = getattr(transformers, "GgufConfig", None)
    return {} if config is None else {"quantization_config": config(dequantize=True)}


def _load(path: Path, dtype: str) -> tuple[Any, Any]:
    """Model and tokenizer of a GGUF file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where: dict[str, Any] = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name, **SAFE}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            **where, **dense_weights(), dtype=getattr(torch, dtype), output_loading_info=True
        )
    except struct.error as error:  # what the reader meets at a sudden end
        raise ValueError(f"the file is cut short: {error}") from error
    model, loading = loaded
    if loading["missing_keys"]:  # transformers would make them up at random
        raise ValueError(f"the weights lack {sorted(loading['missing_keys'])[0]}")
    return model, tokenizer


def _save(loaded: tuple[Any, Any], folder: Path) -> None:
    """Write model and tokenizer durably, and last a manifest with the sizes of the files."""
    from safetensors import SafetensorError

    try:
        for part in loaded:
            part.save_pretrained(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in files:
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
        write_json(folder / _MANIFEST, sizes)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"{folder}: {error}; free disk space or check permissions, then run again") from error


def _whole(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False
