"""Scoring: who is asked about what, and the rows that come of it."""

import math
from collections import Counter

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.execution import Silence
from syneg_data.records import Scored
from syneg_data.validation.gate import Scores
from syneg_data.validation.scoring import Panel, floor_sample, score_now
from tests.validation.world import corpus

NAN, INF = float("nan"), float("inf")
# How many pairs of a query and a random document rules are fitted on, over all queries; and of a dear reranker's.
RANDOM, SCARCE = 500, 150


class Counting:
    """A judge that holds scores by text, gives its word with each, and counts what it is asked."""

    def __init__(self, scores=None, otherwise=0.0):
        self.scores, self.otherwise = scores or {}, otherwise
        self.prepared, self.asked = [], []

    def prepare(self, pairs, progress):
        self.prepared.append(list(pairs))

    def score(self, pairs):
        self.asked.append(list(pairs))
        return [self.scores.get(text, self.otherwise) for _, text in pairs]

    def words(self, pairs):
        return [f"{query}? {text}!" for query, text in pairs]

    @property
    def pairs(self):
        return [pair for call in self.asked for pair in call]


def panel(judges, cheapest="one", collection=None, candidates=None, floor=(), scarce=()):
    collection = collection or corpus()
    candidates = candidates or {query_id: ["d30", "d31"] for query_id in collection.queries}
    return Panel(judges, cheapest, collection, candidates, tuple(floor), frozenset(scarce))


def of_role(rows, role, reranker="one"):
    return [row for row in rows if row.role == role and row.reranker == reranker]


def test_the_rows_of_a_query_by_hand():
    judge = Counting({"d0": 0.9, "d30": 0.123456789, "d31": -0.5, "d5": 0.25, "d6": 0.5})
    collection = corpus(positives=2)
    found = panel({"one": judge}, collection=collection, floor=["d5", "d6"]).rows(["q0"])
    random = [Scored("q0", d, "random", "one", score, f"query 0? {d}!") for d, score in (("d5", 0.25), ("d6", 0.5))]
    assert found[:4] == [
        Scored("q0", "d0", "positive", "one", 0.9, "query 0? d0!"),
        Scored("q0", "d1", "positive", "one", 0.0, "query 0? d1!"),
        Scored("q0", "d30", "candidate", "one", 0.12346, "query 0? d30!"),
        Scored("q0", "d31", "candidate", "one", -0.5, "query 0? d31!"),
    ]
    assert sorted(found[4:-1], key=lambda row: str(row.doc_id)) == random
    assert found[-1] == Scored("q0", None, "floor", "one", -INF)  # two are too few to tell


def test_each_query_and_document_is_asked_about_once():
    judges = {"one": Counting(), "two": Counting()}
    collection = corpus(queries=3, documents=60, positives=2)
    # Documents that are candidate, random and the floor's at once.
    floor = [f"d{i}" for i in range(60)]
    asked = panel(
        judges, collection=collection, candidates={q: ["d30", "d31"] for q in collection.queries}, floor=floor
    )
    for ids in (["q0", "q1"], ["q2"]):
        asked.rows(ids)
    for judge in judges.values():
        assert len(judge.asked) == 2, "a call for each chunk"
        assert set(Counter(judge.pairs).values()) == {1}
    assert len(judges["one"].pairs) == 3 * 60


