"""Which files of a Hub repository are corpus, queries and judgements: its card says so, or else custom does."""

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from syneg_data.errors import InputError
from syneg_data.lines import shown

Configs = Mapping[str, Mapping[str, Sequence[str]]]  # config -> split -> patterns of file names

PAIRS = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
_TEXTS = (".jsonl", ".jsonl.gz", ".parquet")
_JUDGEMENTS = (*_TEXTS, ".tsv", ".tsv.gz")
_HOMES = ("qrels/", "default/", "data/", "")  # where judgements are kept; the first that has any
_SHARD = re.compile(r"-\d+-of-(\d+)(-[0-9a-f]+)?\Z")


def configs_of(folder: Path) -> dict[str, dict[str, list[str]]]:
    """What the card in `folder` says of configs and their files; nothing where there is none that can be read."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
        front = yaml.safe_load(text.split("---", 2)[1]) if text.startswith("---") else None
    except (OSError, ValueError, IndexError, RecursionError, yaml.YAMLError):
        return {}
    entries = front.get("configs") if isinstance(front, dict) else None
    found = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and (files := _splits(entry.get("data_files"))):
            found[str(entry.get("config_name", "default"))] = files
    return found


def _splits(data_files: Any) -> dict[str, list[str]]:  # noqa: ANN401
    """Split -> patterns, of every form that the Hub reads: patterns alone are train, a mapping names splits."""
    if isinstance(data_files, dict):
        parts = list(data_files.items())
    else:
        entries = data_files if isinstance(data_files, list) else [data_files]
        named = [entry for entry in entries if isinstance(entry, dict) and "split" in entry]
        parts = [(entry["split"], entry.get("path")) for entry in named] or [("train", entries)]
    found: dict[str, list[str]] = {}
    for split, paths in parts:
        names = [path for path in (paths if isinstance(paths, list) else [paths]) if isinstance(path, str)]
        found.setdefault(str(split), []).extend(names)
    return {split: names for split, names in found.items() if names}


def text_patterns(configs: Configs, name: str) -> list[str]:
    """Patterns of all files that may hold the corpus or the queries.

    Args:
        configs: from the card.
        name: `corpus` or `queries`.
    """
    if name in configs:
        return ending_in(_TEXTS, [pattern for patterns in configs[name].values() for pattern in patterns])
    return [f"{name}.jsonl", f"{name}.jsonl.gz", *(f"{name}/*{ending}" for ending in _TEXTS)]


def judgement_patterns(configs: Configs, splits: Iterable[str]) -> list[str]:
    """Patterns of all files that may hold judgements; beside other files only of `splits`."""
    if card := _judged(configs):
        return ending_in(_JUDGEMENTS, [pattern for patterns in card.values() for pattern in patterns])
    within = [f"{home}*{ending}" for home in _HOMES if home for ending in _JUDGEMENTS]
    beside = [f"{split}{ending}" for split in sorted(set(splits)) for ending in _JUDGEMENTS]
    return [*within, *beside, *(f"{split}-*-of-*.parquet" for split in sorted(set(splits)))]


def ending_in(endings: Sequence[str], patterns: Iterable[str]) -> list[str]:
    """Patterns of the same files, as far as they are rows of a table: programs and the like match none of them."""
    return [
        whole
        for pattern in patterns
        for whole in ([pattern] if pattern.endswith(tuple(endings)) else [f"{pattern}{ending}" for ending in endings])
    ]


def text_files(folder: Path, configs: Configs, name: str) -> list[Path]:
    """The files of the corpus or the queries, in order; none where `folder` has none."""
    there = _names(folder)
    if name in configs:
        wanted = _matching(there, text_patterns(configs, name), _TEXTS)
    else:
        whole = [[file] for file in (f"{name}.jsonl", f"{name}.jsonl.gz") if file in there]
        wanted = whole[0] if whole else _matching(there, [f"{name}/*"], _TEXTS)
    return _whole(folder, wanted)


def judgement_files(folder: Path, configs: Configs) -> dict[str, list[Path]]:
    """Split -> files of its judgements, in order."""
    there = _names(folder)
    if card := _judged(configs):
        found = {split: _matching(there, patterns, _JUDGEMENTS) for split, patterns in card.items()}
        return {split: _whole(folder, names) for split, names in found.items() if names}
    for home in _HOMES:
        splits: dict[str, list[str]] = {}
        for name in there:
            parts = name.removeprefix(home).split("/")
            if not name.startswith(home) or not name.endswith(_JUDGEMENTS) or len(parts) > (2 if home else 1):
                continue
            split = _SHARD.sub("", Path(parts[0].removesuffix(".gz")).stem)  # of a file, or of the folder it is in
            if split not in ("corpus", "queries"):
                splits.setdefault(split, []).append(name)
        if splits:
            return {split: _whole(folder, names) for split, names in splits.items()}
    return {}


def _judged(configs: Configs) -> Mapping[str, Sequence[str]]:
    """Splits of the config that holds judgements, where the repository's other configs are texts."""
    return configs.get("qrels") or (configs.get("default") if "corpus" in configs else None) or {}


def pair_files(folder: Path, pattern: str) -> list[Path]:
    """The files of `folder` that match a pattern and hold rows of pairs, in order; all parts, unless it names parts."""
    names = _matching(_names(folder), [pattern], PAIRS)
    return [folder / name for name in names] if "-of-" in pattern else _whole(folder, names)


def _whole(folder: Path, names: Sequence[str]) -> list[Path]:
    """The files of these names; of files that say how many they are, as many have to be there.

    Raises:
        InputError: some are missing, at the Hub or in a cache that was not filled.
    """
    shards = (_SHARD.search(Path(name.removesuffix(".gz")).stem) for name in names)
    for count, there in Counter(int(shard[1]) for shard in shards if shard).items():
        if count and there % count:
            raise InputError(f"{shown(folder)}: {there} of {count} files are there ({names[0]} ...); look for the rest")
    return [folder / name for name in names]


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _matching(names: Sequence[str], patterns: Sequence[str], endings: Sequence[str]) -> list[str]:
    return [
        name
        for name in names
        if name.endswith(tuple(endings)) and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]
