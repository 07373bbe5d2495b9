"""The build folder: tables, exports, lock, card, page and manifest, written aside and put in place at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from syneg_data import __version__
from syneg_data.collection import Collection
from syneg_data.durable import swap_directory, write_json, write_text
from syneg_data.errors import InputError
from syneg_data.export.configs import (
    candidate_table,
    collection_tables,
    generation_table,
    query_tables,
    score_table,
    training_rows,
)
from syneg_data.export.finished import Finished, positive_scores
from syneg_data.export.formats import write_exports
from syneg_data.export.parquet import rows_by_config, write_configs
from syneg_data.line import Judged, Line, Mined, Written
from syneg_data.mixing.selection import Mixed
from syneg_data.publishing.card import dataset_info, render_card
from syneg_data.publishing.manifest import write_manifest
from syneg_data.publishing.models import credits_of, inputs_of
from syneg_data.publishing.release import read_lock
from syneg_data.report.page import CONFIGS as PAGE_CONFIGS
from syneg_data.report.page import render_page


def write_folder(
    line: Line,
    out: Path,
    collection: Collection,
    held_out: Mapping[str, Collection],
    mined: Mined,
    written: Written,
    judged: Judged,
    mixed: Mixed,
    report: dict[str, Any],
    prose: dict[str, str],
    name: str,
) -> None:
    """Write the whole build folder aside and put it in place at once.

    Args:
        line: the recipe and its models.
        out: the folder; one that is there is replaced.
        collection: what was built on.
        held_out: the splits to evaluate on.
        mined: from the stage of that name, as are `written`, `judged` and `mixed`.
        written: see there.
        judged: see there.
        mixed: see there.
        report: of all stages; what the exports hold is added to it.
        prose: of the card.
        name: the fingerprint of the build.
    """
    recipe, split = line.file.recipe, line.file.recipe.source.split
    folder = line.workspace.scratch("export")
    finished = _finished(line, collection, held_out, written, judged, mixed)
    tables = _tables(line, collection, finished, mined, written, judged, mixed)
    by_split = {config: {split: table} for config, table in tables.items()}
    for other, part in held_out.items():
        for config, table in query_tables(part).items():
            by_split[config][other] = table
    rows = write_configs(folder, by_split)
    by_config = rows_by_config(rows)
    if recipe.export is not None:
        report["exports"], exported = write_exports(folder, recipe.export.formats, finished, even=recipe.mixing.even)
        rows |= exported
    source: dict[str, Any] = {"split": split, "license": recipe.source.license, "sha256": collection.digest}
    if collection.origin:
        source["commits"] = dict(collection.origin)
    inputs = inputs_of(line.models) | {"source": source}
    write_json(folder / "report.json", report)
    lock: dict[str, Any] = {"fingerprint": name, "tool": f"syneg-data {__version__}", "inputs": inputs}
    if written.proposals:
        lock["proposals"] = report["proposals"]
    lock["recipe"] = line.file.written
    write_text(folder / "recipe.lock.yaml", yaml.safe_dump(lock, sort_keys=False, allow_unicode=True, width=100))
    card = render_card(
        report=report,
        prose=prose,
        publishing=recipe.publishing.model_dump(),
        source_license=recipe.source.license,
        terms=recipe.generation.terms if recipe.generation else None,
        split=split,
        rows=by_config,
        features=dataset_info(folder, by_config),
        models=credits_of(recipe, line.models),
        recipe_name=line.file.path.name,
        fingerprint=name,
    )
    write_text(folder / "README.md", card)
    shown = {config: tables[config] for config in PAGE_CONFIGS}
    write_text(folder / "report.html", render_page(report=report, lock=lock, tables=shown))
    write_manifest(folder, name, inputs, rows)
    swap_directory(folder, out, line.workspace.root / "replaced")


def written_recipe(out: Path) -> Any:  # noqa: ANN401
    """The recipe that the lock of a build folder holds, as written; None where it cannot be read."""
    try:
        return read_lock(out, out.name)
    except InputError:
        return None


def _finished(
    line: Line,
    collection: Collection,
    held_out: Mapping[str, Collection],
    written: Written,
    judged: Judged,
    mixed: Mixed,
) -> Finished:
    """The set as export formats are given it."""
    documents = written.documents()
    return Finished(
        collection.with_documents(documents),
        mixed.examples,
        line.file.recipe.source.split,
        frozenset(document.doc_id for document in documents),
        positive_scores(mixed.examples, judged.verdicts, judged.restyled),
        held_out,
    )


def _tables(
    line: Line,
    collection: Collection,
    finished: Finished,
    mined: Mined,
    written: Written,
    judged: Judged,
    mixed: Mixed,
) -> dict[str, Any]:
    """Every config of the build folder."""
    documents = written.documents()
    mixing = line.file.recipe.mixing
    each = mixing.negatives if mixing.even else None
    tables: dict[str, Any] = dict(training_rows(finished.collection, mixed.examples, each))
    chosen = {doc_id for example in mixed.examples for doc_id in (example.positive_id, *example.negative_ids)}
    tables |= collection_tables(collection, [d for d in documents if d.doc_id in chosen], mixed.examples)
    tables["candidates"] = candidate_table(
        mined.candidates, judged.verdicts, mixed.examples, judged.restyled, mixed.capped
    )
    tables["scores"] = score_table(judged.scores)
    tables["generations"] = generation_table(written.rows)
    return tables
