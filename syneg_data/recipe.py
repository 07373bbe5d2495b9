"""The whole recipe at a glance, and load_recipe: all schema errors at once, as `file:line: path: what; what to do`."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from syneg_data.engines import Engine
from syneg_data.errors import InputError
from syneg_data.generation import Generation, Reflection, Sampling, Strategy
from syneg_data.licenses import License, conflict
from syneg_data.mining import Guards, Miner, Prompts
from syneg_data.mixing import Mixing
from syneg_data.references import Model
from syneg_data.sources import Source
from syneg_data.spec import Spec, kind_of, members
from syneg_data.training import Objective, Training
from syneg_data.validation import Floor, Reranker, Review, Rule, Validation


class Audit(Spec):
    """The audit section of a recipe; it has no settings yet."""


class Publishing(Spec):
    """The publishing section of a recipe."""

    license: License = Field(description="licence of the data set")
    pretty_name: str | None = Field(None, description="title on the card; default: the recipe's name")
    language: tuple[str, ...] = Field(("en",), description="ISO 639-1 codes")


class Elsewhere(Spec):
    """A split of another collection, on which `compare` measures too."""

    name: str = Field(description="as the tables have it", pattern=r"^[\w.-]+$")
    source: Source = Field(description="where it comes from; its split is searched whole, nothing of it is trained on")


class Comparison(Spec):
    """The comparison section of a recipe."""

    learning_rates: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (2e-5, 5e-5, 1e-4), min_length=1, description="each arm takes the one that is best on dev; of equals the first"
    )
    held_out: float = Field(0.1, gt=0, lt=0.5, description="share of the queries kept back to look for shortcuts on")
    elsewhere: tuple[Elsewhere, ...] = Field((), description="other collections to measure on")


class Recipe(Spec):
    """One data set, from source to card."""

    name: str = Field(description="name of the data set and of its build folder", pattern=r"^[a-z0-9][a-z0-9._-]*$")
    seed: int = Field(description="every random choice follows from it", ge=0)
    limit: int | None = Field(None, ge=1, description="only this many queries, chosen by hash so that limits nest")
    source: Source = Field(description="corpus, queries and judgements")
    mining: tuple[Miner, ...] = Field(min_length=1, description="where retrieved negatives come from")
    guards: Guards = Field(Guards(), description="what is refused by its text alone")
    generation: Generation | None = Field(None, description="where written negatives come from; left out: none")
    validation: Validation = Field(description="the gate against false negatives")
    mixing: Mixing = Field(description="which kept candidates become whose negatives")
    audit: Audit | None = Field(None, description="measurements on the finished set")
    publishing: Publishing = Field(description="what the card needs to say")
    training: Training | None = Field(None, description="the reference retriever")
    comparison: Comparison | None = Field(None, description="what `compare` tries and measures on")


# The sections that are the same for every recipe, and where each kind may stand; `syneg-data kinds`, the docs and the
# contract tests are made from these two.
SECTIONS: dict[str, type[Spec]] = {
    "recipe": Recipe,
    "mining[].prompts": Prompts,
    "guards": Guards,
    "generation": Generation,
    "generation.sampling": Sampling,
    "validation": Validation,
    "validation.floor": Floor,
    "validation.review": Review,
    "audit": Audit,
    "publishing": Publishing,
    "training": Training,
    "comparison": Comparison,
    "comparison.elsewhere[]": Elsewhere,
}
UNIONS: dict[str, Any] = {
    "source": Source,
    "mining[]": Miner,
    "generation.engine": Engine,
    "generation.strategies[]": Strategy,
    "generation.reflection": Reflection,
    "validation.rerankers[]": Reranker,
    "validation.rule": Rule,
    "mixing": Mixing,
    "training.objective": Objective,
    "model": Model,
}


@dataclass(frozen=True)
class RecipeFile:
    """A recipe with the file it came from and what the file says, as written."""

    path: Path
    written: dict[str, Any]
    recipe: Recipe


@dataclass(frozen=True)
class _Parsed:
    value: Any
    lines: dict[tuple[str | int, ...], int]


def load_recipe(path: str | Path, limit: int | None = None) -> RecipeFile:
    """Read and check a recipe.

    Args:
        path: the YAML file; paths inside it are relative to its folder.
        limit: replaces the recipe's own `limit`.

    Raises:
        InputError: with one line for every error found.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path}: {what}; name a recipe in YAML") from error
    parsed = _parse(str(path), text)
    if not isinstance(parsed.value, dict):
        raise InputError(f"{path}:1: the recipe is not a mapping; start with `name:`")
    if limit is not None:
        parsed.value["limit"] = limit
    try:
        recipe = Recipe.model_validate(_frozen(parsed.value), context={"base": file.parent})
    except ValidationError as error:
        raise InputError("\n".join(_schema_problems(str(path), parsed, error))) from None
    problems = [_problem(str(path), parsed, loc, what) for loc, what in _sense_problems(recipe)]
    if problems:
        raise InputError("\n".join(problems))
    return RecipeFile(file, parsed.value, recipe)


