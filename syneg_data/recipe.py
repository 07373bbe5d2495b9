"""The whole recipe at a glance, and load_recipe: all schema errors at once, as `file:line: path: what; what to do`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from syneg_data.audit.section import Audit, Bound, Gates
from syneg_data.encoders.bi_encoder import Prompts
from syneg_data.engines import Engine
from syneg_data.errors import InputError
from syneg_data.export.formats import Export, Format
from syneg_data.generation import Generation, Reflection, Sampling, Strategy
from syneg_data.languages import Language
from syneg_data.licenses import License, conflict
from syneg_data.mining import Guards, Miner
from syneg_data.mixing import Mixing
from syneg_data.mixing.options import Offer
from syneg_data.recipe_text import Parsed, parse, problem, schema_problems
from syneg_data.references import Model
from syneg_data.sources import Documents, HubPairs, Source
from syneg_data.spec import Spec
from syneg_data.training import Objective, Training
from syneg_data.validation import Floor, Reranker, Review, Rule, Validation


class Publishing(Spec):
    """The publishing section of a recipe."""

    license: License = Field(description="licence of the data set")
    pretty_name: str | None = Field(default=None, description="title on the card; default: the recipe's name")
    license_name: str | None = Field(
        default=None,
        description="with license: other, its name as the Hub shows it, such as llama3.1-community",
        pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$",
    )
    license_link: str | None = Field(
        default=None,
        description="with license: other, where its text can be read",
        max_length=400,
        pattern=r"^https://[A-Za-z0-9._~:/?#@!$&*+,;=%-]+$",
    )
    language: tuple[Language, ...] = Field(default=("en",), description="ISO 639-1 codes", min_length=1)
    source_datasets: tuple[Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")], ...] = Field(
        default=(),
        description="Hub ids of the data sets that the source was made from, such as BeIR/scifact; left out: none",
    )
    retriever: str | None = Field(
        default=None,
        description="Hub id, owner/name, of the reference retriever that is published too; the card links to it",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$",
    )


class Elsewhere(Spec):
    """A split of another collection, on which `compare` measures too."""

    name: str = Field(description="as the tables have it", pattern=r"^[\w.-]+$")
    source: Source = Field(description="where it comes from; its split is searched whole, nothing of it is trained on")


class Comparison(Spec):
    """The comparison section of a recipe."""

    learning_rates: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(2e-5, 5e-5, 1e-4),
        min_length=1,
        description="each arm takes the one that is best on dev; of equals the first",
    )
    held_out: float = Field(
        default=0.1, ge=0, lt=0.5, description="share of the queries kept back to look for shortcuts on; 0: none is"
    )
    elsewhere: tuple[Elsewhere, ...] = Field(default=(), description="other collections to measure on")


class Recipe(Spec):
    """One data set, from source to card."""

    name: str = Field(description="name of the data set and of its build folder", pattern=r"^[a-z0-9][a-z0-9._-]*$")
    seed: int = Field(description="every random choice follows from it", ge=0)
    limit: int | None = Field(
        default=None, ge=1, description="only this many queries, chosen by hash so that limits nest"
    )
    source: Source = Field(description="corpus, queries and judgements")
    mining: tuple[Miner, ...] = Field(min_length=1, description="where retrieved negatives come from")
    guards: Guards = Field(default=Guards(), description="what is refused by its text alone")
    generation: Generation | None = Field(default=None, description="where written negatives come from; left out: none")
    validation: Validation = Field(description="the gate against false negatives")
    mixing: Mixing = Field(description="which kept candidates become whose negatives")
    audit: Audit | None = Field(default=None, description="gates on the figures of the finished set; left out: none")
    export: Export | None = Field(
        default=None, description="formats of trainers, written beside the configs; left out: none"
    )
    publishing: Publishing = Field(description="what the card needs to say")
    training: Training | None = Field(default=None, description="the reference retriever")
    comparison: Comparison | None = Field(default=None, description="what `compare` tries and measures on")


# The sections that are the same for every recipe, and where each kind may stand; `syneg-data kinds`, the docs and the
# contract tests are made from these two.
SECTIONS: dict[str, type[Spec]] = {
    "recipe": Recipe,
    "source.corpus": Documents,
    "source.pairs": HubPairs,
    "prompts": Prompts,
    "guards": Guards,
    "generation": Generation,
    "generation.sampling": Sampling,
    "validation": Validation,
    "validation.floor": Floor,
    "validation.review": Review,
    "audit": Audit,
    "audit.gates": Gates,
    "audit.gates.*": Bound,
    "export": Export,
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
    "export.formats[]": Format,
    "training.objective": Objective,
    "model": Model,
}


@dataclass(frozen=True)
class RecipeFile:
    """A recipe with the file it came from.

    Attributes:
        path: the file, as it was named.
        written: what it says, as written.
        recipe: what that means.
        folder: where the file is, from anywhere.
    """

    path: Path
    written: dict[str, Any]
    recipe: Recipe
    folder: Path

    def __repr__(self) -> str:
        return f"RecipeFile({str(self.path)!r})"


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
    parsed = parse(str(path), text)
    if not isinstance(parsed.value, dict):
        raise InputError(f"{path}:1: the recipe is not a mapping; start with `name:`")
    if limit is not None:
        parsed.value["limit"] = limit
    return _checked(file, parsed)


def check_recipe(file: Path, written: dict[str, Any]) -> RecipeFile:
    """A recipe from what a file would say.

    Args:
        file: the file that it stands for; paths are relative to its folder.
        written: its content.

    Raises:
        InputError: with one line for every error found.
    """
    return _checked(file, Parsed(written, {}))


def recorded_recipe(written: Mapping[str, Any]) -> Recipe:
    """The recipe in the lock of a build, which may have been made on another machine: no path in it need be here.

    Raises:
        ValidationError: no build of this version can have recorded it.
    """
    return Recipe.model_validate(written, context={"elsewhere": True})


def _checked(file: Path, parsed: Parsed) -> RecipeFile:
    path = str(file)
    try:
        recipe = Recipe.model_validate(parsed.value, context={"base": file.parent})
    except ValidationError as error:
        raise InputError("\n".join(schema_problems(path, parsed, error, Recipe))) from None
    problems = [problem(path, parsed, loc, what) for loc, what in _sense_problems(recipe)]
    if problems:
        raise InputError("\n".join(problems))
    return RecipeFile(file, parsed.value, recipe, file.parent.absolute())


def _sense_problems(recipe: Recipe) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What the schema cannot see: sections that do not fit each other."""
    for at, said in recipe.mixing.problems(offer_of(recipe)):
        yield ("mixing", *at), said
    terms = recipe.generation.terms if recipe.generation else None
    if what := conflict(recipe.source.license, terms, recipe.publishing.license):
        yield ("publishing", "license"), what
    for field, what in _naming_problems(recipe.publishing):
        yield ("publishing", field), what
    for where, what in gate_problems(recipe.validation):
        yield ("validation", *where), what
    for i, what in export_problems(recipe):
        yield ("export", "formats", i), what
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
        for i, what in taken_names([entry.name for entry in entries]):
            yield (*loc, i), what


