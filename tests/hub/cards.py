"""The front matter of a README: what the loopback Hub reads from it, and what it finds wrong with it."""

import re
from typing import Any

import yaml

FRONT_MATTER = re.compile(r"\A\s*---[\r\n]+(.*?)[\r\n]+---(?:\r?\n|\Z)", re.DOTALL)
SIZES = {
    "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B", "10B<n<100B",
    "100B<n<1T", "n>1T", "other",
}  # fmt: skip
SPLIT = re.compile(r"\w+(\.\w+)*")
WORDS = ("language", "license", "tags", "task_categories", "task_ids", "annotations_creators", "language_creators",
         "multilinguality", "source_datasets", "size_categories")  # fmt: skip


def front_matter(text: str) -> Any:
    """The metadata of a README: None where it has none.

    Raises:
        ValueError: It is no YAML.
    """
    found = FRONT_MATTER.match(text)
    if found is None:
        return None
    try:
        return yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def card_data(text: str) -> dict[str, Any] | None:
    """The metadata as repository info shows it: none at all where they are broken."""
    try:
        data = front_matter(text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def findings(text: str, kind: str) -> tuple[list[str], list[str]]:
    """Errors and warnings about a README of a `dataset` or a `model`."""
    try:
        data = front_matter(text)
    except ValueError as error:
        return [f"invalid yaml metadata: {error}"], []
    if data is None:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(data, dict):
        return ["yaml metadata must be a mapping"], []
    errors = [error for name in WORDS if name in data for error in _words(name, data[name])]
    sizes = data.get("size_categories", [])
    errors += [f'"size_categories": {size!r} is unknown' for size in _list(sizes) if str(size) not in SIZES]
    if "other" in _list(data.get("license")) and "license_name" not in data:
        errors.append('"license_name" is required when "license" is "other"')
    if kind == "dataset":
        errors += _configs(data.get("configs", []))
    else:
        errors += _model_index(data.get("model-index", []))
    return errors, []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(name: str, value: Any) -> list[str]:
    """Such a field is a text or a list of texts (`no` is the classic trap: YAML reads Norwegian as false)."""
    if all(isinstance(word, str) for word in _list(value)):
        return []
    return [f'"{name}" must be a string or an array of strings']


def _configs(configs: Any) -> list[str]:
    if not isinstance(configs, list) or not all(isinstance(config, dict) for config in configs):
        return ['"configs" must be an array of objects']
    errors = []
    for number, config in enumerate(configs):
        if not isinstance(config.get("config_name"), str):
            errors.append(f'"configs[{number}].config_name" is required')
        for files in _list(config.get("data_files", [])):
            split = files.get("split", "train") if isinstance(files, dict) else "train"
            if not SPLIT.fullmatch(str(split)):
                errors.append(f'"configs[{number}].data_files": {split!r} is no name of a split')
    names = [config.get("config_name") for config in configs]
    if len(set(names)) < len(names):
        errors.append('"configs": a config_name stands twice')
    return errors


def _model_index(index: Any) -> list[str]:
    if not isinstance(index, list) or not all(isinstance(entry, dict) for entry in index):
        return ['"model-index" must be an array of objects']
    errors = []
    for number, entry in enumerate(index):
        results = entry.get("results")
        if not isinstance(entry.get("name"), str) or not isinstance(results, list):
            errors.append(f'"model-index[{number}]" needs a name and results')
            continue
        for result in results:
            if not isinstance(result, dict) or not {"task", "dataset", "metrics"} <= result.keys():
                errors.append(f'"model-index[{number}].results": task, dataset and metrics are required')
    return errors
