"""The text of a recipe: YAML with the line of every value, and what is wrong with it as `file:line: path: what`."""

import difflib
import re
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from syneg_data.errors import InputError
from syneg_data.spec import Spec, kind_of, members


@dataclass(frozen=True)
class Parsed:
    """What a YAML text says, and the line of every value by its path."""

    value: Any
    lines: dict[tuple[str | int, ...], int]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core types: `1e-5` is a number, `no` and `12:30` are text."""


_Loader.yaml_implicit_resolvers = {}


_CORE = {
    "null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"^[-+]?[0-9]+$", list("-+0123456789")),
    "float": (r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
}
for _name, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(_pattern), _first)


_MOST_NODES = 100_000


def parse(name: str, text: str) -> Parsed:
    """Read YAML.

    Raises:
        InputError: it is no YAML, or has keys twice, tags, or no end.
    """
    lines: dict[tuple[str | int, ...], int] = {}
    problems: list[str] = []
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(
            f"{name}:{line}: not valid YAML (control character #x{ord(text[error.position]):02x}); mend the line"
        ) from None
    try:
        node = loader.get_single_node()
        value = None if node is None else _construct(loader, node, (), lines, problems, [_MOST_NODES])
    except RecursionError:
        raise InputError(f"{name}: nested too deeply, or too large, to be a recipe; write it flat") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{name}:{line}: not valid YAML ({what}); mend the line") from None
    finally:
        loader.dispose()
    if problems:
        raise InputError("\n".join(f"{name}:{problem}" for problem in problems))
    return Parsed(value, lines)


def _construct(
    loader: _Loader,
    node: Any,  # noqa: ANN401
    loc: tuple[str | int, ...],
    lines: dict[tuple[str | int, ...], int],
    problems: list[str],
    budget: list[int],
) -> Any:  # noqa: ANN401
    """Plain values of a node tree, the line of each, and a problem for whatever a recipe has no use for."""
    line = node.start_mark.line + 1
    lines.setdefault(loc, line)
    budget[0] -= 1
    if budget[0] < 0:  # aliases can make a small file huge
        raise RecursionError
    if node.tag.removeprefix("tag:yaml.org,2002:") not in (*_CORE, "str", "map", "seq"):
        problems.append(f"{line}: {_dotted(loc)}: tag {node.tag} is not allowed; write a plain value")
        return None
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            here = (*loc, key)
            if not key or key in mapping:
                what = f"key '{key}' stands twice; keep one" if key else "a key is not text; write a word"
                problems.append(f"{key_node.start_mark.line + 1}: {_dotted(loc) or 'recipe'}: {what}")
                continue
            lines[here] = key_node.start_mark.line + 1
            mapping[key] = _construct(loader, value_node, here, lines, problems, budget)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, item, (*loc, i), lines, problems, budget) for i, item in enumerate(node.value)]
    try:
        return _scalar(node.tag.removeprefix("tag:yaml.org,2002:"), node.value)
    except (ValueError, KeyError):
        problems.append(f"{line}: {_dotted(loc)}: {_shown(node.value)} is not what its tag says; write a plain value")
        return None


def _scalar(tag: str, text: str) -> str | int | float | bool | None:
    """A value of YAML 1.2's core types; PyYAML's own constructors would read `010` as octal."""
    if tag == "bool":
        return {"true": True, "false": False}[text.lower()]
    if tag == "null":
        return None
    return int(text) if tag == "int" else float(text) if tag == "float" else text


def part(label: str, text: str, annotation: Any) -> Any:  # noqa: ANN401
    """A part of a recipe that stands alone, as on a command line.

    Raises:
        InputError: with one line for every error found, each beginning with `label`.
    """
    parsed = parse(label, text)
    try:
        return TypeAdapter(annotation).validate_python(parsed.value)
    except ValidationError as error:
        problems = schema_problems(label, parsed, error, annotation)
        # There is one line and no file, so only the path and what is wrong with it are worth saying.
        raise InputError("\n".join(text.replace(f"{label}:1: recipe: ", f"{label}: ") for text in problems)) from None


def schema_problems(name: str, parsed: Parsed, error: ValidationError, root: Any) -> list[str]:  # noqa: ANN401
    """A line for everything that pydantic found wrong with a value of type `root`."""
    problems = []
    for details in error.errors():
        if details["type"] == "too_short" and details["input"]:
            continue  # pydantic's echo of entries that were refused; each has a line of its own
        loc, spec = _user_location(parsed.value, details["loc"], members(root))
        problems.append((_line(parsed, loc), problem(name, parsed, loc, _say(details, loc, spec))))
    return [text for _, text in sorted(dict.fromkeys(problems))]


def _user_location(
    value: Any,  # noqa: ANN401
    loc: tuple[str | int, ...],
    holders: tuple[type[Spec], ...],
) -> tuple[tuple[str | int, ...], type[Spec] | None]:
    """The location without pydantic's union tags, and the Spec that holds its last key."""
    here: Any = value
    path: list[str | int] = []
    holder = holders[0] if len(holders) == 1 else None
    for part in loc:
        tagged = [m for m in holders if len(holders) > 1 and kind_of(m) == part]
        if tagged:
            holders, holder = (tagged[0],), tagged[0]
            continue
        holder = holders[0] if len(holders) == 1 else None
        path.append(part)
        if isinstance(part, int):
            here = here[part] if isinstance(here, list) and part < len(here) else None
        else:
            here = here.get(part) if isinstance(here, dict) else None
            field = holder.model_fields.get(part) if holder else None
            holders = members(field.annotation) if field else ()
    return tuple(path), holder


def _say(details: ErrorDetails, loc: tuple[str | int, ...], spec: type[Spec] | None) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key; " + _suggest(str(loc[-1]), list(spec.model_fields) if spec else [])
    if kind == "missing":
        return "missing; add it"
    if kind == "union_tag_not_found":
        return "has no `kind`; add one"
    if kind == "union_tag_invalid":
        kinds = re.findall(r"'([^']+)'", context["expected_tags"])
        return f"unknown kind '{context['tag']}'; " + _suggest(str(context["tag"]), kinds)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"must be a mapping, not {_shown(details['input'])}; write its keys below it"
    if kind == "tuple_type":
        return f"must be a list, not {_shown(details['input'])}; start each entry with `- `"
    if kind == "too_short":
        return "is empty; add an entry"
    if kind == "string_pattern_mismatch":
        return f"{_shown(details['input'])} does not match {context['pattern']}; choose another"
    message = details["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if kind == "value_error":
        return message
    if kind.endswith(("_type", "_parsing", "_error")) or "Input should be" in details["msg"]:
        return f"must be {message}, not {_shown(details['input'])}; change the value"
    return message


def _shown(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "empty"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(value)[:60]


def _suggest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"


def problem(name: str, parsed: Parsed, loc: tuple[str | int, ...], what: str) -> str:
    """`file:line: path: what`."""
    return f"{name}:{_line(parsed, loc)}: {_dotted(loc) or 'recipe'}: {what}"


def _line(parsed: Parsed, loc: tuple[str | int, ...]) -> int:
    while loc and loc not in parsed.lines:
        loc = loc[:-1]
    return parsed.lines.get(loc, 1)


def _dotted(loc: tuple[str | int, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc]
    return "".join(parts).removeprefix(".")
