"""Shortcuts: planted ones are found at their strength, clean sets are not told apart, and no fold knows another."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from benchmarks.cases.tells import PLANTS, planted
from syneg_data.audit.features import characters, lengths, words
from syneg_data.audit.folds import FOLDS, Groups, Rows, rows_of
from syneg_data.audit.probes import Told, _won, tell
from syneg_data.audit.shortcuts import NAMES, examine, measure
from syneg_data.audit.subject import Subject
from syneg_data.collection import Collection, Document
from syneg_data.records import Example


def subject_of(rows, texts, **changes):
    """A set from (query, positive, {negative: origin}) and texts."""
    examples = [
        Example(q, p, tuple(negatives), tuple(f"{o}:x" for o in negatives.values()), (0.5,) * len(negatives))
        for q, p, negatives in rows
    ]
    documents = {doc_id: Document(doc_id, text) for doc_id, text in texts.items()}
    queries = {example.query_id: "query" for example in examples}
    return Subject(Collection(documents, queries, {}, ""), examples, **changes)


def figures(subject):
    return {found.name: found for found in measure(subject)}


@pytest.fixture(scope="module")
def clean():
    return figures(planted(80, 3))


def test_every_figure_is_there_and_a_clean_set_gives_chance(clean):
    assert tuple(clean) == NAMES
    for name in ("source_auc", "source_auc_length", "source_auc_words", "source_auc_characters", "query_blind_auc"):
        assert clean[name].low <= 0.5 <= clean[name].high, name
        assert clean[name].low <= clean[name].value <= clean[name].high
    assert clean["source_auc"].n == 160 and clean["query_blind_auc"].n == 240


def test_without_a_bi_encoder_embeddings_are_not_measured_and_it_says_why(clean):
    assert clean["source_auc_embeddings"].value is None
    assert "no bi-encoder" in clean["source_auc_embeddings"].sentence


@pytest.mark.parametrize(("plant", "probe"), [("token", "words"), ("length", "length"), ("register", "characters")])
def test_what_is_planted_in_every_text_is_found_by_its_probe(plant, probe):
    found = figures(planted(60, 5, PLANTS[plant], 1.0))
    assert found[f"source_auc_{probe}"].value > (0.8 if plant == "length" else 0.95)
    assert found["source_auc"].low > 0.7
    assert found["query_blind_auc_synthetic"].low > 0.65
    assert found["query_blind_auc_mined"].low <= 0.5


def test_half_of_the_texts_with_a_word_of_their_own_are_half_of_what_can_be_told():
    found = figures(planted(100, 5, PLANTS["token"], 0.5))["source_auc_words"]
    assert found.low > 0.55 and 0.65 < found.value < 0.85  # 0.75 can be told


def test_embeddings_are_a_probe_of_their_own():
    plain = planted(60, 7)
    synthetic = set(plain.texts(plain.negative_ids("synthetic")))

    def embed(texts):
        noise = np.random.default_rng(1).standard_normal((len(texts), 8)).astype(np.float32)
        return noise + 3 * np.array([[text in synthetic] for text in texts], np.float32)

    found = figures(Subject(plain.collection, plain.examples, embed=embed))
    assert found["source_auc_embeddings"].value > 0.95
    assert found["source_auc"].value == found["source_auc_embeddings"].value
    assert "strongest of 4 probes" in found["source_auc"].sentence


def test_the_strongest_of_several_has_a_wider_interval():
    told = Told(0.6, tuple(np.linspace(0.5, 0.7, 1001)))
    assert told.interval() == (0.4656, 0.7344)  # 0.6 less and more 0.095 * sqrt(2)
    assert told.interval(4) == (0.4603, 0.7397)


@pytest.mark.parametrize("seed", range(3))
def test_copies_under_other_ids_are_no_acquaintances(seed):
    """Every text stands in the set six times, for other queries, and its label was drawn by lot.

    Were the copies in several folds, or one row each, a probe that knows the text by heart would be right every time.
    """
    chance = random.Random(seed)
    vocabulary = [f"w{i}" for i in range(400)]
    texts = [" ".join(chance.choices(vocabulary, k=30)) for _ in range(120)]
    label = [chance.choice(("synthetic", "mined")) for _ in texts]
    rows, documents, uses = [], {}, [i for i in range(120) for _ in range(6)]
    chance.shuffle(uses)
    for q in range(240):
        documents[f"p{q}"] = " ".join(chance.choices(vocabulary, k=30))
        negatives = {}
        for place, i in enumerate(uses[3 * q : 3 * q + 3]):
            documents[f"d{q}-{place}"] = texts[i].upper() if place else texts[i]
            negatives[f"d{q}-{place}"] = label[i]
        rows.append((f"q{q}", f"p{q}", negatives))
    found = figures(subject_of(rows, documents, seed=seed))
    assert found["source_auc_words"].n == 120
    for probe in ("words", "characters"):
        one = found[f"source_auc_{probe}"]
        assert one.low <= 0.5 <= one.high


@pytest.mark.parametrize("seed", range(3))
def test_a_query_is_never_on_both_sides(seed):
    """All negatives of a query have one origin, drawn by lot, and a word of the query's: only its own tell its origin.

    Some documents are shared between queries, and positives too.
    """
    chance = random.Random(seed)
    vocabulary = [f"w{i}" for i in range(400)]
    rows, documents = [], {}
    for q in range(80):
        origin = chance.choice(("synthetic", "mined"))
        documents[f"p{q // 2}"] = " ".join(chance.choices(vocabulary, k=30))
        negatives = {f"d{q}-{place}": origin for place in range(5)}
        for doc_id in negatives:
            documents[doc_id] = " ".join([*chance.choices(vocabulary, k=20), *[f"only{q // 2}"] * 3])
        if q % 4 == 3:
            negatives["shared"] = origin
        rows.append((f"q{q}", f"p{q // 2}", negatives))
    documents["shared"] = "a text that many share"
    found = figures(subject_of(rows, documents, seed=seed))["source_auc_words"]
    assert found.low <= 0.5 and found.value < 0.65  # 1.0 if the words that only a query has were known


SETS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.lists(st.tuples(st.integers(0, 14), st.booleans()), max_size=4)),
    min_size=1,
    max_size=25,
)


@given(SETS, st.integers(0, 3))
@settings(max_examples=100)
def test_no_row_that_is_learnt_from_shares_a_text_or_a_query_with_the_fold_that_is_tried(drawn, seed):
    rows = [
        (f"q{q}", f"p{p}", {f"d{d}": "synthetic" if s else "mined" for d, s in negatives}) for q, p, negatives in drawn
    ]
    texts = {f"p{p}": f"positive {p}" for p in range(10)}
    texts |= {f"d{d}": f"Text {d % 12}{'!' * (d // 12)}" for d in range(15)}  # three are copies of others
    subject = subject_of(rows, texts, seed=seed)
    groups = Groups.among(subject)
    place = {doc_id: i for i, doc_id in enumerate(texts)}
    kinds = []
    for origin in ("synthetic", "mined"):
        kind = {}
        for row in subject.negatives:
            if row.origin == origin:
                kind.setdefault(place[row.doc_id], []).append(row.query_id)
        kinds.append(kind)
    made = rows_of(groups, list(texts.values()), kinds)
    by_positive = {}
    for query_id, positive_id, _ in rows:
        by_positive.setdefault(positive_id, set()).add(groups.fold[groups.of[query_id]])
    assert all(len(folds) == 1 for folds in by_positive.values())
    names = [list(texts.values())[i].rstrip("!") for i in made.text]
    queries = [
        {q for place, used in kinds[1 - label].items() if list(texts.values())[place].rstrip("!") == name for q in used}
        for name, label in zip(names, made.label, strict=True)
    ]
    assert len(set(zip(names, made.label.tolist(), strict=True))) == len(names)
    for fold in range(FOLDS):
        tried = [i for i in range(len(names)) if made.test[i] == fold]
        learnt = [i for i in range(len(names)) if not made.met[i, fold]]
        assert not {names[i] for i in tried} & {names[i] for i in learnt}
        at_home = {q for q, group in groups.of.items() if groups.fold[group] == fold}
        assert not at_home & {q for i in learnt for q in queries[i]}


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([(f"q{i}", f"p{i}", {f"d{i}": "mined"}) for i in range(30)], "there are no synthetic negatives"),
        ([(f"q{i}", f"p{i}", {f"d{i}": "synthetic"}) for i in range(30)], "there are no mined negatives"),
        (
            [(f"q{i}", f"p{i}", {f"d{i}": "synthetic", f"m{i}": "mined"}) for i in range(19)],
            "there are 19 and 19 different texts, 20 of either kind are needed",
        ),
        (
            [(f"q{i}", f"p{i % 4}", {f"d{i}": "synthetic", f"m{i}": "mined"}) for i in range(30)],
            "the texts come from 4 groups of queries that share no positive, 5 are needed",
        ),
    ],
    ids=["mined only", "synthetic only", "few texts", "few groups"],
)
def test_what_cannot_be_measured_says_why(rows, why):
    texts = {d: f"text of {d}" for q, p, negatives in rows for d in (p, *negatives)}
    found = figures(subject_of(rows, texts))["source_auc"]
    assert found.value is found.low is found.high is None
    assert why in found.sentence


def test_with_one_kind_of_negatives_both_comparisons_are_one():
    rows = [(f"q{i}", f"p{i}", {f"d{i}": "mined"}) for i in range(30)]
    texts = {d: f"{d} {'other' * (i % 3)}" for i, (_, p, n) in enumerate(rows) for d in (p, *n)}
    found = figures(subject_of(rows, texts))
    assert found["query_blind_auc"].value == found["query_blind_auc_mined"].value is not None
    assert found["query_blind_auc_synthetic"].value is None


def test_a_set_without_examples_is_measured_as_nothing():
    assert [found.value for found in measure(subject_of([], {}))] == [None] * len(NAMES)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_pairs_won_are_those_of_the_auc(rows):
    scores, label = np.array([s for s, _ in rows], float), np.array([int(one) for _, one in rows])
    won, pairs = _won(scores, label, np.ones((1, len(rows)), np.float32), np.arange(len(rows)))
    assert pairs[0] == label.sum() * (len(label) - label.sum())
    if pairs[0]:
        assert won[0] / pairs[0] == pytest.approx(roc_auc_score(label, scores))


def test_drawing_a_group_twice_counts_its_pairs_as_if_it_were_there_twice():
    scores, label, group = np.array([1.0, 2, 3, 4]), np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    won, pairs = _won(scores, label, np.array([[1, 1], [2, 1]], np.float32), group)
    # once: 2>1, 4>1, 4>3 of 4; with the first group twice: 2>1 four times, 4>1 twice, 4>3 once, of 9
    assert won.tolist() == [3, 7] and pairs.tolist() == [4, 9]


def test_the_same_set_gives_the_same_figures():
    assert examine(planted(20, 1)) == examine(planted(20, 1))


def test_a_sample_is_drawn_by_seed_and_bounds_a_comparison():
    plain = planted(50, 2)
    small = Subject(plain.collection, plain.examples, sample=60)
    assert figures(small)["source_auc"].n == 60
    assert figures(small)["query_blind_auc"].n == 60


@pytest.mark.parametrize("groups", [5, 8, 32])
def test_the_interval_of_a_few_groups_holds_chance_as_well(groups):
    """Labels are drawn by lot, so 0.5 is the truth; texts of a group are alike. Five groups are one to a fold."""
    held = 0
    for seed in range(40):
        chance = np.random.default_rng(seed)
        group = np.repeat(np.arange(groups), 160 // groups)
        matrix = chance.standard_normal((160, 15)) + chance.standard_normal((groups, 15))[group]
        test = group % FOLDS
        rows = Rows(np.arange(160), chance.integers(0, 2, 160), group, test, np.eye(FOLDS, dtype=bool)[test])
        low, high = tell(matrix, rows, seed).interval()
        held += low <= 0.5 <= high
    assert held >= 33


def test_lengths_are_told_though_the_mean_is_the_same():
    """One writer has 50 words each time, the others more or fewer."""
    chance = random.Random(0)
    texts = ["a " * 50 if i % 2 else "a " * chance.choice((30, 40, 60, 70)) for i in range(200)]
    rows = Rows(
        np.arange(200),
        np.arange(200) % 2,
        np.arange(200),
        np.arange(200) % FOLDS,
        np.eye(FOLDS, dtype=bool)[np.arange(200) % FOLDS],
    )
    assert tell(lengths(texts), rows, 0).auc == 1.0


def test_features_of_words_and_characters_are_the_same_in_every_process_and_keep_case():
    texts = ["The end.", "the end", "The end."] * 3
    for make in (words, characters):
        matrix = make(texts)
        assert matrix.shape[0] == 9
        same = (matrix @ matrix.T).toarray()
        assert same[0, 2] == pytest.approx(1, abs=1e-5)
        assert same[0, 1] < 0.9
    assert words(["", "a b", "a b", "a b"])[0].nnz == 0
