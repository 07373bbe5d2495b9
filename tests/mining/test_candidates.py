"""From ranked lists to candidates: guards, union, and a row for everything seen."""

from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.mining.candidates import mine_query
from syneg_data.records import Candidate, Hit


class Ranking:
    """An Index that holds its ranked list; scores fall by one from rank to rank."""

    def __init__(self, *doc_ids):
        self.ranked = [(doc_id, float(100 - i)) for i, doc_id in enumerate(doc_ids)]
        self.asked = []

    def search(self, query, k):
        self.asked.append((query, k))
        return self.ranked[:k]


def collection(texts, query="does apple help", positives=("pos",), titles=None):
    documents = {doc_id: Document(doc_id, text, (titles or {}).get(doc_id, "")) for doc_id, text in texts.items()}
    return Collection(documents, {"q": query}, {"q": dict.fromkeys(positives, 1)}, "digest")


def mine(corpus, *indexes):
    return mine_query(corpus, "q", indexes)


def fates(candidates):
    return [(c.doc_id, c.reason) for c in candidates]


def test_guards_refuse_with_a_reason_and_keep_the_row():
    corpus = collection(
        {
            "pos": "Apples help.",
            "twin": "APPLES   help",
            "echo": "Does apple help?",
            "titled": "does apple help",
            "good": "Pears help",
        },
        titles={"titled": "A question"},
    )
    candidates = mine(corpus, ("bm25", 5, Ranking("pos", "twin", "echo", "titled", "good")))
    assert candidates == [
        Candidate("q", "pos", (Hit("bm25", 1, 100.0),), "positive"),
        Candidate("q", "twin", (Hit("bm25", 2, 99.0),), "text_of_positive"),
        Candidate("q", "echo", (Hit("bm25", 3, 98.0),), "text_of_query"),
        Candidate("q", "titled", (Hit("bm25", 4, 97.0),), "text_of_query"),
        Candidate("q", "good", (Hit("bm25", 5, 96.0),), ""),
    ]


def test_the_text_of_any_positive_is_refused():
    corpus = collection({"p1": "one", "p2": "two", "a": "two", "b": "three"}, positives=("p1", "p2"))
    assert fates(mine(corpus, ("bm25", 2, Ranking("a", "b", "p2")))) == [
        ("a", "text_of_positive"),
        ("b", ""),
        ("p2", "positive"),
    ]


def test_a_document_judged_irrelevant_is_no_positive():
    corpus = Collection({"x": Document("x", "text")}, {"q": "query"}, {"q": {"x": 0}}, "digest")
    assert fates(mine(corpus, ("bm25", 1, Ranking("x")))) == [("x", "")]


def test_depth_is_reached_behind_a_top_full_of_refused_ones():
    twins = {f"t{i:03}": "apples help" for i in range(50)}
    good = {f"g{i}": f"text {i}" for i in range(4)}
    corpus = collection({"pos": "apples help", **twins, **good})
    ranking = Ranking("pos", *twins, *good)
    candidates = mine(corpus, ("bm25", 3, ranking))
    assert [c.doc_id for c in candidates if not c.reason] == ["g0", "g1", "g2"]
    assert [c.reason for c in candidates].count("text_of_positive") == 50
    assert [c.sources[0].rank for c in candidates] == list(range(1, 55))  # ranks count refused ones; g3 is never seen
    assert {query for query, _ in ranking.asked} == {"does apple help"}


def test_a_short_list_ends_the_walk():
    corpus = collection({"pos": "apples help", "a": "one"})
    assert fates(mine(corpus, ("bm25", 9, Ranking("pos", "a")))) == [("pos", "positive"), ("a", "")]
    assert mine(corpus, ("bm25", 9, Ranking())) == []


def test_nothing_behind_the_last_kept_one_is_a_row():
    corpus = collection({"pos": "apples help", "a": "one", "b": "two"})
    assert fates(mine(corpus, ("bm25", 1, Ranking("a", "b", "pos")))) == [("a", "")]


def test_union_keeps_the_hits_of_both_miners():
    corpus = collection({"pos": "apples help", "a": "one", "b": "two", "c": "three"})
    assert mine(corpus, ("bm25", 2, Ranking("a", "b")), ("dense", 2, Ranking("pos", "c", "a"))) == [
        Candidate("q", "a", (Hit("bm25", 1, 100.0), Hit("dense", 3, 98.0)), ""),
        Candidate("q", "pos", (Hit("dense", 1, 100.0),), "positive"),
        Candidate("q", "b", (Hit("bm25", 2, 99.0),), ""),
        Candidate("q", "c", (Hit("dense", 2, 99.0),), ""),
    ]


@given(st.permutations([f"d{i}" for i in range(12)]), st.sets(st.integers(0, 11)), st.integers(1, 12))
def test_every_miner_brings_its_best_unrefused(ranked, positives, depth):
    texts = {f"d{i}": f"text {i}" for i in range(12)}
    positives = {f"d{i}" for i in positives}
    candidates = mine(collection(texts, positives=tuple(positives)), ("bm25", depth, Ranking(*ranked)))
    assert [c.doc_id for c in candidates if not c.reason] == [d for d in ranked if d not in positives][:depth]
    assert [c.doc_id for c in candidates] == ranked[: len(candidates)]
