"""Shortcuts: how well a text gives away, without any query, where it comes from, and whether it is a positive."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from syneg_data.audit import features
from syneg_data.audit.folds import Groups, rows_of
from syneg_data.audit.measures import Measure
from syneg_data.audit.probes import Told, tell
from syneg_data.audit.subject import Origin, Subject
from syneg_data.collection import sample_order
from syneg_data.spec import seed_of

SOURCE, BLIND = "source shortcut", "query-blind shortcut"
PROBES = ("length", "words", "characters", "embeddings")
_BY = {
    "length": "length alone",
    "words": "words and pairs of words",
    "characters": "sequences of characters",
    "embeddings": "frozen embeddings",
}
_AGAINST: tuple[Origin, ...] = ("synthetic", "mined")
NAMES = (
    "source_auc",
    *(f"source_auc_{probe}" for probe in PROBES),
    "query_blind_auc",
    *(f"query_blind_auc_{probe}" for probe in PROBES),
    *(f"query_blind_auc_{origin}" for origin in _AGAINST),
)

_Uses = Mapping[str, Sequence[str]]  # doc_id -> the queries that use it


def measure(subject: Subject) -> list[Measure]:
    """The figures of both groups; see `examine` for the rest."""
    return examine(subject)[0]


def examine(subject: Subject) -> tuple[list[Measure], dict[str, Any]]:
    """The figures of both groups, and every probe of every comparison for the report's details."""
    sides = _Sides(subject)
    synthetic, mined = sides.negatives["synthetic"], sides.negatives["mined"]
    every = _drawn(subject, _uses(subject, ("synthetic", "mined")))
    compared = {"source": sides.compare(synthetic, mined) if synthetic and mined else None}
    compared["query_blind"] = sides.compare(sides.positives, every) if every else None
    for origin in _AGAINST:
        ours, other = sides.negatives[origin], sides.negatives["mined" if origin == "synthetic" else "synthetic"]
        # With negatives of one kind only, both comparisons are one.
        found = compared["query_blind"] if not other else sides.compare(sides.positives, ours) if ours else None
        compared[f"query_blind_{origin}"] = found if ours else None
    measures = [*_source(compared["source"], bool(synthetic)), *_blind(compared)]
    details = {
        name: {probe: _detail(told) for probe, told in found.items()} for name, found in compared.items() if found
    }
    return measures, details


