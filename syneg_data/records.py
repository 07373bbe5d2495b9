"""The rows that travel between stages: frozen dataclasses, and their one translation to and from Arrow."""

import dataclasses
import types
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    import pyarrow as pa


class _Row(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


R = TypeVar("R", bound=_Row)


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    """Who brought a document: a miner with its 1-based rank and score, or a strategy with its slot and no score."""

    source: str
    rank: int
    score: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A mined document for a query, with every source that found it; `reason` is empty unless it was refused."""

    query_id: str
    doc_id: str
    sources: tuple[Hit, ...]
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Twin:
    """A document that miners do not see: another id has the same text (`same_as`), or it has none (null)."""

    doc_id: str
    same_as: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Echo:
    """A document whose text, with or without its title, is a query's."""

    query_id: str
    doc_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute that a draft was asked to have."""

    axis: str
    value: str


@dataclasses.dataclass(frozen=True, slots=True)
class Generation:
    """One request to the LLM and what came of it: a row per attempt, kept or not.

    `slot` numbers the drafts of a (query, positive); `text` and `reflection` are empty unless `state` is `ok`;
    `detail` says what was wrong in words.
    """

    request_id: str
    doc_id: str
    query_id: str
    positive_id: str
    seed_doc_id: str | None
    slot: int
    strategy: str
    attributes: tuple[Attribute, ...]
    role: str
    grade: int
    round: int
    attempt: int
    state: str
    detail: str
    text: str
    reflection: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    seed: int
    reply: str


@dataclasses.dataclass(frozen=True, slots=True)
class Scored:
    """A reranker's own score of a document for a query, as it came, and its words where it gives a reason.

    `role` says what the document is there: `candidate`, `positive`, `random` (drawn to fit rules on), `floor` (no
    document: the 95th percentile of random ones for that query), or `reviewed` (by a reranker that is not in the gate).
    """

    query_id: str
    doc_id: str | None
    role: str
    reranker: str
    score: float
    words: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """What one reranker says of a candidate: its relevance, its threshold, and the positive it was held against."""

    reranker: str
    relevance: float
    positive_relevance: float


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's word on one candidate. `relevance` is the deciding reranker's; null when nothing was scored."""

    query_id: str
    positive_id: str | None
    doc_id: str
    origin: str
    sources: tuple[Hit, ...]
    relevance: float | None
    positive_relevance: float | None
    scores: tuple[Score, ...]
    verdict: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """One training example: the negatives of a (query, positive), with each one's source and relevance."""

    query_id: str
    positive_id: str
    negative_ids: tuple[str, ...]
    sources: tuple[str, ...]
    scores: tuple[float, ...]


def schema_of(row_type: type[Any]) -> "pa.Schema":
    """The Arrow schema of a row type, read off its annotations."""
    import pyarrow as pa

    hints = get_type_hints(row_type)
    return pa.schema([_field(f.name, hints[f.name]) for f in dataclasses.fields(row_type)])


def to_table(rows: Iterable[_Row], row_type: type[Any]) -> "pa.Table":
    """Rows as an Arrow table."""
    import pyarrow as pa

    names = [f.name for f in dataclasses.fields(row_type)]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for row in rows:
        for name in names:
            columns[name].append(_plain(getattr(row, name)))
    return pa.table(columns, schema=schema_of(row_type))


def from_table(table: "pa.Table", row_type: type[R]) -> list[R]:
    """Rows of an Arrow table that `to_table` made."""
    hints = get_type_hints(row_type)
    return [
        row_type(**{name: _typed(value, hints[name]) for name, value in record.items()}) for record in table.to_pylist()
    ]


def _field(name: str, hint: Any) -> "pa.Field":  # noqa: ANN401
    import pyarrow as pa

    inner, nullable = _strip_optional(hint)
    return pa.field(name, _arrow_type(inner), nullable=nullable)


def _arrow_type(hint: Any) -> "pa.DataType":  # noqa: ANN401
    import pyarrow as pa

    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return pa.struct([_field(f.name, hints[f.name]) for f in dataclasses.fields(hint)])
    if get_origin(hint) is tuple:
        return pa.list_(_arrow_type(get_args(hint)[0]))
    scalar: dict[Any, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    return scalar[hint]


def _strip_optional(hint: Any) -> tuple[Any, bool]:  # noqa: ANN401
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = [part for part in get_args(hint) if part is not type(None)]
        return inner, True
    return hint, False


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


def _typed(value: Any, hint: Any) -> Any:  # noqa: ANN401
    hint, _ = _strip_optional(hint)
    if value is None:
        return None
    if get_origin(hint) is tuple:
        return tuple(_typed(item, get_args(hint)[0]) for item in value)
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(**{name: _typed(item, hints[name]) for name, item in value.items()})  # type: ignore[operator]
    return value