def taken_names(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The entries of a list whose name an earlier one has: position, what and what to do."""
    for i, name in enumerate(names):
        if name in names[:i]:
            yield i, f"the name '{name}' is taken; give each entry a `name` of its own"


def offer_of(recipe: Recipe) -> Offer:
    """What a recipe offers to its mixing."""
    strategies = recipe.generation.strategies if recipe.generation else ()
    gate = recipe.validation
    return Offer(
        mined=tuple(miner.name for miner in recipe.mining),
        written=tuple(strategy.name for strategy in strategies if strategy.kind != "restyle"),
        grades={strategy.name: strategy.negative_grades() for strategy in strategies if strategy.kind == "graded"},
        one_scale=len(gate.panel()) < 2 or gate.agreement() in ("joint", "mean") or gate.rule.kind == "calibrated",
    )


def export_problems(recipe: Recipe) -> Iterator[tuple[int, str]]:
    """Which formats cannot be written, and why."""
    formats = recipe.export.formats if recipe.export else ()
    for i, format in enumerate(formats):
        if format.kind in [other.kind for other in formats[:i]]:
            yield i, f"'{format.kind}' stands here twice; keep one"
        if not (recipe.mixing.even or format.uneven):
            yield (
                i,
                f"'{format.kind}' needs as many negatives in every example, which this mixing does not give; choose "
                "another format, or a mixing whose examples all have as many",
            )


def _naming_problems(spec: Publishing) -> Iterator[tuple[str, str]]:
    """A licence that the Hub does not list has a name and a link, and no other one does."""
    for field in ("license_name", "license_link"):
        if spec.license == "other" and getattr(spec, field) is None:
            yield field, f"missing; license: other says nothing by itself, so state {field}"
        if spec.license != "other" and getattr(spec, field) is not None:
            yield field, f"belongs to license: other, and this one is {spec.license}; remove it"


def gate_problems(spec: Validation) -> Iterator[tuple[tuple[str, ...], str]]:
    """What of the validation section does not fit together: where in it, what and what to do."""
    language_models = [i for i, reranker in enumerate(spec.rerankers) if reranker.kind == "llm"]
    if spec.ambiguous == "llm" and len(language_models) != 1:
        yield (
            ("ambiguous",),
            f"'llm' needs exactly one reranker of kind llm, here are {len(language_models)}; add or remove one",
        )
    if spec.agree == "joint" and spec.rule.kind != "calibrated":
        yield ("agree",), f"'joint' needs rule.kind calibrated, not {spec.rule.kind}; use any, all or mean"
    if not spec.panel():
        yield ("rerankers",), "only the llm reranker is left to judge; add another, or use ambiguous: drop"
    if spec.ambiguous != "drop" and not spec.rule.doubt:
        yield ("ambiguous",), "the rule has no band of doubt, so nothing is ambiguous; set rule.doubt"
    if spec.review is not None and spec.review.reranker.name in [reranker.name for reranker in spec.rerankers]:
        yield (
            ("review", "reranker"),
            f"the name '{spec.review.reranker.name}' is a reranker's of the gate; give it a name of its own",
        )
