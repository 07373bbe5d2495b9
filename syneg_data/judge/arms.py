"""Arms: the ways to choose hard negatives that `compare` trains on, all for the same pairs."""

import contextlib
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syneg_data.collection import Collection
from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.mining import Bm25, Guards
from syneg_data.mining.candidates import Source, mine_queries
from syneg_data.mining.dense import DenseIndex
from syneg_data.mixing import Hybrid, MinedOnly, Pooled, SyntheticOnly
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.ranking import Index
from syneg_data.spec import seed_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Pair = tuple[str, str]  # query_id, positive_id
Chosen = Mapping[Pair, tuple[str, ...]]  # the hard negatives of each pair that the arm can serve, all of one length
Versions = Mapping[Pair, str]  # the document in place of a pair's positive, of pairs whose positive is not the original


@dataclass(frozen=True)
class Ground:
    """What the arms choose from.

    Attributes:
        material: the collection with the synthetic documents, and what the gate kept, restyled positives too.
        corpus: the documents that are not synthetic, of which the arms that mine choose.
        synthetic: synthetic negatives of a hybrid example.
        mined: mined negatives of a hybrid example.
        encoder: the bi-encoder that `nearest` and `dense` mine with; None if the recipe names none.
        manner: what the recipe's mixing says of how to choose: cap, match_lengths, balance.
        restyled: share of the restyled positives that examples take; None if the recipe restyles none.
    """

    material: Material
    corpus: Sequence[str]
    synthetic: int
    mined: int
    encoder: BiEncoder | None
    manner: Mapping[str, Any] = field(default_factory=dict)
    restyled: float | None = None

    @property
    def all(self) -> int:
        """Hard negatives of a hybrid example."""
        return self.synthetic + self.mined

    def versions(self) -> Versions:
        """The restyled positives of a build by this recipe: the same share of them, drawn by the same seed."""
        taken = {pair: self.material.version(*pair, self.restyled or 0.0) for pair in self.material.collection.pairs()}
        return {pair: doc_id for pair, doc_id in taken.items() if doc_id != pair[1]}


@dataclass(frozen=True)
class Arm:
    """One way to choose.

    Attributes:
        name: as `--arms` and the tables have it.
        what: in words.
        choose: the negatives of every pair.
        needs_synthetic: whether the recipe must generate.
        trains: False for the model as it is.
        mined_only: whether it is a rival that needs no language model.
        scored: whether the gate scored every negative for the query that it stands with, as distillation needs.
        restyles: whether restyled positives take the place of originals, as the recipe has it.
    """

    name: str
    what: str
    choose: Callable[[Ground], Chosen]
    needs_synthetic: bool = False
    trains: bool = True
    mined_only: bool = False
    scored: bool = False
    restyles: bool = False


def _all_pairs(ground: Ground) -> Chosen:
    return dict.fromkeys(ground.material.collection.pairs(), ())


def _mixed(ground: Ground, synthetic: int, mined: int) -> Chosen:
    how = {"restyled": 0.0, **ground.manner}
    kind: Hybrid | MinedOnly | SyntheticOnly
    if synthetic and mined:
        kind = Hybrid(kind="hybrid", synthetic=synthetic, mined=mined, **how)
    elif synthetic:
        kind = SyntheticOnly(kind="synthetic_only", synthetic=synthetic, **how)
    else:
        kind = MinedOnly(kind="mined_only", mined=mined, **how)
    return _by_pair(kind.mix(ground.material))


def _hybrid(ground: Ground) -> Chosen:
    return _mixed(ground, ground.synthetic, ground.mined)


def _by_pair(mixed: Mixed) -> Chosen:
    return {(example.query_id, example.positive_id): example.negative_ids for example in mixed.examples}


def _random(ground: Ground) -> Chosen:
    collection, corpus = ground.material.collection, ground.corpus
    chosen: dict[Pair, tuple[str, ...]] = {}
    for query_id, positive_id in collection.pairs():
        judged = collection.qrels[query_id]
        chance = random.Random(seed_of("arm random", ground.material.seed, query_id, positive_id))
        drawn = chance.sample(corpus, min(len(corpus), ground.all + len(judged)))
        others = [doc_id for doc_id in drawn if judged.get(doc_id, 0) <= 0][: ground.all]
        if len(others) == ground.all:
            chosen[query_id, positive_id] = tuple(others)
    return chosen


def _bm25(ground: Ground) -> Chosen:
    return _unchecked(ground, lambda corpus: Bm25().open(corpus, None))


def _nearest(ground: Ground) -> Chosen:
    encoder = ground.encoder
    assert encoder is not None
    return _unchecked(ground, lambda corpus: DenseIndex(encoder, corpus))


def _unchecked(ground: Ground, open_index: Callable[[Collection], Index]) -> Chosen:
    """The best documents of a search; only positives, copies of them and of the query are passed over."""
    real = _without(ground.material.collection, set(ground.corpus))
    guards = Guards(near_duplicate=None).open(real)
    most = max((len(real.positives(query_id)) for query_id in real.queries), default=0)
    # Refused are positives and at most two texts of the query, so that many more make up for them.
    source = Source("search", 0, ground.all + most + 2, open_index(guards.distinct()))
    passed: dict[str, list[str]] = {query_id: [] for query_id in real.queries}
    for candidate in mine_queries(list(real.queries), [source], guards):
        if not candidate.reason:
            passed[candidate.query_id].append(candidate.doc_id)
    chosen: dict[Pair, tuple[str, ...]] = {}
    for query_id, found in passed.items():
        top = tuple(found[: ground.all])
        if len(top) == ground.all:
            chosen |= {(query_id, positive_id): top for positive_id in real.positives(query_id)}
    return chosen


