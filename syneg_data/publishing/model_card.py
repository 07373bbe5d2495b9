"""The card of a trained retriever: every number from training.json, and none of the texts it was trained on."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from syneg_data.publishing.markdown import inline
from syneg_data.training.metrics import METRICS


def render_model_card(facts: Mapping[str, Any]) -> str:
    """README.md of the model's folder.

    Args:
        facts: what training.json holds.
    """
    import jinja2

    template = resources.files("syneg_data.publishing").joinpath("model_card.md.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    front: dict[str, Any] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": ["sentence-transformers", "sentence-similarity", "feature-extraction", "dense-retrieval"],
    }
    # Only what is on the Hub has an id that a page can link to.
    if "/" in facts["base"] and "@" in facts["base"]:
        front["base_model"] = facts["base"].partition("@")[0]
    if "@" in facts["dataset"]:
        front["datasets"] = [facts["dataset"].partition("@")[0]]
    return environment.from_string(template).render(
        front_matter=yaml.safe_dump(front, sort_keys=False, allow_unicode=True),
        facts={**facts, "base": inline(facts["base"]), "dataset": inline(facts["dataset"])},
        rows=list(_rows(facts)),
    )


def _rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per split, metric and reading."""
    rows = []
    for split, before in facts["before"].items():
        rows += _metrics(split, before, facts["after"][split], facts["gain"][split])
        new = facts["unseen"][split]
        if 0 < new["queries"] < new["of"]:
            label = f"{split}, {new['queries']} of {new['of']} queries: no positive trained on"
            rows += _metrics(label, new["before"], new["after"], new["gain"])
    return rows


def _metrics(
    split: str, before: Mapping[str, float], after: Mapping[str, float], gain: Mapping[str, Any]
) -> list[dict[str, Any]]:
    return [
        {"split": split, "metric": name, "before": before[name], "after": after[name], "gain": gain[name]}
        for name in METRICS
    ]
