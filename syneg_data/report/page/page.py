"""The page put together: sections, drawings, the examples as data, and a policy that lets nothing else in."""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml
from markupsafe import Markup

from syneg_data.report.page import audit, gate, sections
from syneg_data.report.page.browser import Bounds, browser_data
from syneg_data.report.page.escaping import all_visible, embedded_json, visible
from syneg_data.report.page.flow import funnel
from syneg_data.report.page.tally import FATES, drafts_by_state, tally_of

if TYPE_CHECKING:
    import pyarrow as pa

CONFIGS = ("queries", "qrels", "ids", "corpus", "candidates", "scores", "generations")  # what the page is made of


class Folder(Protocol):
    """A build read back, as `publishing.release` has it."""

    @property
    def folder(self) -> Path:
        """Where it is."""

    def table(self, config: str) -> "pa.Table":
        """The rows of a config, of the split that is trained on."""

    def json(self, name: str) -> dict[str, Any]:
        """The content of a JSON file."""


class Streamed(Protocol):
    """Rows that are not in memory yet."""

    def table(self) -> "pa.Table":
        """All of them."""


def render_page(
    *,
    report: Mapping[str, Any],
    lock: Mapping[str, Any],
    tables: "Mapping[str, pa.Table | Streamed]",
    bounds: Bounds | None = None,
) -> str:
    """report.html of a build folder; no time, no path and no address is in it.

    Args:
        report: what report.json holds.
        lock: what recipe.lock.yaml holds: fingerprint, tool, inputs, recipe.
        tables: CONFIGS -> rows of the split that is trained on; streams of rows do too.
        bounds: how much of the build the examples may take; left out: enough for a page below 10 MB.
    """
    import jinja2
    import pyarrow as pa

    whole = {name: rows if isinstance(rows, pa.Table) else rows.table() for name, rows in tables.items()}
    bounds = bounds or Bounds()
    # In the order in which report.json has it, so that the page is the same when it is made from the file.
    report = all_visible(json.loads(json.dumps(report, sort_keys=True)))
    validation = report.get("validation", {})
    tally = tally_of(whole["candidates"], validation)
    data = browser_data(whole, validation, report["seed"], bounds)
    style, script = _part("page.css"), _part("page.js")
    recipe = all_visible(lock["recipe"])
    publishing = recipe.get("publishing", {})
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=True, finalize=visible, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["figure"] = lambda value: f"{value:,}"
    return environment.from_string(_part("page.html.jinja")).render(
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(embedded_json(data)),
        title=publishing.get("pretty_name") or report["name"],
        report=report,
        recipe=recipe,
        license=publishing.get("license"),
        source_license=recipe.get("source", {}).get("license"),
        terms=(recipe.get("generation") or {}).get("terms"),
        lock=lock,
        models={role: entry for role, entry in lock["inputs"].items() if "model" in entry},
        source=lock["inputs"].get("source", {}),
        tiles=sections.tiles(report, whole["queries"].num_rows),
        flow=funnel(tally, drafts_by_state(report["stages"])),
        ledger=sections.ledger(report["stages"]),
        panels=gate.score_panels(tally),
        threshold_note=gate.threshold_note(tally, validation),
        fates={fate: name for fate, name in FATES.items() if any(fate in found for found in tally.scores.values())},
        rerankers=gate.rerankers(validation),
        joint_note=gate.joint_note(validation),
        audit=audit.audit(report),
        generation=sections.generation(report, whole["generations"]),
        attributes=sections.attributes(report.get("attributes", [])),
        critic=sections.critic(report),
        mixing=sections.mixing(report),
        exports=report.get("exports", []),
        shown={"queries": len(data["queries"]), "of": data["of"], "length": bounds.length},
    )


def page_of(release: Folder, bounds: Bounds | None = None) -> str:
    """The page of a build folder, made anew from its files.

    Args:
        release: from `publishing.release.open_release`.
        bounds: as for `render_page`.
    """
    lock = yaml.safe_load((release.folder / "recipe.lock.yaml").read_text(encoding="utf-8"))
    tables = {config: release.table(config) for config in CONFIGS}
    return render_page(report=release.json("report.json"), lock=lock, tables=tables, bounds=bounds)


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded, sent, framed or run but the page's own style and script, named by their digests."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return resources.files("syneg_data.report.page").joinpath(name).read_text(encoding="utf-8")