def _sense_problems(recipe: Recipe) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What the schema cannot see: sections that do not fit each other."""
    if recipe.generation is None and recipe.mixing.kind == "hybrid":
        yield ("mixing", "kind"), "'hybrid' needs a generation section; add one, or use kind: mined_only"
    terms = recipe.generation.terms if recipe.generation else None
    if what := conflict(recipe.source.license, terms, recipe.publishing.license):
        yield ("publishing", "license"), what
    yield from _gate_problems(recipe.validation)
    comparison = recipe.comparison or Comparison()
    if len(set(comparison.learning_rates)) < len(comparison.learning_rates):
        yield ("comparison", "learning_rates"), "a rate stands here twice; name each once"
    taken = [recipe.name]
    for i, other in enumerate(comparison.elsewhere):
        if other.name in taken:
            yield ("comparison", "elsewhere", i), f"the name '{other.name}' is taken; give each set a `name` of its own"
        taken.append(other.name)
    lists: list[tuple[tuple[str | int, ...], tuple[Any, ...]]] = [
        (("mining",), recipe.mining),
        (("validation", "rerankers"), recipe.validation.rerankers),
        (("generation", "strategies"), recipe.generation.strategies if recipe.generation else ()),
    ]
    for loc, entries in lists:
        names = [entry.name for entry in entries]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield (*loc, i), f"the name '{name}' is taken; give each entry a `name` of its own"


def _gate_problems(spec: Validation) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What of the validation section does not fit together."""
    language_models = [i for i, reranker in enumerate(spec.rerankers) if reranker.kind == "llm"]
    if spec.ambiguous == "llm" and len(language_models) != 1:
        yield (
            ("validation", "ambiguous"),
            f"'llm' needs exactly one reranker of kind llm, here are {len(language_models)}; add or remove one",
        )
    if not spec.panel():
        yield ("validation", "rerankers"), "only the llm reranker is left to judge; add another, or use ambiguous: drop"
    if spec.ambiguous != "drop" and not spec.rule.doubt:
        yield ("validation", "ambiguous"), "the rule has no band of doubt, so nothing is ambiguous; set rule.doubt"
    if spec.review is not None and spec.review.reranker.name in [reranker.name for reranker in spec.rerankers]:
        yield (
            ("validation", "review", "reranker"),
            f"the name '{spec.review.reranker.name}' is a reranker's of the gate; give it a name of its own",
        )


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


def _parse(name: str, text: str) -> _Parsed:
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
    return _Parsed(value, lines)


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


def _frozen(value: Any) -> Any:  # noqa: ANN401
    """Lists as tuples, which is what frozen specs hold."""
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _schema_problems(name: str, parsed: _Parsed, error: ValidationError) -> list[str]:
    problems = []
    for details in error.errors():
        if details["type"] == "too_short" and details["input"]:
            continue  # pydantic's echo of entries that were refused; each has a line of its own
        loc, spec = _user_location(parsed.value, details["loc"])
        problems.append((_line(parsed, loc), _problem(name, parsed, loc, _say(details, loc, spec))))
    return [text for _, text in sorted(dict.fromkeys(problems))]


def _user_location(
    value: Any,  # noqa: ANN401
    loc: tuple[str | int, ...],
) -> tuple[tuple[str | int, ...], type[Spec] | None]:
    """The location without pydantic's union tags, and the Spec that holds its last key."""
    here: Any = value
    holders: tuple[type[Spec], ...] = (Recipe,)
    path: list[str | int] = []
    holder: type[Spec] | None = Recipe
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


def _problem(name: str, parsed: _Parsed, loc: tuple[str | int, ...], what: str) -> str:
    return f"{name}:{_line(parsed, loc)}: {_dotted(loc) or 'recipe'}: {what}"


def _line(parsed: _Parsed, loc: tuple[str | int, ...]) -> int:
    while loc and loc not in parsed.lines:
        loc = loc[:-1]
    return parsed.lines.get(loc, 1)


def _dotted(loc: tuple[str | int, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc]
    return "".join(parts).removeprefix(".")
