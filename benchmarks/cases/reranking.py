"""cross_encoder: SciFact pairs through our int8 cross-encoder, and through sentence-transformers query by query."""

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring import Skipped, apart, fresh_store, in_turn, median
from benchmarks.results import Row, row
from syneg_data.collection import Collection
from syneg_data.encoders.cross_encoder import CrossEncoder
from syneg_data.encoders.networks import Backend, Number
from syneg_data.loading import device, quiet_loading
from syneg_data.mining import Bm25
from syneg_data.references import PathModel, Resolved
from syneg_data.sources.beir import Beir
from syneg_data.validation.gate import DECIMALS
from syneg_data.validation.rules import Evidence, Relative

_RECIPES = Path(__file__).resolve().parents[2] / "recipes"
_MODEL = _RECIPES / "models" / "minilm-l3-cross-encoder"
_SCIFACT = _RECIPES / "data" / "scifact"
_LENGTH, _BATCH_TOKENS = 256, 4096
_GOAL, _AGREEING, _MARGIN = 3.0, 0.995, 0.05
_ALIKE = 1e-4  # how far apart two float32 computations of a relevance may lie

Pair = tuple[str, str]  # query_id, doc_id


@dataclass(frozen=True)
class Size:
    """How much is scored.

    Attributes:
        queries: of SciFact's train split; 809 are all.
        candidates: of each, by BM25, positives not among them.
        every: the peer is asked every so many queries.
        runs: how often each side runs.
    """

    queries: int
    candidates: int
    every: int
    runs: int


_FULL, _QUICK = Size(809, 24, 8, 3), Size(12, 24, 1, 1)


@dataclass(frozen=True)
class Task:
    """What there is to score: candidates and positives of each query, and the texts."""

    collection: Collection
    candidates: Mapping[str, Sequence[str]]

    def part(self, every: int) -> "Task":
        """The same with every so many queries only."""
        return Task(self.collection, {q: self.candidates[q] for q in list(self.candidates)[::every]})

    def positives(self) -> dict[str, list[str]]:
        """Of each query."""
        return {query_id: self.collection.positives(query_id) for query_id in self.candidates}

    def pairs(self) -> list[Pair]:
        """Everything, candidates query by query and then the positives, as `mine_hard_negatives` asks for it."""
        known = self.positives()
        return [(q, d) for lists in (self.candidates, known) for q, ids in lists.items() for d in ids]

    def texts(self, pairs: Sequence[Pair]) -> list[tuple[str, str]]:
        """What the model reads."""
        return [(self.collection.queries[q], self.collection.text(d)) for q, d in pairs]


@dataclass(frozen=True)
class _Scored:
    rate: float  # pairs per second, without loading the model
    scores: dict[Pair, float]
    again: int = 0  # pairs that were scored when the same was asked for once more


def run(quick: bool) -> list[Row]:
    """Rates, verdicts, and what a second run costs.

    Raises:
        Skipped: the model or ONNX Runtime is missing.
    """
    if not _MODEL.is_dir():
        raise Skipped(f"{_MODEL.name} is not in recipes/models; recipes/train_cross_encoder.py makes it")
    if missing := [name for name in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None]:
        raise Skipped(f"{', '.join(missing)} not installed; they come with the extra `onnx`")
    return measure(_MODEL, _QUICK if quick else _FULL)


def measure(folder: Path, size: Size) -> list[Row]:
    """The rows of one model."""
    with _translations() as store:
        plain = store(lambda: apart(_ours, folder, size, "torch", "float32"))
        int8, loop, single = in_turn(
            size.runs,
            lambda: store(lambda: apart(_ours, folder, size, "onnx", "int8")),
            lambda: apart(_loop, folder, size),
            lambda: apart(_one_call, folder, size),
        )
    most = max(abs(score - plain.scores[pair]) for pair, score in loop[0].scores.items())
    if most > _ALIKE:
        raise AssertionError(f"the two did not score alike in float32: a relevance differs by {most:.2g}")
    task = load(size)
    equal = agreement(verdicts(task, int8[0].scores), verdicts(task, plain.scores))
    rate, slow, fast = (median([scored.rate for scored in side]) for side in (int8, loop, single))
    part = "" if size.every == 1 else f", one query in {size.every}"
    what = (
        f"cross_encoder: {len(task.pairs()):,} pairs, {len(task.candidates)} queries of SciFact, {_LENGTH} tokens, "
        f"{folder.name}"
    )
    name, best = f"CrossEncoder.predict per query{part}", f"one CrossEncoder.predict for all{part}, its best"
    again = max(scored.again for scored in int8)
    return [
        row(
            what, "int8 by ONNX Runtime", "pairs/s", rate, slow, name, size.runs, f">= {_GOAL:g} times its pairs/s",
            rate >= _GOAL * slow,
        ),
        row(what, "int8 by ONNX Runtime", "pairs/s", rate, fast, best, size.runs, "for the record", True),
        row(what, "float32 by torch, one run", "pairs/s", plain.rate, slow, name, size.runs, "for the record", True),
        row(
            what, f"verdicts of int8 as of float32, margin {_MARGIN:g}", "%", 100 * equal, None, "", 1,
            f">= {_AGREEING:.1%}", equal >= _AGREEING,
        ),
        row(what, "pairs scored by a second run", "pairs", again, None, "", size.runs, "0", again == 0),
    ]  # fmt: skip