def test_only_the_cheapest_is_asked_about_the_whole_floor():
    collection = corpus(queries=50, documents=300)
    candidates = {query_id: ["d250"] for query_id in collection.queries}
    judges = {"one": Counting(), "dear": Counting(), "scarce": Counting()}
    asked = panel(
        judges,
        collection=collection,
        candidates=candidates,
        floor=[f"d{i}" for i in range(100, 200)],
        scarce=["scarce"],
    )
    rows = asked.rows(list(collection.queries))
    assert {name: len(judge.pairs) for name, judge in judges.items()} == {
        "one": 50 * (1 + 1 + 100), "dear": 50 * 2 + RANDOM, "scarce": 50 * 2 + SCARCE,
    }  # fmt: skip
    assert {name: len(of_role(rows, "floor", name)) for name in judges} == {"one": 50, "dear": 0, "scarce": 0}
    assert {name: len(of_role(rows, "random", name)) for name in judges} == {
        "one": RANDOM, "dear": RANDOM, "scarce": SCARCE,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("queries", "size", "expected"),
    [
        (1, 100, 100),  # no more than there are
        (3, 100, 300),
        (7, 100, RANDOM),
        (499, 100, RANDOM),
        (RANDOM, 30, RANDOM),
        (RANDOM + 1, 30, RANDOM),
        (3 * RANDOM, 20, RANDOM),
    ],
)
def test_the_random_documents_of_all_queries_together_are_so_many(queries, size, expected):
    collection = corpus(queries=queries, documents=queries + size + 40)
    floor = [f"d{queries + i}" for i in range(size)]
    rows = panel({"one": Counting()}, collection=collection, floor=floor).rows(list(collection.queries))
    found = of_role(rows, "random")
    assert len(found) == len({(row.query_id, row.doc_id) for row in found}) == expected
    assert {row.doc_id for row in found} <= set(floor)
    shares = Counter(row.query_id for row in found)
    assert max(shares.values()) - min(shares.get(query_id, 0) for query_id in collection.queries) <= 1


def test_random_documents_are_others_for_other_queries():
    collection = corpus(queries=20, documents=200)
    rows = panel({"one": Counting()}, collection=collection, floor=[f"d{i}" for i in range(100, 200)]).rows(
        list(collection.queries)
    )
    drawn = {q: frozenset(r.doc_id for r in of_role(rows, "random") if r.query_id == q) for q in collection.queries}
    assert len(set(drawn.values())) > 10
    assert len(frozenset().union(*drawn.values())) == 100, "all of the sample is used"


@pytest.mark.parametrize(("high", "floors"), [(20, [1.0, 1.0]), (10, [0.0, 1.0])])
def test_a_positive_is_never_random_evidence_nor_in_the_floor(high, floors):
    """Of the twenty documents that are left to each query, ten are the other one's positives."""
    collection = corpus(queries=2, documents=30, positives=10)
    judge, everything = Counting({f"d{i}": 1.0 for i in range(high)}), [f"d{i}" for i in range(30)]
    candidates = {"q0": ["d25"], "q1": ["d25"]}
    rows = panel({"one": judge}, collection=collection, candidates=candidates, floor=everything).rows(["q0", "q1"])
    for query_id, mine in (("q0", range(10)), ("q1", range(10, 20))):
        found = {row.doc_id for row in of_role(rows, "random") if row.query_id == query_id}
        assert found == {f"d{i}" for i in range(30)} - {f"d{i}" for i in mine}
    assert [row.score for row in of_role(rows, "floor")] == floors


SAMPLE = {f"d{i}": i / 100 for i in range(1, 21)}  # 0.01 .. 0.20


@pytest.mark.parametrize(("size", "percentile"), [(20, 0.19), (19, 0.19), (10, 0.10), (9, -INF), (1, -INF)])
def test_the_floor_is_the_nearest_rank(size, percentile):
    rows = panel({"one": Counting(SAMPLE)}, floor=tuple(SAMPLE)[:size]).rows(["q0"])
    assert of_role(rows, "floor") == [Scored("q0", None, "floor", "one", percentile)]


def test_without_random_documents_nothing_is_too_easy():
    rows = panel({"one": Counting()}, floor=()).rows(["q0"])
    assert of_role(rows, "floor") == [Scored("q0", None, "floor", "one", -INF)]
    assert of_role(rows, "random") == []


@pytest.mark.parametrize(("broken", "expected"), [([7], 0.2), ([20], 0.19), ([19, 20], 0.18), (range(1, 10), 0.2)])
def test_random_documents_without_a_score_are_left_out_of_the_floor(broken, expected):
    rows = panel({"one": Counting({**SAMPLE, **{f"d{at}": NAN for at in broken}})}, floor=SAMPLE).rows(["q0"])
    assert of_role(rows, "floor") == [Scored("q0", None, "floor", "one", expected)]


def test_where_half_of_them_have_none_there_is_no_telling():
    rows = panel({"one": Counting({**SAMPLE, **{f"d{at}": INF for at in range(1, 11)}})}, floor=SAMPLE).rows(["q0"])
    assert math.isnan(of_role(rows, "floor")[0].score)


