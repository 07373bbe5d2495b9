"""The stages as functions on plain objects, for notebooks: no recipe file, no workspace, nothing kept but the stores.

They are the very stages of a build. What replies, vectors and scores cost is paid once: those are found again in the
local cache (`SYNEG_CACHE`) whether a notebook or a build asked first.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syneg_data import gating, stages
from syneg_data.audit import registry
from syneg_data.audit.registry import Findings
from syneg_data.audit.subject import Embed, Subject
from syneg_data.collection import Collection
from syneg_data.errors import InputError
from syneg_data.execution import Progress, Silence
from syneg_data.export import configs
from syneg_data.generation import Generation, Strategy
from syneg_data.generation.drafts import final_rows
from syneg_data.inputs import model_of_engine, models_of_mining, models_of_validation, refuse_doubles, resolve
from syneg_data.line import Judged, Mined, Work, Written
from syneg_data.mining import Guards, Miner
from syneg_data.mixing import Mixing
from syneg_data.mixing.selection import Mixed
from syneg_data.recipe import gate_problems, taken_names
from syneg_data.validation import Validation

if TYPE_CHECKING:
    import pyarrow as pa


def mine(
    collection: Collection,
    miners: Sequence[Miner],
    *,
    guards: Guards | None = None,
    progress: Progress | None = None,
) -> Mined:
    """Candidates for every query, from any number of miners, united per (query, document).

    Args:
        collection: corpus, queries and judgements.
        miners: such as `Bm25(depth=50)`; each with a `name` of its own.
        guards: what is refused by its text alone; None: `Guards()`.
        progress: hears how far it is.

    Returns:
        `candidates` by query, then by best rank; positives, copies of them and the like are among them with a `reason`.

    Raises:
        InputError: two miners have one name, a model is broken, or a run does not fit the collection.
        UnavailableError: a model cannot be fetched.
    """
    _refuse_taken("mining", [miner.name for miner in miners])
    work = Work(progress=progress or Silence(), models=resolve(models_of_mining(miners)))
    return stages.mine(work, miners, guards or Guards(), collection)


def generate(
    collection: Collection,
    spec: Generation,
    mined: Mined | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Written:
    """What a language model writes for every (query, positive).

    Args:
        collection: corpus, queries and judgements.
        spec: the generation section of a recipe: engine, strategies, reflection, sampling, terms.
        mined: from `mine`; only strategies that rewrite what was mined need it.
        seed: every random choice follows from it.
        progress: hears how far it is.

    Returns:
        `rows`, one per request with the state of its reply; `documents()`, the texts that passed, under ids of their
        own.

    Raises:
        InputError: two strategies have one name, the model is broken, or its context is too short.
        GateError: the critic failed its exam, and `spec` says to end over that.
        UnavailableError: the engine or its model cannot be reached; what was written is in the store.
    """
    _refuse_taken("generation.strategies", [strategy.name for strategy in spec.strategies])
    work = Work(progress=progress or Silence(), models=resolve(model_of_engine(spec.engine)))
    return stages.generate(work, spec, collection, mined or Mined(), seed)


def validate(
    collection: Collection,
    spec: Validation,
    mined: Mined,
    written: Written | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Judged:
    """A verdict for every candidate, mined or written.

    That no reranker is the model that mined is left to the caller; a recipe is refused over it.

    Args:
        collection: corpus, queries and judgements, without what was written.
        spec: the gate: rerankers, rule, how they agree, and what becomes of doubt.
        mined: from `mine`; `Mined(candidates)` with candidates from elsewhere will do.
        written: from `generate`; None: nothing was written.
        seed: of the random documents that rules are fitted on.
        progress: hears how far it is.

    Returns:
        `verdicts`, one per candidate that no guard refused, by query: `keep`, `ambiguous`, `false_negative`,
        `duplicate`, `too_easy` or `failed`, with relevance, that of the positive, and the reason; `scores`, everything
        that rerankers said; `facts`, what was fitted to that.

    Raises:
        InputError: the gate does not fit together, a model is broken, or a reranker cannot tell known positives from
            other documents.
        UnavailableError: a model or engine cannot be reached.
    """
    problems = [f"validation.{'.'.join(loc)}: {what}" for loc, what in gate_problems(spec)]
    if problems:
        raise InputError("\n".join(problems))
    _refuse_taken("validation.rerankers", [reranker.name for reranker in spec.rerankers])
    work = Work(progress=progress or Silence(), models=resolve(models_of_validation(spec)))
    refuse_doubles(spec, work.models, work.at)
    return gating.validate(work, spec, collection, mined, written or Written(), seed)


def mix(
    collection: Collection,
    spec: Mixing,
    judged: Judged,
    written: Written | None = None,
    *,
    strategies: Sequence[Strategy] = (),
    seed: int = 0,
) -> Mixed:
    """Which of the candidates that were kept become whose negatives; pure, in seconds.

    Args:
        collection: corpus, queries and judgements, without what was written.
        spec: such as `Hybrid(synthetic=1, mined=2)`.
        judged: from `validate`.
        written: from `generate`; None: nothing was written.
        strategies: those that wrote; needed for written positives alone.
        seed: every random choice follows from it.

    Returns:
        `examples`, one per (query, positive) that gets its negatives; `rejected`, reason -> pairs that do not.

    Raises:
        GateError: a pair gets too few, and `spec` says to fail over that.
    """
    whole = collection.with_documents((written or Written()).documents())
    return spec.mix(judged.material(whole, strategies, seed))


def examine(
    collection: Collection,
    mixed: Mixed,
    judged: Judged,
    written: Written | None = None,
    *,
    held_out: Mapping[str, Collection] | None = None,
    evaluation: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    language: Sequence[str] = ("en",),
    embed: Embed | None = None,
) -> Findings:
    """The audit: figures of the finished set, each with an interval and a sentence that says what it means.

    Args:
        collection: corpus, queries and judgements, without what was written.
        mixed: from `mix`.
        judged: from `validate`.
        written: from `generate`; None: nothing was written.
        held_out: split -> its collection, to look for overlap with.
        evaluation: name -> texts that must not be trained on, to look for overlap with.
        seed: of folds and samples.
        language: ISO 639-1 codes that the texts should have.
        embed: texts -> unit vectors, shape (n, dimension); None: what needs them is not measured.

    Returns:
        `measures`, and `details` for plots.
    """
    done = written or Written()
    return registry.examine(
        Subject(
            collection.with_documents(done.documents()), mixed.examples, judged.verdicts, final_rows(done.rows),
            held_out or {}, evaluation or {}, seed, language=tuple(language), embed=embed,
        )
    )  # fmt: skip


def training_tables(collection: Collection, mixed: Mixed, written: Written | None = None) -> dict[str, "pa.Table"]:
    """The examples as tables, which pandas, `datasets.Dataset(...)` and PyArrow take as they are.

    Args:
        collection: corpus, queries and judgements, without what was written.
        mixed: from `mix`.
        written: from `generate`; None: nothing was written.

    Returns:
        `triplet` (query, positive, negative; a row per negative), `n-tuple` (query, positive, negative_1 ...; a row per
        example) and `ids` (query_id, positive_id, negative_ids, sources, scores; row-aligned with `n-tuple`). Where
        examples have more and fewer negatives, `ragged` (query, positive, negatives, a list) in place of `n-tuple`.
    """
    whole = collection.with_documents((written or Written()).documents())
    counts = {len(example.negative_ids) for example in mixed.examples} or {0}
    return configs.training_tables(whole, mixed.examples, counts.pop() if len(counts) == 1 else None)


def _refuse_taken(section: str, names: Sequence[str]) -> None:
    problems = [f"{section}[{i}]: {what}" for i, what in taken_names(names)]
    if problems:
        raise InputError("\n".join(problems))
