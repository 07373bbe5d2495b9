"""planted: positives hidden from the judgements, ours and mine_hard_negatives at removing them from the same pool.

MedQuAD's documents answer one type of question about one disease. Where a question has several answers, all but one of
them are hidden: the gate sees them as candidates, and we know that they are false negatives. Documents about the same
disease that answer another type of question are known true negatives, and hard ones. The pool is the 50 documents that
are nearest to each test question by all-MiniLM-L6-v2, the same for both; diseases of the test and dev splits are not
in the training split, of which the cross-encoder has seen the rest.
"""

import contextlib
import gzip
import io
import json
import math
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cases import retrieval
from benchmarks.measuring import Skipped
from benchmarks.results import FOLDER, Row, row
from syneg_data.collection import Collection
from syneg_data.durable import write_text
from syneg_data.spec import seed_of
from syneg_data.validation.calibration import Calibrated, Joint, log_odds
from syneg_data.validation.rules import Bar, Evidence, Percentile, Relative

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FOLDER = "SYNEG_MEDQUAD"
_DEPTH, _QUICK_QUERIES = 50, 60
_LEVELS = (0.05, 0.1, 0.2, 0.35)
_RANDOM, _TRIALS = 500, 24
DEFAULT = "calibrated, both, joint"  # the rule and `agree` of a recipe that names neither
_SEED, _DRAWS = 13, 2000
_GOAL = 0.6
CROSS = Path(__file__).resolve().parents[2] / "recipes" / "models" / "minilm-l3-cross-encoder"
_CROSS_LENGTH, _BI_LENGTH = 256, 256

Pair = tuple[str, str]


@dataclass(frozen=True)
class Pool:
    """What is judged.

    Attributes:
        collection: with the hidden positives left out of the judgements.
        candidates: query_id -> (doc_id, cosine), best first.
        planted: the candidates that are hidden positives.
        true: the candidates that are known not to answer.
        hidden: how many positives were hidden, found by the search or not.
        texts: text -> doc_id, of every document that is searched.
    """

    collection: Collection
    candidates: Mapping[str, Sequence[tuple[str, float]]]
    planted: frozenset[Pair]
    true: frozenset[Pair]
    hidden: int
    texts: Mapping[str, str]

    def pairs(self) -> list[Pair]:
        """The candidates whose truth is known."""
        return sorted(self.planted | self.true)


@dataclass(frozen=True)
class Point:
    """A setting: whose, which, and the share of planted ones it misses and of true negatives it loses."""

    by: str
    setting: str
    missed: float
    lost: float
    refused: frozenset[Pair]


def run(quick: bool) -> list[Row]:
    """Misses at equal losses, and every setting's figures in a CSV file and a plot beside the results."""
    pool, cosines, vectors = make_pool(medquad(), "test", quick)
    scores = {"bi-encoder": cosines, "cross-encoder": cross_scores(pool, cosines)}
    default = default_gate(pool, scores)
    ours = our_points(pool, scores, default)
    peers = peer_points(pool, vectors, scores["cross-encoder"])
    if not quick:
        _write(pool, [*ours, *peers])
    return _rows(pool, default, peers)


def medquad() -> Path:
    """The folder with the data, or why there is none."""
    folder = Path(os.environ.get(_FOLDER, ""))
    if not os.environ.get(_FOLDER) or not (folder / "qrels" / "test.tsv").is_file():
        raise Skipped(f"set {_FOLDER} to a folder with MedQuAD in the BEIR layout, its documents with metadata.qtype")
    if not (CROSS / "model.safetensors").is_file():
        raise Skipped(f"no cross-encoder in recipes/models/{CROSS.name}")
    return folder