def test_a_nan_elsewhere_is_a_row_and_leaves_the_floor_alone():
    rows = panel({"one": Counting({**SAMPLE, "d0": NAN, "d30": NAN})}, floor=SAMPLE).rows(["q0"])
    assert [row.doc_id for row in rows if math.isnan(row.score)] == ["d0", "d30"]
    assert Scores(rows).floors == {"q0": 0.19}


def test_rows_are_complete_for_every_reranker_query_and_role():
    collection = corpus(queries=4, documents=80, positives=3)
    candidates = {"q0": ["d40"], "q1": [], "q2": ["d41", "d42"], "q3": ["d40", "d0"]}
    judges = {"one": Counting(otherwise=0.5), "two": Counting(otherwise=0.25)}
    asked = panel(judges, collection=collection, candidates=candidates, floor=["d50", "d51"])
    rows = asked.rows(["q0", "q1", "q2", "q3"])
    for name, score in (("one", 0.5), ("two", 0.25)):
        found = [(r.role, r.query_id, r.doc_id) for r in rows if r.reranker == name and r.role != "floor"]
        expected = [
            *[("positive", q, d) for q in collection.queries for d in collection.positives(q)],
            *[("candidate", q, d) for q, ids in candidates.items() for d in ids],
            *[("random", q, d) for q in collection.queries for d in ("d50", "d51")],
        ]
        assert sorted(found) == sorted(expected)
        assert {r.score for r in rows if r.reranker == name and r.role != "floor"} == {score}
    assert [r.query_id for r in of_role(rows, "floor")] == ["q0", "q1", "q2", "q3"]
    parts = [row for ids in (["q0"], ["q1", "q2"], ["q3"]) for row in asked.rows(ids)]
    assert sorted(map(str, parts)) == sorted(map(str, rows)), "however they are cut into chunks"


def test_what_is_prepared_is_what_is_scored():
    collection = corpus(queries=5, documents=100)
    judges = {"one": Counting(), "two": Counting()}
    asked = panel(judges, collection=collection, floor=[f"d{i}" for i in range(50, 90)])
    asked.prepare(Silence())
    assert judges["one"].asked == judges["two"].asked == []
    asked.rows(list(collection.queries))
    for judge in judges.values():
        (prepared,) = judge.prepared
        assert set(prepared) == set(judge.pairs)


def test_a_title_is_part_of_what_a_judge_reads():
    documents = {"d0": Document("d0", "text", "Title"), "d1": Document("d1", "other")}
    collection = Collection(documents, {"q0": "query"}, {"q0": {"d0": 1}}, "digest")
    judge = Counting()
    panel({"one": judge}, collection=collection, candidates={"q0": ["d1"]}).rows(["q0"])
    assert judge.pairs == [("query", "Title text"), ("query", "other")]


@pytest.mark.parametrize("part", ["score", "words"])
def test_a_judge_that_answers_too_few_is_never_believed(part):
    class Short(Counting):
        def score(self, pairs):
            return super().score(pairs)[: -1 if part == "score" else None]

        def words(self, pairs):
            return super().words(pairs)[: -1 if part == "words" else None]

    with pytest.raises(ValueError, match="zip"):
        panel({"one": Short()}).rows(["q0"])
    with pytest.raises(ValueError, match="zip"):
        score_now(Short(), corpus(), [("q0", "d3"), ("q0", "d4")], Silence())


def test_scores_at_once():
    judge = Counting({"d3": 0.123456, "d4": NAN})
    (first, second) = score_now(judge, corpus(), [("q0", "d3"), ("q0", "d4")], Silence())
    assert first == (0.12346, "query 0? d3!")
    assert math.isnan(second[0]) and second[1] == "query 0? d4!"
    assert judge.prepared == judge.asked == [[("query 0", "d3"), ("query 0", "d4")]]


def test_the_floor_sample_depends_on_seed_and_ids_alone():
    sample = floor_sample(corpus(documents=200), 30, 1)
    assert len(set(sample)) == 30
    assert set(sample) <= set(corpus(documents=200).documents)
    backwards = Collection(dict(reversed(corpus(documents=200).documents.items())), {}, {}, "digest")
    assert floor_sample(backwards, 30, 1) == sample
    assert floor_sample(corpus(documents=200), 30, 2) != sample
    assert sorted(floor_sample(corpus(documents=5), 30, 1)) == ["d0", "d1", "d2", "d3", "d4"]
