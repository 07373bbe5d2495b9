"""The same corpora, queries and vectors through sentence-transformers' miner and through ours give the same negatives.

Where the two differ on purpose, the corpora here do not go:

- Texts that differ in case, white space or punctuation alone are one text to us, and two to mine_hard_negatives, which
  so mines copies of positives. A query's own text is refused by us and its hardest negative there. Here all texts
  differ in their words, and none is a query.
- Near-duplicates of positives are refused by us unless that is switched off, as here.
- Its ranks count what its filters left, ours what the search found: so `range_min` is 0 here, and our windows are as
  deep as `range_max` with room for the positives, which it adds by itself.
- Equal scores go by doc_id with us and by chance there: examples with scores closer than 1e-4 are passed over.
- An n-tuple that is not full is dropped there; our mixing decides on that, so these tests drop it too.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.encoders.nearest import nearest
from syneg_data.encoders.vectors import Vectors
from syneg_data.mining.candidates import unite
from syneg_data.mining.guards import Guards, find_twins
from syneg_data.ranking import TieRanks
from syneg_data.validation.rules import Evidence, Relative

DIMENSION = 8


class Model:
    """What mine_hard_negatives asks of a bi-encoder, with vectors that are given."""

    device = "cpu"

    def __init__(self, queries, documents):
        self.queries, self.documents = queries, documents

    def encode_query(self, texts, **options):
        assert options["normalize_embeddings"]
        return np.stack([self.queries[text] for text in texts])

    def encode_document(self, texts, **options):
        assert options["normalize_embeddings"]
        return np.stack([self.documents[text] for text in texts])

    def similarity(self, left, right):
        import torch

        return torch.as_tensor(left) @ torch.as_tensor(right).T

    def similarity_pairwise(self, left, right):
        import torch

        return (torch.as_tensor(left) * torch.as_tensor(right)).sum(1)


class World:
    """A corpus, queries with one to three positives each, and vectors for all texts; the same for the same seed."""

    def __init__(self, seed, documents, queries, most):
        self.rng = np.random.default_rng(seed)
        self.texts = {f"d{i}": f"document {i}" for i in self.rng.permutation(documents).tolist()}
        self.queries = {f"q{i}": f"query {i}" for i in range(queries)}
        self.positives = {
            query_id: self.rng.choice(sorted(self.texts), self.rng.integers(1, most + 1), replace=False).tolist()
            for query_id in self.queries
        }
        self.corpus, self.asked = self.vectors(documents), self.vectors(queries)
        self.most = max(map(len, self.positives.values()))

    def vectors(self, n):
        rows = self.rng.standard_normal((n, DIMENSION)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def apart(self, margin):
        """Whether rounding decides nothing: neither between two documents nor between one and the bar."""
        for row, positives in zip(self.asked.astype(np.float64), self.positives.values(), strict=True):
            scores = dict(zip(self.texts, (self.corpus.astype(np.float64) @ row).tolist(), strict=True))
            least = min(scores[doc_id] for doc_id in positives)
            bar = [least - margin * abs(least)] if margin else []  # without a margin the bar is a score itself
            if min(np.diff(sorted([*scores.values(), *bar]))) < 1e-4:
                return False
        return True


def theirs(world, depth, negatives, margin, output_format):
    """(anchor, positive, negatives) -> (the positive's score, the negatives' scores) by sentence-transformers."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    pairs = [(q, d) for q, doc_ids in world.positives.items() for d in doc_ids]
    dataset = Dataset.from_dict(
        {"anchor": [world.queries[q] for q, _ in pairs], "positive": [world.texts[d] for _, d in pairs]}
    )
    queries = dict(zip(world.queries.values(), world.asked, strict=True))
    model = Model(queries, dict(zip(world.texts.values(), world.corpus, strict=True)))
    mined = mine_hard_negatives(
        dataset, model, corpus=list(world.texts.values()), range_max=depth, num_negatives=negatives,
        relative_margin=margin, sampling_strategy="top", output_format=output_format, output_scores=True, verbose=False,
    )  # fmt: skip
    columns = [name for name in mined.column_names if name.startswith("negative")]
    rows = {}
    for row in mined:
        key = (row["anchor"], row["positive"], tuple(row[name] for name in columns))
        assert key not in rows
        rows[key] = (row["scores"][0], row["scores"][1:])
    return rows


def ours(world, depth, negatives, margin, output_format):
    """The same by our search, windows, guards and rule."""
    documents = {doc_id: Document(doc_id, text) for doc_id, text in world.texts.items()}
    qrels = {query_id: dict.fromkeys(doc_ids, 1) for query_id, doc_ids in world.positives.items()}
    collection = Collection(documents, world.queries, qrels, "digest")
    assert find_twins(collection) == []
    guards = Guards(near_duplicate=None).open(collection, [])
    ranks, corpus = TieRanks(list(world.texts)), Vectors.of(world.corpus)
    lists = nearest(world.asked, corpus, ranks, depth + world.most)
    everything = nearest(world.asked, corpus, ranks, len(world.texts))
    bar = Relative(kind="relative", margin=margin or 0.0).fit(Evidence((), (), ()))
    rows = {}
    for query_id, ranked, whole in zip(world.queries, lists, everything, strict=True):
        known = {doc_id: score for doc_id, score in whole if doc_id in world.positives[query_id]}
        threshold = bar.threshold(bar.reference(known, None))
        kept = [c for c in unite(query_id, {"dense": ranked}, {"dense": 0}, guards) if not c.reason]
        scores = {c.doc_id: c.sources[0].score for c in kept}
        chosen = [d for d, score in scores.items() if margin is None or bar.relevance(score) <= threshold][:negatives]
        groups = [[d] for d in chosen] if output_format == "triplet" else [chosen] * (len(chosen) == negatives)
        for positive, group in ((positive, group) for positive in world.positives[query_id] for group in groups):
            key = (world.queries[query_id], world.texts[positive], tuple(world.texts[d] for d in group))
            rows[key] = (known[positive], [scores[d] for d in group])
    return rows


@pytest.mark.parametrize("output_format", ["triplet", "n-tuple"])
@pytest.mark.parametrize("most", [1, 3], ids=["one positive", "up to three positives"])
@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(4, 40),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(0, 12),
    st.sampled_from([None, 0.0, 0.05, 0.3]),
)
def test_negatives_and_scores_are_the_same(output_format, most, seed, documents, queries, negatives, deeper, margin):
    world = World(seed, documents, queries, min(most, documents))
    assume(world.apart(margin))
    asked = (world, negatives + deeper, negatives, margin, output_format)
    expected, found = theirs(*asked), ours(*asked)
    assert found.keys() == expected.keys()
    for key, (positive, others) in expected.items():
        assert found[key][0] == pytest.approx(positive, abs=1e-5)
        assert found[key][1] == pytest.approx(others, abs=1e-5)


def test_a_margin_below_a_negative_positive_is_taken_the_same_way():
    """All documents point away from the query: the threshold must fall below the positive's score, not rise."""
    world = World(13, 12, 1, 1)
    world.corpus, world.asked = -np.abs(world.corpus), np.abs(world.asked)
    best = int((world.corpus @ world.asked[0]).argmax())
    world.positives = {"q0": [list(world.texts)[best]]}
    assert world.apart(0.3)
    expected, found = theirs(world, 12, 12, 0.3, "triplet"), ours(world, 12, 12, 0.3, "triplet")
    assert found.keys() == expected.keys()
    assert 1 < len(found) < 11
    for positive, (score,) in found.values():
        assert positive < 0
        assert score <= 1.3 * positive