def make_pool(
    folder: Path, split: str, quick: bool
) -> tuple[Pool, dict[Pair, float], dict[str, "NDArray[np.float32]"]]:
    """The pool, the cosine of every pair that a rule of ours needs, and the vector of every text."""
    from syneg_data.encoders.bi_encoder import BiEncoder
    from syneg_data.encoders.nearest import nearest
    from syneg_data.mining.guards import Guards, find_twins
    from syneg_data.ranking import TieRanks
    from syneg_data.sources import Beir

    source = {"kind": "beir", "path": str(folder), "split": split, "license": "cc-by-4.0"}
    whole = Beir.model_validate(source).load(_SEED)
    if quick:
        several = [query_id for query_id in whole.queries if len(whole.positives(query_id)) > 1]
        chosen = {*several[: _QUICK_QUERIES // 2], *list(whole.queries)[: _QUICK_QUERIES // 2]}
        whole = whole.without_queries(set(whole.queries) - chosen)
        wanted = {d for query_id in whole.queries for d in whole.positives(query_id)}
        kept = [doc_id for doc_id in whole.documents if doc_id in wanted][:400] + list(whole.documents)[:400]
        whole = replace(whole, documents={d: whole.documents[d] for d in dict.fromkeys(kept)})
    focus, kind = _metadata(folder)
    known, hidden = _hide(whole)
    guards = Guards(near_duplicate=None).open(known, find_twins(known))
    distinct = guards.distinct()
    doc_ids = list(distinct.documents)
    encoder = BiEncoder(retrieval.base(), _BI_LENGTH, 32)
    corpus = encoder.vectors([distinct.text(doc_id) for doc_id in doc_ids], "document")
    asked = encoder.vectors(list(known.queries.values()), "query").read(0, len(known.queries))
    found = nearest(asked, corpus, TieRanks(doc_ids), _DEPTH)
    rows = {doc_id: i for i, doc_id in enumerate(doc_ids)}
    candidates: dict[str, list[tuple[str, float]]] = {}
    cosines: dict[Pair, float] = {}
    planted, true = set(), set()
    for i, (query_id, ranked) in enumerate(zip(known.queries, found, strict=True)):
        refuse = guards.of_query(query_id).reason
        candidates[query_id] = [hit for hit in ranked if not refuse(hit[0])]
        answers = whole.positives(query_id)
        about, types = {focus[d] for d in answers}, {kind[d] for d in answers}
        for doc_id, score in candidates[query_id]:
            cosines[query_id, doc_id] = score
            if doc_id in hidden[query_id]:
                planted.add((query_id, doc_id))
            elif focus[doc_id] in about and kind[doc_id] not in types:
                true.add((query_id, doc_id))
        others = [*known.positives(query_id), *_random_documents(known, doc_ids, query_id)]
        near = corpus.take(_rows_of(rows, [str(guards.document(d)) for d in others])).astype("float64")
        cosines |= {(query_id, d): float(v) for d, v in zip(others, near @ asked[i].astype("float64"), strict=True)}
    texts = {distinct.text(doc_id): doc_id for doc_id in doc_ids}
    pool = Pool(known, candidates, frozenset(planted), frozenset(true), sum(map(len, hidden.values())), texts)
    vectors = dict(zip(texts, corpus.read(0, len(doc_ids)), strict=True))
    vectors |= dict(zip(known.queries.values(), asked, strict=True))
    for doc_id in (d for query_id in known.queries for d in known.positives(query_id)):
        vectors.setdefault(known.text(doc_id), vectors[known.text(str(guards.document(doc_id)))])
    return pool, cosines, vectors


def _rows_of(rows: Mapping[str, int], doc_ids: Sequence[str]) -> "NDArray[np.int64]":
    import numpy as np

    return np.array([rows[doc_id] for doc_id in doc_ids], np.int64)


def _metadata(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Disease and question type of every document."""
    focus, kind = {}, {}
    path = folder / "corpus.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") if path.is_file() else path.with_suffix("").open() as lines:
        for line in lines:
            document = json.loads(line)
            focus[document["_id"]] = document["title"].lower()
            kind[document["_id"]] = document["metadata"]["qtype"]
    return focus, kind


def _hide(whole: Collection) -> tuple[Collection, dict[str, set[str]]]:
    """The collection with one positive per query, drawn by seed, and those that were hidden."""
    qrels, hidden = {}, {}
    for query_id in whole.queries:
        answers = whole.positives(query_id)
        kept = random.Random(seed_of("planted", _SEED, query_id)).choice(answers)
        qrels[query_id], hidden[query_id] = {kept: 1}, set(answers) - {kept}
    return replace(whole, qrels=qrels), hidden


def _random_documents(known: Collection, doc_ids: Sequence[str], query_id: str) -> list[str]:
    """The query's share of the random documents that rules are fitted on."""
    count = max(1, _RANDOM // len(known.queries))
    drawn = random.Random(seed_of("random", _SEED, query_id)).sample(doc_ids, count)
    return [doc_id for doc_id in drawn if doc_id not in known.qrels[query_id]]


def cross_scores(pool: Pool, cosines: Mapping[Pair, float]) -> dict[Pair, float]:
    """The shipped cross-encoder's scores of the pairs that have a cosine."""
    from syneg_data.encoders.cross_encoder import CrossEncoder
    from syneg_data.references import PathModel

    model = PathModel(kind="path", path=str(CROSS)).resolve()
    encoder = CrossEncoder(model, _CROSS_LENGTH, 4096, "openvino")  # float32, and twice as fast as torch on a CPU
    known = pool.collection
    texts = [(known.queries[query_id], known.text(doc_id)) for query_id, doc_id in cosines]
    return {pair: round(score, 5) for pair, score in zip(cosines, encoder.score(texts), strict=True)}


def default_gate(pool: Pool, scores: Mapping[str, Mapping[Pair, float]]) -> dict[Pair, float]:
    """What the gate measures of every candidate where a recipe names neither rule nor `agree`."""
    joint = fit_joint(pool, scores)
    return {pair: above(pool, joint, scores, pair) for pair in pool.pairs()}


def our_points(pool: Pool, scores: Mapping[str, Mapping[Pair, float]], default: Mapping[Pair, float]) -> list[Point]:
    """Every rule with every reranker, and `calibrated` with both, each at the same number of thresholds."""
    points: list[Point] = []
    bars: dict[str, Bar] = {}
    for name, known in scores.items():
        evidence = _evidence(pool, known, bounded=name == "cross-encoder")
        bars[name] = Calibrated(kind="calibrated", least=20).fit(evidence)
        relative = Relative(kind="relative").fit(evidence)
        points += sweep(pool, f"relative, {name}", {pair: _relative(pool, known, relative, pair) for pair in known})
        points += sweep(pool, f"absolute, {name}", known)
        level = Percentile(kind="percentile").fit(evidence).threshold(0.0)
        points.append(at_threshold(pool, "ours", f"percentile 5, {name}", known, level))
    joint = fit_joint(pool, scores)
    points += sweep(pool, DEFAULT, default)
    points.append(as_it_comes(pool, default))
    upright = {pair: above(pool, replace(joint, lean=0.0), scores, pair) for pair in pool.pairs()}
    points += sweep(pool, "calibrated, both, joint, lean 0", upright)
    for agree, joined in (("any", max), ("all", min), ("mean", lambda values: sum(values) / len(values))):
        both = {
            pair: joined([bar.relevance(scores[name][pair]) for name, bar in bars.items()]) for pair in pool.pairs()
        }
        points += sweep(pool, f"calibrated, both, {agree}", both)
    return points


def fit_joint(pool: Pool, scores: Mapping[str, Mapping[Pair, float]]) -> Joint:
    """The curve over both rerankers that a build would fit."""
    mined = {(q, d) for q, ranked in pool.candidates.items() for d, _ in ranked}
    positives = {(q, d) for q in pool.collection.queries for d in pool.collection.positives(q)}
    known = set.intersection(*(set(one) for one in scores.values()))
    parts = [
        [tuple(one[pair] for one in scores.values()) for pair in sorted(part)]
        for part in (positives, mined, known - mined - positives)
    ]
    bounded = tuple(name == "cross-encoder" for name in scores)
    queries = [query_id for query_id, _ in sorted(positives)]
    joint = Calibrated(kind="calibrated", least=20).fit_joint(parts, bounded, queries)
    assert joint is not None
    return joint


def above(pool: Pool, joint: Joint, scores: Mapping[str, Mapping[Pair, float]], pair: Pair) -> float:
    """The `maximum`, in log-odds, from which on a candidate is kept; infinite for one above its query's positive."""

    def relevance(doc_id: str) -> float:
        return joint.relevance([known[pair[0], doc_id] for known in scores.values()])

    reference = min(relevance(doc_id) for doc_id in pool.collection.positives(pair[0]))
    if relevance(pair[1]) > reference:
        return math.inf
    return log_odds(relevance(pair[1])) - joint.lean * (log_odds(reference) - joint.middle)


def _relative(pool: Pool, known: Mapping[Pair, float], bar: Bar, pair: Pair) -> float:
    """By how much of the positive's score a candidate is above it: minus the margin at which it would be refused."""
    query_id, score = pair[0], known[pair]
    positives = {d: known[query_id, d] for d in pool.collection.positives(query_id)}
    reference = bar.reference(positives, None)
    return (score - reference) / abs(reference) if reference else math.copysign(math.inf, score)


def _evidence(pool: Pool, known: Mapping[Pair, float], bounded: bool) -> Evidence:
    """As a build would have it: planted ones count as mined, for nobody knows of them."""
    mined = {(q, d) for q, ranked in pool.candidates.items() for d, _ in ranked}
    positives = {(q, d) for q in pool.collection.queries for d in pool.collection.positives(q)}
    return Evidence(
        tuple(known[pair] for pair in sorted(positives)),
        tuple(known[pair] for pair in sorted(mined)),
        tuple(score for pair, score in sorted(known.items()) if pair not in mined and pair not in positives),
        bounded,
        tuple(query_id for query_id, _ in sorted(positives)),
    )


def sweep(pool: Pool, setting: str, measure: Mapping[Pair, float]) -> list[Point]:
    """A rule at thresholds that lose from 1 to 50 % of the true negatives."""
    values = sorted((measure[pair] for pair in pool.true), reverse=True)
    points = []
    for i in range(_TRIALS):
        share = 0.01 * (50 ** (i / (_TRIALS - 1)))
        threshold = values[min(len(values) - 1, math.floor(share * len(values)))]
        points.append(at_threshold(pool, "ours", f"{setting}, above {threshold:.4f}", measure, threshold))
    return points


def as_it_comes(pool: Pool, default: Mapping[Pair, float]) -> Point:
    """The default gate at its default threshold."""
    maximum = Calibrated(kind="calibrated").maximum
    return at_threshold(pool, "ours, as it comes", DEFAULT, default, log_odds(maximum))


def at_loss(pool: Pool, default: Mapping[Pair, float], lost: float) -> Point:
    """The default gate where it loses as many true negatives, or a tie's worth fewer."""
    values = sorted((default[pair] for pair in pool.true), reverse=True)
    threshold = values[min(len(values) - 1, round(lost * len(values)))]
    return at_threshold(pool, "ours", DEFAULT, default, threshold)


def at_threshold(pool: Pool, by: str, setting: str, measure: Mapping[Pair, float], threshold: float) -> Point:
    """What is refused above a threshold."""
    return _measured(pool, by, setting, frozenset(pair for pair in pool.pairs() if measure[pair] > threshold))


def _measured(pool: Pool, by: str, setting: str, refused: frozenset[Pair]) -> Point:
    missed = 1 - len(refused & pool.planted) / len(pool.planted)
    return Point(by, setting, missed, len(refused & pool.true) / len(pool.true), refused)


def peer_settings() -> dict[str, dict[str, float]]:
    """What mine_hard_negatives can be told, as many settings as one rule of ours has thresholds."""
    margins = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3)
    found = {f"relative_margin {margin}": {"relative_margin": margin} for margin in margins}
    found |= {f"absolute_margin {margin}": {"absolute_margin": margin} for margin in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2)}
    found |= {f"max_score {score}": {"max_score": score} for score in (0.5, 0.6, 0.65, 0.7, 0.75, 0.8)}
    return found


def peer_points(pool: Pool, vectors: Mapping[str, "NDArray[np.float32]"], cross: Mapping[Pair, float]) -> list[Point]:
    """mine_hard_negatives at each setting, with its bi-encoder's scores, and with our cross-encoder's."""
    points = []
    for name, scores in (("bi-encoder", None), ("our cross-encoder", cross)):
        for setting, options in peer_settings().items():
            kept = _kept_by_peer(pool, vectors, scores, options)
            refused = frozenset(pair for pair in pool.pairs() if pair not in kept)
            points.append(_measured(pool, f"mine_hard_negatives, {name}", setting, refused))
    return points


class _Given:
    """A bi-encoder that knows its texts' vectors, in the shape that mine_hard_negatives asks for."""

    device = "cpu"

    def __init__(self, vectors: Mapping[str, "NDArray[np.float32]"]) -> None:
        self._vectors = vectors

    def encode_query(self, texts: Sequence[str], **_: Any) -> "NDArray[np.float32]":  # noqa: ANN401
        return self._stacked(texts)

    def encode_document(self, texts: Sequence[str], **_: Any) -> "NDArray[np.float32]":  # noqa: ANN401
        return self._stacked(texts)

    def similarity(self, left: Any, right: Any) -> Any:  # noqa: ANN401
        from sentence_transformers.util import cos_sim

        return cos_sim(left, right)

    def similarity_pairwise(self, left: Any, right: Any) -> Any:  # noqa: ANN401
        from sentence_transformers.util import pairwise_cos_sim

        return pairwise_cos_sim(left, right)

    def _stacked(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        import numpy as np

        return np.stack([self._vectors[text] for text in texts])


class _Told:
    """A cross-encoder that knows the scores of the pool's pairs; others do not count in the end."""

    def __init__(self, scores: Mapping[tuple[str, str], float]) -> None:
        self._scores = scores

    def predict(self, pairs: Sequence[tuple[str, str]], **_: Any) -> Any:  # noqa: ANN401
        import torch

        return torch.tensor([self._scores.get((query, text), -1.0) for query, text in pairs])


def _kept_by_peer(
    pool: Pool,
    vectors: Mapping[str, "NDArray[np.float32]"],
    cross: Mapping[Pair, float] | None,
    options: Mapping[str, float],
) -> frozenset[Pair]:
    """What of the pool comes out of mine_hard_negatives as a negative, over the whole corpus with its own search."""
    from datasets import Dataset, disable_progress_bars
    from sentence_transformers.util import mine_hard_negatives

    disable_progress_bars()
    known = pool.collection
    pairs = [(known.queries[q], known.text(d)) for q in known.queries for d in known.positives(q)]
    dataset = Dataset.from_dict({"query": [query for query, _ in pairs], "answer": [text for _, text in pairs]})
    told: Any = None
    given: Any = _Given(vectors)
    settings: dict[str, Any] = dict(options)
    if cross is not None:
        told = _Told({(known.queries[q], known.text(d)): score for (q, d), score in cross.items()})
    with contextlib.redirect_stderr(io.StringIO()):  # its bars
        found = mine_hard_negatives(
            dataset, given, corpus=list(pool.texts), cross_encoder=told, range_max=_DEPTH + 1, num_negatives=_DEPTH,
            sampling_strategy="top", output_format="triplet", batch_size=1024, faiss_batch_size=1024, verbose=False,
            **settings,
        )  # fmt: skip
    query_ids = {text: query_id for query_id, text in known.queries.items()}
    return frozenset(
        (query_ids[query], pool.texts[negative])
        for query, negative in zip(found["query"], found["negative"], strict=True)
    )


def best_at(points: Iterable[Point], level: float) -> Point | None:
    """The setting that misses least among those that lose no more than `level`."""
    able = [point for point in points if point.lost <= level]
    return min(able, key=lambda point: (point.missed, point.lost, point.setting), default=None)


def ratio_interval(pool: Pool, ours: Point, peer: Point) -> tuple[float, float]:
    """The 95 % bootstrap interval of our misses over the peer's, queries drawn with replacement."""
    import numpy as np

    query_ids = sorted({query_id for query_id, _ in pool.planted})
    misses = np.array(
        [
            [sum(pair not in point.refused for pair in pool.planted if pair[0] == query_id) for query_id in query_ids]
            for point in (ours, peer)
        ],
        float,
    )
    drawn = np.random.default_rng(_SEED).integers(0, len(query_ids), (_DRAWS, len(query_ids)))
    sums = misses[:, drawn].sum(2)
    low, high = np.quantile(sums[0] / np.maximum(sums[1], 1), [0.025, 0.975])
    return float(low), float(high)


def _rows(pool: Pool, default: Mapping[Pair, float], peers: Sequence[Point]) -> list[Row]:
    """Misses of the default gate with both rerankers beside the peer's best of all its settings, at equal losses."""
    found = f"{len(pool.planted)} of {pool.hidden} hidden answers and {len(pool.true):,} true negatives"
    what = f"planted: {found} in the pool"
    rows = []
    for name in dict.fromkeys(point.by for point in peers):
        settings = [point for point in peers if point.by == name]
        usual = next(point for point in settings if point.setting == "relative_margin 0.05")
        chosen = {id(usual): (usual, f"{name}, as usual: {usual.setting}")}
        for level in _LEVELS:
            best = best_at(settings, level)
            if best is not None:
                label = f"{name}, best of {len(settings)} that lose {level:.0%} at most: {best.setting}"
                chosen.setdefault(id(best), (best, label))
        for theirs, label in sorted(chosen.values(), key=lambda one: one[0].lost):
            mine = at_loss(pool, default, theirs.lost)
            low, high = ratio_interval(pool, mine, theirs)
            metric = f"missed where {theirs.lost:.1%} of true negatives are lost (ratio {low:.2f} to {high:.2f})"
            goal, holds = f"<= {_GOAL} of the peer's", mine.missed <= _GOAL * theirs.missed
            rows.append(row(what, metric, "%", 100 * mine.missed, 100 * theirs.missed, label, 1, goal, holds))
    as_is = as_it_comes(pool, default)
    for metric, value in (("planted ones missed", as_is.missed), ("true negatives lost", as_is.lost)):
        rows.append(
            row(what, f"{metric}, by the gate as it comes", "%", 100 * value, None, "", 1, "for the record", True)
        )
    return rows


def _write(pool: Pool, points: Sequence[Point]) -> None:
    """Every setting's figures with Wilson intervals, and the curves."""
    from syneg_data.validation.review import wilson

    lines = ["by,setting,missed,missed_low,missed_high,lost,lost_low,lost_high"]
    for point in points:
        missed = len(pool.planted - point.refused)
        lost = len(pool.true & point.refused)
        cells = [point.missed, *wilson(missed, len(pool.planted)), point.lost, *wilson(lost, len(pool.true))]
        figures = ",".join(f"{value:.4f}" for value in cells if value is not None)
        lines.append(f'"{point.by}","{point.setting}",{figures}')
    write_text(FOLDER / "false_negatives.csv", "\n".join(lines) + "\n")
    _plot(points)


def _plot(points: Sequence[Point]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 5), layout="constrained")
    families: dict[str, list[Point]] = {}
    for point in points:
        rule = point.setting.partition(", above")[0] if point.by == "ours" else point.setting.partition(" ")[0]
        families.setdefault(f"{point.by}: {rule}", []).append(point)
    for name, members in families.items():
        ordered = sorted(members, key=lambda point: point.lost)
        style = "-" if name.startswith("ours") else "--"
        axes.plot([100 * p.lost for p in ordered], [100 * p.missed for p in ordered], style, marker=".", label=name)
    axes.set(
        xlabel="known true negatives lost, %", ylabel="planted false negatives missed, %", xlim=(0, 50), ylim=(0, 100)
    )
    axes.legend(fontsize=6)
    figure.savefig(FOLDER / "false_negatives.png", dpi=150, metadata={"Software": None})
    pyplot.close(figure)
