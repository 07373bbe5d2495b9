"""A small world for mixing: verdicts and collections as literals, and random cases for properties."""

from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.mixing import Ambiguous, GradedLists, Hybrid, MinedOnly, Pooled, Quota, SyntheticOnly
from syneg_data.records import Hit, Score, Verdict


def mined(query_id, doc_id, relevance, *sources, positive=0.9, scores=()):
    hits = tuple(Hit(source, i + 1, 1.0) for i, source in enumerate(sources or ("bm25",)))
    said = tuple(Score(*score) for score in scores)
    return Verdict(query_id, None, doc_id, "mined", hits, relevance, positive, said, "keep", "")


def written(query_id, positive_id, slot, relevance=0.5, strategy="syneg", positive=0.9):
    doc_id = f"{strategy[0]}-{query_id}-{positive_id}-{slot}"
    hits = (Hit(strategy, slot + 1, None),)
    return Verdict(query_id, positive_id, doc_id, "synthetic", hits, relevance, positive, (), "keep", "")


def collection(positives, texts=None):
    """Query -> number of positives; a text is the document's id where none is given."""
    qrels = {q: {f"{q}-p{i}": 1 for i in range(n)} for q, n in positives.items()}
    documents = {doc_id: Document(doc_id, doc_id) for grades in qrels.values() for doc_id in grades}
    documents |= {doc_id: Document(doc_id, text) for doc_id, text in (texts or {}).items()}
    return Collection(documents, {q: f"text of {q}" for q in positives}, qrels, "digest")


def named(example):
    """What an example is made of: (document, source) of every negative."""
    return list(zip(example.negative_ids, example.sources, strict=True))


GRADES = {"graded": (3, 2, 1, 0)}

# Every kind, in a form that wants little and in one that wants much.
KINDS = {
    "hybrid": (
        Hybrid(kind="hybrid", synthetic=1, mined=1),
        Hybrid(kind="hybrid", synthetic_per_mined=0.7, negatives=3),
    ),
    "pooled": (Pooled(kind="pooled", synthetic=1, mined=1), Pooled(kind="pooled", synthetic=2, mined=2)),
    "synthetic_only": (
        SyntheticOnly(kind="synthetic_only", synthetic=1),
        SyntheticOnly(kind="synthetic_only", synthetic=3),
    ),
    "mined_only": (MinedOnly(kind="mined_only", mined=1), MinedOnly(kind="mined_only", mined=4)),
    "quota": (
        Quota(kind="quota", sources={"bm25": 1, "syneg": 1}),
        Quota(kind="quota", sources={"graded": 1, "dense": 2, "bm25": 2}),
    ),
    "ambiguous": (Ambiguous(kind="ambiguous", negatives=2), Ambiguous(kind="ambiguous", negatives=4, b=-0.2)),
    "graded": (
        GradedLists(kind="graded", grades=(1,), shortage="drop"),
        GradedLists(kind="graded", per_grade=2, shortage="drop"),
    ),
}


@st.composite
def kept_candidates(draw, query_ids=("q1", "q2", "q3")):
    """Queries with a few positives each, and what the gate kept for them."""
    positives = draw(st.dictionaries(st.sampled_from(query_ids), st.integers(1, 3), min_size=1))
    relevance = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75])
    found_by = st.sampled_from([("bm25",), ("dense",), ("bm25", "dense")])
    kept = []
    for q, n in positives.items():
        kept += [mined(q, f"m{i:02}", draw(relevance), *draw(found_by)) for i in draw(st.sets(st.integers(0, 9)))]
        for i in range(n):
            kept += [written(q, f"{q}-p{i}", slot, draw(relevance)) for slot in range(draw(st.integers(0, 2)))]
            kept += [written(q, f"{q}-p{i}", slot, draw(relevance), "graded") for slot in draw(st.sets(GRADED_SLOTS))]
    return positives, draw(st.permutations(kept))


GRADED_SLOTS = st.sampled_from([1, 2, 3, 5, 6, 7])  # two requests; their slots 0 and 4 are positives


def texts_for(kept):
    """Every document a text whose length its id decides."""
    return {v.doc_id: " ".join(["word"] * (1 + sum(map(ord, v.doc_id)) % 23)) for v in kept}
