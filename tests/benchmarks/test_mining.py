"""The benchmark of mining: what it compares is like with like, and what it works out of that is right."""

import math

import numpy as np
import pytest

from benchmarks.cases import corpora, dense, growth, lexical, reranking
from benchmarks.cases.dense import Lists
from benchmarks.cases.growth import Point


def lists(rows, scores):
    return Lists(np.array(rows), np.array(scores))


def test_made_up_embeddings_have_length_one_and_a_positive_that_is_near():
    made = corpora.embedded(500, 40)
    assert made.documents.shape == (500, 384) and made.queries.shape == (40, 384)
    assert made.documents.dtype == made.queries.dtype == np.float32
    assert np.linalg.norm(made.documents, axis=1) == pytest.approx(np.ones(500), abs=1e-5)
    scores = made.queries @ made.documents.T
    assert (scores.argmax(1) == made.positives).all()
    fiftieth = np.sort(scores, axis=1)[:, -50]
    assert fiftieth.min() > 0.2 > scores.mean(), "fifty neighbours lie nearer than the rest"


def test_the_collection_of_embeddings_has_distinct_texts_and_their_rows_in_its_ids():
    made = corpora.embedded(30, 5)
    collection = made.collection()
    assert len({document.text for document in collection.documents.values()}) == 30
    assert [corpora.row_of(doc_id) for doc_id in collection.documents] == list(range(30))
    assert [corpora.row_of(collection.positives(f"q{i}")[0]) for i in range(5)] == made.positives.tolist()


def test_made_up_texts_follow_zipf_and_queries_take_eight_different_words_of_a_document():
    collection = corpora.worded(400, 20)
    texts = [document.text.split() for document in collection.documents.values()]
    assert 110 < np.mean([len(words) for words in texts]) < 126
    counts = {word: sum(words.count(word) for words in texts) for word in ("w0", "w9", "w99")}
    assert counts["w0"] / counts["w9"] == pytest.approx(10, rel=0.2)
    assert counts["w0"] / counts["w99"] == pytest.approx(100, rel=0.5)
    for query in collection.queries.values():
        asked = set(query.split())
        assert len(asked) == 8 and any(asked <= set(words) for words in texts)


@pytest.mark.parametrize("make", [corpora.embedded, corpora.worded])
def test_what_is_made_up_is_the_same_every_time(make):
    once, again = make(50, 4), make(50, 4)
    if make is corpora.worded:
        assert once == again
    else:
        assert (once.documents == again.documents).all() and (once.queries == again.queries).all()


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (lists([[1, 2, 3], [4, 5, 6]], [[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]]), (1.0, 1.0, 0.0)),
        (lists([[1, 2, 3], [4, 5, 6]], [[0.9, 0.8, 0.69], [0.9, 0.8, 0.7]]), (1.0, 1.0, 0.01)),
        (lists([[2, 1, 3], [4, 5, 6]], [[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]]), (1.0, 0.5, 0.1)),
        (lists([[1, 2, 9], [4, 5, 6]], [[0.9, 0.8, 0.700005], [0.9, 0.8, 0.7]]), (1.0, 0.5, 0.0)),
        (lists([[1, 2, 9], [4, 5, 6]], [[0.9, 0.8, 0.6999], [0.9, 0.8, 0.7]]), (0.5, 0.5, 0.0)),
        (lists([[4, 5, 6], [1, 2, 3]], [[0.8, 0.7, 0.6], [0.8, 0.7, 0.6]]), (0.0, 0.0, 0.0)),
    ],
    ids=["same", "a score", "order, same scores", "a tie at the end", "another document", "swapped queries"],
)
def test_lists_are_compared_rank_by_rank_and_scores_document_by_document(peer, expected):
    ours = lists([[1, 2, 3], [4, 5, 6]], [[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]])
    assert dense.agreement(ours, peer) == pytest.approx(expected)


def test_ours_and_the_peer_mine_the_same_negatives():
    size = (60, 400)
    made = corpora.embedded(size[1], size[0])
    collection = made.collection()
    ours = dense._lists_of(dense._mine(made, collection), list(collection.queries))
    asked = dense._Asked(made)
    theirs = [asked.lists_of(asked.mine(chunk)) for chunk in (16, 16_384)]
    for peer in theirs:
        alike, _, difference = dense.agreement(ours, peer)
        assert alike == 1 and difference <= 1e-5
    assert ours.rows.shape == (60, 50)
    assert not (ours.rows == made.positives[:, None]).any(), "a positive is no negative"
    sums = np.einsum("qd,qnd->qn", made.queries, made.documents[ours.rows])
    assert ours.scores == pytest.approx(sums, abs=1e-5)


