"""The folder of a trained retriever: a model as sentence-transformers loads it, its card, and what was measured."""

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from syneg_data.durable import swap_directory, write_json, write_text
from syneg_data.judge.measuring import Measured
from syneg_data.publishing.manifest import write_manifest
from syneg_data.publishing.model_card import render_model_card
from syneg_data.references import PathModel, Resolved
from syneg_data.report.curves import draw_curves
from syneg_data.training.runs import write_run
from syneg_data.training.trainer import Point, Trained
from syneg_data.workspace import Workspace

# Of how a base happened to be loaded, or where it lay on somebody's machine, not of what it is.
_PLACES = {"_name_or_path", "name_or_path", "is_local", "local_files_only", "cache_dir", "_commit_hash"}
_PLACE = re.compile(r"(?:^|_)(?:path|file|dir|folder)$")
_ABSOLUTE = re.compile(r"(?:/|~|\\\\|[A-Za-z]:[\\/]|file:)")


def save_model(trained: Trained, folder: Path) -> Resolved:
    """The model as a folder; its card is ours, for the library's own holds training texts and local paths."""
    trained.model.save_pretrained(str(folder), create_model_card=False)
    for path in sorted(folder.rglob("*config*.json")):
        settings = json.loads(path.read_text(encoding="utf-8"))
        if (kept := without_places(settings)) != settings:
            write_text(path, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    return PathModel(path=str(folder)).resolve()


def without_places(value: Any) -> Any:  # noqa: ANN401
    """Settings of a model without the keys that say where something was on the machine of whoever saved it."""
    if isinstance(value, list):
        return [without_places(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: without_places(item) for key, item in value.items() if not _is_place(key, item)}


def _is_place(key: str, value: Any) -> bool:  # noqa: ANN401
    absolute = isinstance(value, str) and _ABSOLUTE.match(value) is not None
    return key in _PLACES or (absolute and _PLACE.search(key) is not None)


def write_retriever(
    folder: Path, facts: Mapping[str, Any], points: Sequence[Point], measured: Mapping[str, Measured]
) -> None:
    """Write all that is not the model itself beside it, the manifest last.

    Args:
        folder: holds the model already.
        facts: what training.json is to hold.
        points: of the curves.
        measured: name of the runs -> what was ranked.
    """
    for name, found in measured.items():
        for split, run in found.runs.items():
            write_run(folder / "runs" / f"{name}.{split}.trec", run, f"syneg-data-{name}")
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("step", "epoch", "loss", "learning_rate", "dev_nDCG@10"))
    writer.writerows((p.step, p.epoch, p.loss, p.learning_rate, "" if p.dev is None else p.dev) for p in points)
    write_text(folder / "curves.csv", sink.getvalue())
    write_text(folder / "curves.svg", draw_curves(points))
    _write_said(folder, facts)


def rewrite_retriever(out: Path, workspace: Workspace, facts: Mapping[str, Any]) -> None:
    """Put the same model with other words on its card in the place of `out`, all at once."""
    folder = workspace.scratch("said")
    shutil.rmtree(folder)
    shutil.copytree(out, folder, copy_function=_link)  # files are replaced, never changed, so both may be one
    _write_said(folder, facts)
    swap_directory(folder, out, workspace.root / "replaced")


def read_facts(out: Path) -> dict[str, Any]:
    """What training.json of a retriever's folder holds."""
    facts: dict[str, Any] = json.loads((out / "training.json").read_text(encoding="utf-8"))
    return facts


def _write_said(folder: Path, facts: Mapping[str, Any]) -> None:
    write_json(folder / "training.json", facts)
    write_text(folder / "README.md", render_model_card(facts))
    inputs = {"base": facts["base_sha256"], "dataset": facts["dataset_sha256"]}
    write_manifest(folder, facts["fingerprint"], inputs, {})


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a disk that knows no hard links
        shutil.copy2(source, target)