def load(size: Size) -> Task:
    """The first queries of SciFact's train split, with their candidates by BM25."""
    source = Beir(kind="beir", path=str(_SCIFACT), split="train", license="cc-by-4.0")
    collection = source.load(13)
    query_ids = list(collection.queries)[: size.queries]
    positives = {query_id: set(collection.positives(query_id)) for query_id in query_ids}
    depth = size.candidates + max(map(len, positives.values()))
    ranked = Bm25(kind="bm25").open(collection, None).search(query_ids, depth)
    found = {
        query_id: [doc_id for doc_id, _ in hits if doc_id not in positives[query_id]][: size.candidates]
        for query_id, hits in zip(query_ids, ranked, strict=True)
    }
    return Task(collection, found)


def verdicts(task: Task, scores: Mapping[Pair, float]) -> list[bool]:
    """Of each candidate whether the relative rule calls it a false negative, scores rounded as the gate has them."""
    bar = Relative(kind="relative", margin=_MARGIN).fit(Evidence((), (), ()))
    positives = task.positives()
    called = []
    for query_id, doc_ids in task.candidates.items():
        known = {doc_id: round(scores[query_id, doc_id], DECIMALS) for doc_id in positives[query_id]}
        threshold = bar.threshold(bar.reference(known, None))
        called += [round(round(scores[query_id, doc_id], DECIMALS) - threshold, DECIMALS) > 0 for doc_id in doc_ids]
    return called


def agreement(left: Sequence[bool], right: Sequence[bool]) -> float:
    """Share of equal verdicts."""
    return sum(a == b for a, b in zip(left, right, strict=True)) / len(left)


@contextlib.contextmanager
def _translations() -> Iterator[Callable[[Callable[[], _Scored]], _Scored]]:
    """Call things with an empty score store each, in which the model's translation to ONNX is made only once."""
    with fresh_store() as shared:
        (shared / "onnx").mkdir()

        def call(work: Callable[[], _Scored]) -> _Scored:
            with fresh_store() as scratch:
                (scratch / "onnx").symlink_to(shared / "onnx")
                return work()

        yield call


def _model(folder: Path) -> Resolved:
    return PathModel(kind="path", path=str(folder)).resolve()


def _ours(folder: Path, size: Size, backend: Backend, dtype: Number) -> _Scored:
    task, model = load(size), _model(folder)
    pairs = task.pairs()
    texts = task.texts(pairs)
    encoder = CrossEncoder(model, _LENGTH, _BATCH_TOKENS, backend, dtype)
    encoder.score([("which one", "the model is loaded by its first pair")])
    started = time.monotonic()
    scores = encoder.score(texts)
    seconds = time.monotonic() - started
    second = CrossEncoder(model, _LENGTH, _BATCH_TOKENS, backend, dtype)
    if second.score(texts) != scores:
        raise AssertionError("the store gave back other scores")
    return _Scored(len(pairs) / seconds, dict(zip(pairs, scores, strict=True)), second.scored)


def _loop(folder: Path, size: Size) -> _Scored:
    """Query by query, then all positives, in the peer's default batches of 32."""
    task = load(size).part(size.every)
    model = _library_model(folder)
    started = time.monotonic()
    scores: list[float] = []
    for query_id, doc_ids in task.candidates.items():
        scores += model.predict(task.texts([(query_id, doc_id) for doc_id in doc_ids])).tolist()
    positives = [(query_id, doc_id) for query_id, ids in task.positives().items() for doc_id in ids]
    scores += model.predict(task.texts(positives)).tolist()
    return _rated(task, scores, time.monotonic() - started)


def _one_call(folder: Path, size: Size) -> _Scored:
    """Everything in one call, so that batches are of like length."""
    task = load(size).part(size.every)
    model = _library_model(folder)
    started = time.monotonic()
    scores = model.predict(task.texts(task.pairs())).tolist()
    return _rated(task, scores, time.monotonic() - started)


def _rated(task: Task, scores: Sequence[float], seconds: float) -> _Scored:
    pairs = task.pairs()
    return _Scored(len(pairs) / seconds, dict(zip(pairs, scores, strict=True)))


def _library_model(folder: Path) -> Any:  # noqa: ANN401
    """The peer, in float32: half precision, in which weights may be kept, is slow on a processor."""
    from sentence_transformers import CrossEncoder as Model

    with quiet_loading(folder.name):
        model = Model(str(folder), device=device(), local_files_only=True, model_kwargs={"dtype": "float32"})
    model.max_seq_length = _LENGTH
    model.predict([("which one", "whatever the first pair costs is no one's")])
    return model
