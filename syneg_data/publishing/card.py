"""The data set card: numbers from the build, prose from `cards/<name>.md`; the same build gives the same bytes."""

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from syneg_data.errors import InputError

SECTIONS = ("what", "limits", "license", "citation")
_PLAIN = {
    "what": "A training set made with syneg-data.",
    "limits": "Nobody has written down the limits of this data set yet.",
    "license": "",
    "citation": "SyNeg: Li et al. 2024, *SyNeg: LLM-Driven Synthetic Hard-Negatives for Dense Retrieval*, "
    "arXiv 2412.17250.",
}
_DESCRIPTIONS = {
    "triplet": "query, positive, negative; a row per negative",
    "n-tuple": "query, positive and all its negatives; a row per example",
    "ragged": "query, positive and the list of its negatives, of which there may be fewer; a row per example",
    "ids": "those rows as ids, with the source and relevance of each negative",
    "corpus": "all documents, selected synthetic ones marked",
    "queries": "the queries",
    "qrels": "the relevance judgements",
    "candidates": "every candidate ever seen, with scores, verdict and reason",
    "scores": "what every reranker said of every document, raw",
    "generations": "every reply of the generator, kept or not",
}


def read_prose(path: Path) -> dict[str, str]:
    """The sections `## what`, `## limits`, `## license`, `## citation` of a card's prose; stock text without a file.

    Raises:
        InputError: a section is missing or unknown.
    """
    if not path.is_file():
        return dict(_PLAIN)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text") from error
    parts = re.split(r"^## +(\S+) *$", text, flags=re.MULTILINE)
    prose = {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    if sorted(parts[1::2]) != sorted(SECTIONS):
        raise InputError(f"{path}: has sections {sorted(parts[1::2])}; a card's prose has exactly {list(SECTIONS)}")
    return prose


def render_card(
    *,
    report: Mapping[str, Any],
    prose: Mapping[str, str],
    publishing: Mapping[str, Any],
    source_license: str,
    terms: str | None,
    split: str,
    rows: Mapping[str, Mapping[str, int]],
    features: Sequence[Mapping[str, Any]],
    models: Sequence[Mapping[str, str]],
    recipe_name: str,
    fingerprint: str,
) -> str:
    """README.md of a build folder.

    Args:
        report: what report.json holds.
        prose: from read_prose.
        publishing: license, pretty_name, language of the recipe's section.
        source_license: licence of the source.
        terms: terms of the generator's output, None without generation.
        split: the split that is trained on.
        rows: config -> split -> rows.
        features: `dataset_info` entries, read off the files.
        models: role, label, sha256 of each.
        recipe_name: file name of the recipe.
        fingerprint: of the recipe.
    """
    import jinja2

    template = resources.files("syneg_data.publishing").joinpath("card.md.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    title = publishing["pretty_name"] or report["name"]
    front = {
        "pretty_name": title,
        "language": list(publishing["language"]),
        "license": publishing["license"],
        "task_categories": ["text-retrieval", "sentence-similarity"],
        "task_ids": ["document-retrieval"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["found", "machine-generated"] if terms else ["found"],
        "multilinguality": ["monolingual" if len(publishing["language"]) == 1 else "multilingual"],
        "size_categories": [_size_category(rows["triplet"][split])],
        "source_datasets": ["original"],
        "tags": [
            "sentence-transformers",
            *(["synthetic"] if terms else []),
            "hard-negatives",
            "dense-retrieval",
            "information-retrieval",
            "text",
        ],
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": part, "path": f"{name}/{part}-*.parquet"} for part in splits],
                **({"default": True} if name == "triplet" else {}),
            }
            for name, splits in rows.items()
        ],
        "dataset_info": list(features),
    }
    return environment.from_string(template).render(
        front_matter=yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000),
        title=inline(title),
        prose=prose,
        report=report,
        negatives=report["negatives_per_example"],
        split=split,
        configs={name: splits[split] for name, splits in rows.items()},
        held_out={part: n for part, n in rows.get("queries", {}).items() if part != split},
        descriptions=_DESCRIPTIONS,
        funnel=_funnel(report["stages"]),
        origins=report["origins"],
        tokens=report.get("tokens"),
        critic=report.get("critic"),
        gate={
            "rerankers": [_gate_row(row) for row in report["validation"]["rerankers"]],
            "joint": inline(_fitted(report["validation"].get("joint", {}))),
        },
        review=report.get("review"),
        restyled=report.get("restyled_positives", 0),
        attributes=_attributes(report.get("attributes", [])),
        models=[{name: inline(value) for name, value in model.items()} for model in models],
        license=publishing["license"],
        source_license=source_license,
        terms=terms,
        recipe_name=recipe_name,
        fingerprint=fingerprint,
    )


def dataset_info(folder: Path, rows: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """The card's `dataset_info`, read off the files: features, rows and bytes of every config.

    Args:
        folder: where `<config>/<split>-*.parquet` are.
        rows: config -> split -> rows.
    """
    import pyarrow.parquet as pq
    from datasets import DatasetInfo, Features, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    infos = DatasetInfosDict()
    for config, splits in rows.items():
        paths = sorted((folder / config).glob("*.parquet"))
        sizes = {
            split: sum(pq.read_table(path).nbytes for path in (folder / config).glob(f"{split}-*.parquet"))
            for split in splits
        }
        infos[config] = DatasetInfo(
            config_name=config,
            features=Features.from_arrow_schema(pq.read_schema(paths[0])),
            splits=SplitDict(
                {split: SplitInfo(split, num_bytes=sizes[split], num_examples=n) for split, n in splits.items()}
            ),
            download_size=sum(path.stat().st_size for path in paths),
            dataset_size=sum(sizes.values()),
        )
    card = DatasetCardData()
    infos.to_dataset_card_data(card)
    found: list[dict[str, Any]] = yaml.safe_load(card.to_yaml())["dataset_info"]
    return found


def _funnel(stages: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for stage, entry in stages.items():
        parts = ((f"{stage}, {name}", entry.get(name)) for name in ("pairs", "relevance"))
        for label, part in ((stage, entry), *parts):
            if part:
                reasons = {
                    kind: ", ".join(f"{reason} {n}" for reason, n in part[kind].items()) or "-"
                    for kind in ("rejected", "failed")
                }
                rows.append({"stage": label, "unit": part["unit"], "in": part["in"], "kept": part["kept"], **reasons})
    return rows


def _attributes(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of report.json's `attributes`, with what could not be measured as a dash."""
    shown = []
    for row in rows:
        name = f"{row['axis']}: {row['value']}" if row["value"] else "all drafts"
        cells = {key: "-" if value is None else value for key, value in row.items()}
        shown.append({**cells, "strategy": inline(row["strategy"]), "attribute": inline(name)})
    return shown


def _gate_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A reranker's row, what could not be measured as a dash."""
    cells = {key: "-" if value is None else value for key, value in row.items()}
    return {**cells, "name": inline(row["name"]), "rule": f"{row['bar']['rule']}: {_fitted(row['bar'])}"}


def _fitted(bar: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in bar.items() if name != "rule")


def _size_category(rows: int) -> str:
    for bound, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < bound:
            return name
    return "1M<n<10M" if rows < 10_000_000 else "n>10M"


def inline(text: str) -> str:
    """Text that stays inside one line of Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))