class _Sides:
    """Positives and negatives with their features, each text's computed once for all comparisons."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._groups = Groups.among(subject)
        positives: dict[str, list[str]] = {}
        for example in subject.examples:
            positives.setdefault(example.positive_id, []).append(example.query_id)
        self.positives = _drawn(subject, positives)
        self.negatives = {origin: _drawn(subject, _uses(subject, (origin,))) for origin in _AGAINST}

    @cached_property
    def _place(self) -> dict[str, int]:
        """doc_id -> its row in the features."""
        sides = (self.positives, *self.negatives.values())
        return {doc_id: i for i, doc_id in enumerate(dict.fromkeys(doc_id for side in sides for doc_id in side))}

    @cached_property
    def _texts(self) -> list[str]:
        return self._subject.texts(list(self._place))

    @cached_property
    def _features(self) -> dict[str, Any]:
        made: dict[str, Callable[[Sequence[str]], Any]] = {
            "length": features.lengths, "words": features.words, "characters": features.characters
        }  # fmt: skip
        if self._subject.embed is not None:
            made["embeddings"] = self._subject.embed
        return {probe: make(self._texts) for probe, make in made.items()}

    def compare(self, ones: _Uses, zeros: _Uses) -> dict[str, Told]:
        """What each probe makes of two kinds of documents."""
        kinds = [{self._place[doc_id]: used for doc_id, used in side.items()} for side in (ones, zeros)]
        rows = rows_of(self._groups, self._texts, kinds)
        seed = seed_of("probe", self._subject.seed)
        told = {probe: tell(matrix, rows, seed) for probe, matrix in self._features.items()}
        if "embeddings" not in told:
            why = "the recipe has no bi-encoder, as a miner or a reranker, whose vectors could be taken"
            told["embeddings"] = Told(None, (), len(rows.label), 0, why)
        return told


def _uses(subject: Subject, origins: Sequence[Origin]) -> dict[str, list[str]]:
    uses: dict[str, list[str]] = {}
    for row in subject.negatives:
        if row.origin in origins:
            uses.setdefault(row.doc_id, []).append(row.query_id)
    return uses


def _drawn(subject: Subject, uses: _Uses) -> _Uses:
    """Half the sample at most, so that a comparison has no more than all of it; draws of a part and the whole nest."""
    most = max(1, subject.sample // 2)
    if len(uses) <= most:
        return uses
    drawn = set(sorted(uses, key=lambda doc_id: (sample_order(doc_id, subject.seed), doc_id))[:most])
    return {doc_id: used for doc_id, used in uses.items() if doc_id in drawn}


@dataclass(frozen=True)
class _Strongest:
    """The probe with the highest AUC of those that could be measured."""

    probe: str
    told: Told
    of: int

    @classmethod
    def among(cls, found: Mapping[str, Told]) -> "_Strongest | None":
        measured = [(told.auc, -i, probe) for i, (probe, told) in enumerate(found.items()) if told.auc is not None]
        if not measured:
            return None
        probe = max(measured)[2]
        return cls(probe, found[probe], len(measured))


def _source(found: Mapping[str, Told] | None, synthetic: bool) -> Iterator[Measure]:
    missing = f"there are no {'mined' if synthetic else 'synthetic'} negatives, so there is nothing to tell apart"
    yield _strongest("source_auc", SOURCE, found, missing, "synthetic negatives are told from mined ones")
    for probe in PROBES:
        what = "synthetic negatives are told from mined ones"
        yield _single(f"source_auc_{probe}", SOURCE, found, probe, missing, what)


def _blind(compared: Mapping[str, Mapping[str, Told] | None]) -> Iterator[Measure]:
    missing, found = "there are no negatives", compared["query_blind"]
    what = "without the query, positives are told from negatives"
    yield _strongest("query_blind_auc", BLIND, found, missing, what)
    for probe in PROBES:
        yield _single(f"query_blind_auc_{probe}", BLIND, found, probe, missing, what)
    for origin in _AGAINST:
        yield _strongest(
            f"query_blind_auc_{origin}", BLIND, compared[f"query_blind_{origin}"],
            f"there are no {origin} negatives", f"without the query, positives are told from {origin} negatives",
        )  # fmt: skip


def _strongest(name: str, group: str, found: Mapping[str, Told] | None, missing: str, what: str) -> Measure:
    """The strongest probe's figure, with an interval that allows for its having been chosen."""
    if found is None:
        return Measure(name, group, None, None, None, 0, _unmeasured(missing))
    best = _Strongest.among(found)
    if best is None:
        first = next(iter(found.values()))
        return Measure(name, group, None, None, None, first.rows, _unmeasured(first.why))
    low, high = best.told.interval(best.of)
    chosen = f"the strongest of {best.of} probes, for which its interval is widened"
    return Measure(
        name, group, best.told.auc, low, high, best.told.rows,
        f"{what[0].upper()}{what[1:]} by {_BY[best.probe]} {_often(best.told.auc, low)}; {chosen}.",
    )  # fmt: skip


def _single(name: str, group: str, found: Mapping[str, Told] | None, probe: str, missing: str, what: str) -> Measure:
    if found is None or (told := found[probe]).auc is None:
        why = missing if found is None else found[probe].why
        return Measure(name, group, None, None, None, found[probe].rows if found else 0, _unmeasured(why))
    low, high = told.interval()
    sentence = f"{what[0].upper()}{what[1:]} by {_BY[probe]} {_often(told.auc, low)}."
    return Measure(name, group, told.auc, low, high, told.rows, sentence)


def _often(auc: float | None, low: float | None) -> str:
    assert auc is not None and low is not None
    if low <= 0.5:
        return f"no better than by chance, as far as these texts show (AUC {auc:.2f}; 0.5 is chance)"
    return f"in {100 * auc:.0f} of 100 pairs (AUC {auc:.2f}; 0.5 is chance, 1 is always)"


def _unmeasured(why: str) -> str:
    return f"Not measured: {why}."


def _detail(told: Told) -> dict[str, Any]:
    low, high = told.interval()
    return {"auc": told.auc, "low": low, "high": high, "texts": told.rows, "groups": told.groups}
