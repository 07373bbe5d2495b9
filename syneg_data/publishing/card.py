"""The data set card: numbers from the build, prose from `cards/<name>.md`; the same build gives the same bytes."""

import functools
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from syneg_data import __version__
from syneg_data.errors import InputError
from syneg_data.licenses import reasoning
from syneg_data.publishing import markdown, tables
from syneg_data.publishing.front_matter import front_matter
from syneg_data.publishing.models import Credit
from syneg_data.publishing.released import MARK, marks
from syneg_data.publishing.words import SYNEG

SECTIONS = ("what", "limits", "license", "citation")
_PLAIN = {
    "what": "A training set made with syneg-data.",
    "limits": "Nobody has written down the limits of this data set yet.",
    "license": "",
    "citation": "Cite the sources of the texts, which its author has not listed yet.",
}
_SOMETIMES = ("tokens", "critic", "exports", "relabelled", "restyled_positives")  # parts that not every report has


def read_prose(path: Path) -> dict[str, str]:
    """The sections `## what`, `## limits`, `## license`, `## citation` of a card's prose; stock text without a file.

    Raises:
        InputError: a section is missing or unknown, or would swallow what the card has below it.
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
    for name, body in prose.items():
        if what := _left_open(body):
            raise InputError(f"{path}: section {name}: {what} is not closed, so it would hide the rest of the card")
        if MARK in body:
            raise InputError(
                f"{path}: section {name}: has a comment that begins with {MARK!r}, which only this "
                "package's own lines may have; remove it"
            )
    return prose


def _left_open(body: str) -> str:
    """What a text in Markdown opens and does not close: a block of code, or a comment; empty if nothing."""
    if markdown.fences(body.split("\n"))[-1]:
        return "a block of code"
    return "a comment" if body.count("<!--") > body.count("-->") else ""


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
    models: Sequence[Credit],
    recipe_name: str,
    fingerprint: str,
) -> str:
    """README.md of a build folder.

    Args:
        report: what report.json holds; of its parts only name, examples, stages, origins and validation are always
            there.
        prose: from read_prose.
        publishing: the recipe's section.
        source_license: licence of the source.
        terms: terms of the generator's output, None without generation.
        split: the split that is trained on.
        rows: config -> split -> rows.
        features: `dataset_info` entries, read off the files.
        models: from credits_of.
        recipe_name: file name of the recipe.
        fingerprint: of the recipe.
    """
    title = publishing["pretty_name"] or report["name"]
    whole = "ragged" if "ragged" in rows else "n-tuple"
    return template("card.md.jinja")(
        front_matter=front_matter(title, publishing, terms is not None, split, rows, features),
        title=title,
        prose=prose,
        report={**dict.fromkeys(_SOMETIMES), **report},
        publishing=publishing,
        split=split,
        whole=whole,
        held_out={part: n for part, n in sorted(rows.get("queries", {}).items()) if part != split},
        configs=tables.configs(rows),
        funnel=tables.funnel(report["stages"]),
        reasons=tables.reasons(report["stages"]),
        origins=tables.origins(report["origins"]),
        mixing=tables.mixing(report["mixing"]) if report.get("mixing") else [],
        gate=tables.gate(report["validation"]),
        review=tables.review(report["review"]) if report.get("review") else None,
        attributes=tables.attributes(report.get("attributes", [])),
        audit=tables.audit(report["audit"]) if report.get("audit") else None,
        models=models,
        digests=tables.digests(models),
        reasoning=reasoning(
            source_license,
            terms,
            {model.label: model.license for model in models if not model.writes},
            publishing["license"],
        ),
        written=terms is not None,
        syneg=SYNEG,
        version=__version__,
        recipe_file=shlex.quote(markdown.plain(recipe_name)),
        fingerprint=fingerprint,
        mark=marks(),
    )


@functools.cache  # compiled once: that takes longer than to render
def template(name: str) -> Callable[..., str]:
    """A template of this room; values are never templates, and nothing that is missing goes unnoticed."""
    import jinja2

    folder = resources.files("syneg_data.publishing")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda part: folder.joinpath(part).read_text(encoding="utf-8")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    for function in (markdown.inline, markdown.code, markdown.fenced, markdown.count, markdown.number):
        environment.filters[function.__name__] = function
    return environment.get_template(name).render


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
        sizes = {split: sum(map(_bytes_in_memory, (folder / config).glob(f"{split}-*.parquet"))) for split in splits}
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
    found = yaml.safe_load(card.to_yaml())["dataset_info"]
    return found if isinstance(found, list) else [found]  # of a single config it is no list


def _bytes_in_memory(path: Path) -> int:
    """What the rows of a file take as Arrow arrays, without having all of them there at once."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return sum(batch.nbytes for batch in file.iter_batches())
