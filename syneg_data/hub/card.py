"""The card of a release against its files: front matter, licence, configs and `dataset_info`; all problems at once."""

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from syneg_data.errors import InputError
from syneg_data.hub.contents import Folder
from syneg_data.licenses import LICENSES, TERMS, conflict
from syneg_data.publishing.manifest import RETRIEVER
from syneg_data.publishing.model_card import refusals

_FRONT = re.compile(r"\A---\n(?P<yaml>.*?\n)---\n", re.DOTALL)
_SPLIT = re.compile(r"\w+(?:\.\w+)*", re.ASCII)
_SIZES = re.compile(r"n<1K|1K<n<10K|10K<n<100K|100K<n<1M|1M<n<10M|10M<n<100M|100M<n<1B|[1-9]\d*[BT]?<n<.*|n>1T|other")


def card_problems(folder: Folder, repo: str) -> list[str]:
    """What is wrong with the card of a folder that is to be published as `repo`; each says what to do."""
    try:
        front = front_matter(folder.text("README.md"))
    except InputError as error:
        return [str(error)]
    problems = [*_license(front, folder)]
    if folder.type == "dataset":
        problems += _configs(front, folder)
        problems += _dataset_info(front, folder)
        problems += _words(front)
    else:
        problems += _retriever(front, folder, repo)
    return [f"README.md: {what}" for what in problems]


def facts_of(folder: Folder) -> dict[str, Any]:
    """What training.json of a retriever holds.

    Raises:
        InputError: it is not as `train` writes it.
    """
    try:
        facts = json.loads(folder.text(RETRIEVER))
        if isinstance(facts, dict) and {"data", "license", "dataset_sha256", "base_license"} <= facts.keys():
            return facts
    except (ValueError, RecursionError):
        pass
    raise InputError(f"{folder.path.name}/{RETRIEVER}: not as this version writes it; run `syneg-data train` again")


def _retriever(front: Mapping[str, Any], folder: Folder, repo: str) -> list[str]:
    """What licences and terms of its origins have against a retriever, and how it must be called."""
    try:
        facts = facts_of(folder)
        found = refusals(facts, repo)
    except InputError as error:
        return [str(error)]
    said = (facts["license"] or {}).get("id")
    if front.get("license") != said:
        found.append(f"names the licence {front.get('license')}, {RETRIEVER} {said}; run `syneg-data train` again")
    return found


