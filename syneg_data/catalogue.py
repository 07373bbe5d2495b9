"""kinds: everything a recipe can say, read off the unions."""

import inspect
from typing import Any

from syneg_data.recipe import SECTIONS, UNIONS
from syneg_data.spec import Spec, kind_of, members


def catalogue() -> dict[str, list[dict[str, Any]]]:
    """Section -> its kinds, each with what it is and its fields (name, default, what).

    Sections without a choice of kinds stand as one entry whose kind is empty.
    """
    plain = {section: [_entry(spec)] for section, spec in SECTIONS.items()}
    return plain | {section: [_entry(spec) for spec in members(union)] for section, union in UNIONS.items()}


def catalogue_markdown() -> str:
    """The catalogue as a Markdown page."""
    lines = ["# Kinds", "", "Made by `syneg-data kinds --markdown`; what may stand in each section of a recipe.", ""]
    for section, entries in catalogue().items():
        lines += [f"## {section}", ""]
        for entry in entries:
            lines += [f"### {entry['kind']}", ""] if entry["kind"] else []
            lines += [entry["what"], "", *_field_table(entry["fields"]), ""]
    return "\n".join(lines).rstrip() + "\n"


def _entry(spec: type[Spec]) -> dict[str, Any]:
    return {"kind": kind_of(spec) or "", "what": inspect.getdoc(spec) or "", "fields": _fields(spec)}


def _fields(spec: type[Spec]) -> list[dict[str, Any]]:
    rows = []
    for name, field in spec.model_fields.items():
        if name == "kind":
            continue
        default = "required" if field.is_required() else _shown(field.default)
        if field.default_factory is not None:
            default = "from the others"
        rows.append({"name": name, "default": default, "what": field.description or ""})
    return rows


def _shown(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "none"
    if isinstance(value, Spec):
        return getattr(value, "kind", "defaults")
    if isinstance(value, dict):
        return ", ".join(value)
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def _field_table(fields: list[dict[str, Any]]) -> list[str]:
    if not fields:
        return ["No fields."]
    rows = [f"| `{row['name']}` | {row['default']} | {row['what'].replace('|', '/')} |" for row in fields]
    return ["| field | default | what |", "|---|---|---|", *rows]