def test_first_documents_are_compared_in_order():
    left = [["a", "b", "c"], ["a", "b", "c"], ["a"], []]
    right = [["a", "b", "d"], ["b", "a", "c"], ["a", "b"], []]
    assert lexical.same_top(left, right, 2) == 0.5
    assert lexical.same_top(left, right, 1) == 0.75


def test_the_reference_engine_finds_what_the_peer_finds_and_both_sides_are_timed():
    found = lexical._measure((300, 30, 10), 1)
    assert found.same_reference == 1 and 0 <= found.same <= 1
    assert found.ours > 0 and found.peer > 0


@pytest.mark.parametrize(("power", "first", "last"), [(0, 3.0, 3.0), (1, 2.0, 80.0), (2, 0.5, 800.0)])
def test_the_exponent_is_that_of_a_power_law(power, first, last):
    assert growth.exponent((5_000, first), (200_000, last)) == pytest.approx(power)


def test_an_exponent_of_nothing_is_nothing():
    assert growth.exponent((5_000, 0.0), (200_000, 3.0)) == 0


def test_growth_is_drawn_and_told(tmp_path):
    points = [Point(1_000, 0.1, 10.0), Point(10_000, 1.0, 10.0)]
    growth.draw({"dense": points, "BM25": points}, tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    rows = growth._rows("growth: x", "dense", points, 3)
    assert [(row.metric, row.unit, row.ours, row.runs) for row in rows] == [
        ("dense search at the largest size", "ms per query", 1.0, 3),
        ("dense search, exponent of growth", "power", 1.0, 3),
        ("dense peak memory at the largest size", "MiB", 10.0, 3),
        ("dense peak memory, exponent of growth", "power", 0.0, 3),
    ]


@pytest.mark.parametrize("cost", growth._COSTS.values(), ids=list(growth._COSTS))
def test_each_search_has_a_cost(cost):
    point = cost(600)
    assert point.documents == 600 and point.milliseconds > 0 and math.isfinite(point.mebibytes)


@pytest.fixture(scope="module")
def task():
    return reranking.load(reranking.Size(4, 3, 2, 1))


def test_pairs_are_candidates_and_then_positives_of_real_queries(task):
    assert len(task.candidates) == 4
    pairs = task.pairs()
    assert len(pairs) == 12 + sum(map(len, task.positives().values())) and len(set(pairs)) == len(pairs)
    for query_id, doc_ids in task.candidates.items():
        assert len(doc_ids) == 3 and not set(doc_ids) & set(task.collection.positives(query_id))
    first, doc_ids = next(iter(task.candidates.items()))
    assert pairs[:3] == [(first, doc_id) for doc_id in doc_ids]
    assert task.texts(pairs)[0] == (task.collection.queries[first], task.collection.text(doc_ids[0]))
    assert list(task.part(2).candidates) == list(task.candidates)[::2]


def test_a_verdict_is_whether_a_candidate_comes_within_the_margin_of_the_lowest_positive(task):
    scores = {(q, d): 0.5 for q, ids in task.positives().items() for d in ids}
    values = (0.475, 0.475011, 0.2)  # the threshold is 0.475: what is on it is no false negative
    for query_id, doc_ids in task.candidates.items():
        scores |= {(query_id, doc_id): value for doc_id, value in zip(doc_ids, values, strict=True)}
    assert reranking.verdicts(task, scores) == [False, True, False] * 4


def test_agreement_is_the_share_of_equal_verdicts():
    assert reranking.agreement([True, False, True, True], [True, True, True, True]) == 0.75


def test_the_shipped_model_is_what_is_measured():
    assert reranking._MODEL.parts[-3:] == ("recipes", "models", "minilm-l3-cross-encoder")


@pytest.mark.slow
def test_ours_and_the_peer_score_alike_and_a_second_run_scores_nothing(tmp_path, fresh_cache):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    rows = reranking.measure(tiny_model(tmp_path / "tiny-cross-encoder"), reranking.Size(4, 3, 2, 1))
    assert {row.case for row in rows} == {
        f"cross_encoder: {12 + 4} pairs, 4 queries of SciFact, 256 tokens, tiny-cross-encoder"
    }
    assert rows[0].peer_name == "CrossEncoder.predict per query, one query in 2"
    assert all(row.ours > 0 and row.peer > 0 for row in rows[:3])
    second = rows[-1]
    assert (second.metric, second.ours, second.holds) == ("pairs scored by a second run", 0, True)


def tiny_model(folder):
    """A BERT of one layer with random weights, which knows letters only."""
    import string

    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir()
    pieces = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    torch.manual_seed(3)
    config = BertConfig(
        num_labels=1, vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=256, initializer_range=0.2,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder, safe_serialization=True)
    return folder