def front_matter(text: str) -> dict[str, Any]:
    """The YAML on top of a card.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    found = _FRONT.match(text)
    try:
        front = yaml.safe_load(found["yaml"]) if found else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = str(error).splitlines()[0][:120]
        raise InputError(f"README.md: its front matter is no YAML ({line}); build it again") from None
    if not isinstance(front, dict):
        raise InputError("README.md: has no front matter; build it again")
    return front


def license_of(folder: Folder) -> str:
    """The licence that the card names, one of its own with its name; empty where there is none."""
    try:
        front = front_matter(folder.text("README.md"))
    except InputError:
        return ""
    license = str(front.get("license") or "")
    return f"other ({front.get('license_name')})" if license == "other" else license


def _license(front: Mapping[str, Any], folder: Folder) -> Iterator[str]:
    license = front.get("license")
    if not isinstance(license, str) or not license:
        if folder.type == "dataset":  # of a model more is known, and told
            yield "names no licence; set publishing.license of the recipe"
        return
    known = LICENSES if folder.type == "dataset" else LICENSES | TERMS
    if license not in known:
        yield f"license {license[:40]!r} is none that is known here; one of {', '.join(sorted(known))}"
    if license == "other" and not (front.get("license_name") and front.get("license_link")):
        yield "license other needs license_name and license_link; set them beside it in the recipe"
    if folder.type == "dataset" and (why := _conflict(folder, license)):
        yield why


def _conflict(folder: Folder, license: str) -> str | None:
    """What the source's licence and the generator's terms have against it."""
    try:
        recipe = yaml.safe_load(folder.text("recipe.lock.yaml"))["recipe"]
        source, terms = recipe["source"]["license"], (recipe.get("generation") or {}).get("terms")
        published = (recipe.get("publishing") or {}).get("license")
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, InputError):
        return "recipe.lock.yaml does not say which licence the source has; build it again"
    if published != license:
        return f"names the licence {license}, recipe.lock.yaml {published}; build it again"
    return conflict(str(source), None if terms is None else str(terms), license)


def _configs(front: Mapping[str, Any], folder: Folder) -> Iterator[str]:
    """Whether configs and files fit: every pattern matches, every table is in one, names are such as can be loaded."""
    configs = front.get("configs")
    if not isinstance(configs, list) or not all(isinstance(entry, dict) for entry in configs):
        yield "lists no configs; build it again"
        return
    tables = {name for name in folder.files if name.endswith(".parquet") and not name.startswith("exports/")}
    reached: set[str] = set()
    for entry in configs:
        config = entry.get("config_name")
        parts = entry.get("data_files")
        if not isinstance(config, str) or not isinstance(parts, list):
            yield f"config {config!r} names no files by split; build it again"
            continue
        for part in parts:
            split, path = (str(part.get(key)) if isinstance(part, dict) else "" for key in ("split", "path"))
            if not _SPLIT.fullmatch(split):
                yield f"config {config}: {split[:40]!r} is no name of a split (letters, digits, _ and .); rename it"
            found = {name for name in tables if fnmatch.fnmatchcase(name, path)}
            if not found:
                yield f"config {config}: no file of split {split[:40]} is like {path[:80]!r}; build it again"
            reached |= found
    names = [entry.get("config_name") for entry in configs]
    if twice := sorted({str(name) for name in names if names.count(name) > 1}):
        yield f"config {twice[0]} is listed twice; build it again"
    if sum(bool(entry.get("default")) for entry in configs) > 1:
        yield "has several default configs; build it again"
    empty = {name for name in tables if folder.manifest["files"][name].get("rows") == 0}  # no config can load those
    if missed := sorted(tables - reached - empty):
        yield f"no config has {missed[0]}{f' and {len(missed) - 1} others' if len(missed) > 1 else ''}; build it again"


def _dataset_info(front: Mapping[str, Any], folder: Folder) -> Iterator[str]:
    """Whether features, rows and bytes are those of the files; `datasets` refuses to load what is not."""
    from syneg_data.publishing.card import dataset_info

    stated = front.get("dataset_info")
    stated = stated if isinstance(stated, list) else [stated]
    said = {str(entry.get("config_name")): entry for entry in stated if isinstance(entry, dict)}
    try:
        rows = _rows(folder)
        counted = {entry["config_name"]: entry for entry in dataset_info(folder.path, rows)}
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        yield f"its tables cannot be read ({str(error).splitlines()[0][:120]}); build it again"
        return
    for config in sorted(said.keys() | counted.keys()):
        if config not in said or config not in counted:
            where = "its files" if config in said else "the card"
            yield f"dataset_info: {where} lack{'' if config in said else 's'} the config {config}; build it again"
            continue
        for key, what in (("features", "columns"), ("splits", "rows or bytes"), ("download_size", "bytes"),
                          ("dataset_size", "bytes")):  # fmt: skip
            if _sorted(said[config].get(key)) != _sorted(counted[config].get(key)):
                yield f"dataset_info: {what} of {config} ({key}) are not those of its files; build it again"


def _sorted(value: Any) -> Any:  # noqa: ANN401
    """Splits may stand in any order; columns may not."""
    if isinstance(value, list) and all(isinstance(entry, dict) and "num_examples" in entry for entry in value):
        return sorted(value, key=lambda entry: str(entry.get("name")))
    return value


def _rows(folder: Folder) -> dict[str, dict[str, int]]:
    """Config -> split -> rows, from the footers, splits in the order in which the card has them."""
    import pyarrow.parquet as pq

    found: dict[str, dict[str, int]] = {}
    for name, item in folder.files.items():
        if name.endswith(".parquet") and not name.startswith("exports/"):
            config, split = str(PurePosixPath(name).parent), name.rpartition("-of-")[0].rpartition("-")[0]
            split = split.rpartition("/")[2]
            with pq.ParquetFile(str(item.source)) as file:
                counts = found.setdefault(config, {})
                counts[split] = counts.get(split, 0) + file.metadata.num_rows
                listed = folder.manifest["files"][name].get("rows")
                if listed != file.metadata.num_rows:
                    raise ValueError(f"{name} has {file.metadata.num_rows} rows, manifest.json says {listed}")
    return {config: counts for config, counts in found.items() if any(counts.values())}


def _words(front: Mapping[str, Any]) -> Iterator[str]:
    sizes = front.get("size_categories") or []
    for size in sizes if isinstance(sizes, list) else [sizes]:
        if not _SIZES.fullmatch(str(size)):
            yield f"size_categories: {str(size)[:40]!r} is no size that the Hub knows; build it again"