def _dense(ground: Ground) -> Chosen:
    """`sentence_transformers.util.mine_hard_negatives` as its documentation shows it, with relative margin 0.05."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    assert ground.encoder is not None
    collection, pairs = ground.material.collection, ground.material.collection.pairs()
    corpus = {collection.text(doc_id): doc_id for doc_id in reversed(ground.corpus)}
    columns = {
        "query": [collection.queries[query_id] for query_id, _ in pairs],
        "positive": [collection.text(positive_id) for _, positive_id in pairs],
    }
    model: Any = _Stored(ground.encoder)
    with contextlib.redirect_stderr(io.StringIO()):  # a bar that `verbose` leaves on
        found = mine_hard_negatives(
            Dataset.from_dict(columns), model, corpus=list(corpus), relative_margin=0.05,
            num_negatives=ground.all, range_max=100, output_format="n-tuple", verbose=False, batch_size=1024,
        )  # fmt: skip
    pair_of = {(query, text): pair for pair, query, text in zip(pairs, *columns.values(), strict=True)}
    names = [f"negative_{n + 1}" for n in range(ground.all)]
    return {
        pair_of[row["query"], row["positive"]]: tuple(corpus[row[name]] for name in names) for row in found.to_list()
    }


def _pooled(ground: Ground) -> Chosen:
    """The mixing `pooled`, with as many negatives of each kind as the hybrid arm has."""
    kind = Pooled(kind="pooled", synthetic=ground.synthetic, mined=ground.mined, restyled=0.0, **ground.manner)
    return _by_pair(kind.mix(ground.material))


def _placebo(ground: Ground) -> Chosen:
    """The hybrid set in which every synthetic negative was written for another query."""
    rich = _hybrid(ground)
    order = list(rich)
    random.Random(seed_of("arm placebo", ground.material.seed)).shuffle(order)
    chosen = {}
    for at, pair in enumerate(order):
        others = order[at + 1 :] + order[:at]
        donor = next((other for other in others if other[0] != pair[0]), None)
        if donor is not None:
            chosen[pair] = (*rich[donor][: ground.synthetic], *rich[pair][ground.synthetic :])
    return chosen


ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("none", "no fine-tuning", _all_pairs, trains=False),
        Arm("in_batch", "no hard negatives, only the batch's", _all_pairs, mined_only=True),
        Arm("random", "random documents", _random, mined_only=True),
        Arm("bm25", "the best documents by BM25, unchecked", _bm25, mined_only=True),
        Arm("nearest", "the best documents by the recipe's bi-encoder, unchecked", _nearest, mined_only=True),
        Arm("dense", "sentence-transformers' mine_hard_negatives, relative margin 0.05", _dense, mined_only=True),
        Arm("gated", "mined, and kept by our gate", lambda g: _mixed(g, 0, g.all), mined_only=True, scored=True),
        Arm("synthetic", "synthetic only", lambda g: _mixed(g, g.synthetic, 0), needs_synthetic=True, scored=True),
        Arm("pooled", "synthetic and mined, mixed over the data set", _pooled, needs_synthetic=True, scored=True),
        Arm("hybrid", "synthetic and mined for every pair", _hybrid, needs_synthetic=True, scored=True),
        Arm("restyled", "hybrid, some positives in the model's words", _hybrid, True, scored=True, restyles=True),
        Arm(
            "count_matched", "control: hybrid with mined negatives in the synthetic slots",
            lambda g: _mixed(g, 0, g.all), mined_only=True, scored=True,
        ),
        Arm("placebo", "control: hybrid with another query's synthetic negatives", _placebo, needs_synthetic=True),
    )
}  # fmt: skip


def _without(collection: Collection, real: set[str]) -> Collection:
    documents = {doc_id: document for doc_id, document in collection.documents.items() if doc_id in real}
    return Collection(documents, collection.queries, collection.qrels, collection.digest)


class _Stored:
    """A bi-encoder behind the vector store in the shape that sentence-transformers' miner asks for."""

    def __init__(self, encoder: BiEncoder) -> None:
        import torch

        self._encoder, self.device = encoder, torch.device("cpu")

    def encode_query(self, texts: Sequence[str], **_: Any) -> "NDArray[np.float32]":  # noqa: ANN401
        return self._encoder.encode(texts, "query")

    def encode_document(self, texts: Sequence[str], **_: Any) -> "NDArray[np.float32]":  # noqa: ANN401
        return self._encoder.encode(texts, "document")

    def similarity(self, a: Any, b: Any) -> Any:  # noqa: ANN401
        from sentence_transformers.util import cos_sim

        return cos_sim(a, b)

    def similarity_pairwise(self, a: Any, b: Any) -> Any:  # noqa: ANN401
        from sentence_transformers.util import pairwise_cos_sim

        return pairwise_cos_sim(a, b)
