"""Written negatives and positives at the gate, in a whole build with a scripted language model."""

import json
from collections import Counter

import pytest

from syneg_data.engines.scripted import Reply, ScriptedServer, honest
from syneg_data.pipeline import build
from syneg_data.recipe import load_recipe
from tests.generation.world import text
from tests.validation.world import (
    TOPICS,
    engine_at,
    files_of,
    json_of,
    rows_of,
    save_words,
    write_data,
    write_recipe,
    write_run,
)

QUERIES = 6
TWIN = text(777)  # stands in the corpus, and is a draft for `charlie` too
# What a draft of each tone is to the bi-encoder, which knows two words of it at most: the query's, and `apple`.
TONES = {"warm": (1, 0, 1.0), "dry": (1, 2, 0.44721), "cold": (0, 0, 0.0)}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    save_words(folder / "words")
    write_data(folder / "data", changes=[("f001", TWIN)])
    write_run(folder / "run.txt", shapes=("half", "low", "off"))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def drafts(serial, body):
    """A text of its own for each request: as like the query as its tone says; a version of a positive is just like it.

    The version for `bravo` knows no word of it, and the cold draft for `charlie` is a document of the corpus.
    """
    system, user = (turn["content"] for turn in body["messages"])
    if "user_query" not in user:
        return honest(body)
    query = json.loads(user.split("\n")[0])["user_query"]
    if "editor" in system:
        mine, others = (0 if query == "bravo" else 1), 0
    else:
        mine, others, _ = TONES[next(tone for tone in TONES if tone in user)]
    if query == "charlie" and "cold" in user:
        return Reply(json.dumps({"passage": TWIN}))
    words = " and ".join([*[query] * mine, *["apple"] * others])
    passage = text(int(body["seed"]) % 10**6) + (f" They spoke of {words} there." if words else "")
    return Reply(json.dumps({"passage": passage}))


@pytest.fixture(scope="module")
def server():
    with ScriptedServer(drafts) as running:
        yield running


@pytest.fixture
def built(home, server, tmp_path):
    """Builds with these keys of the validation section, and says what came of it."""

    def run(mixing, name="out", **validation):
        generation = {
            "engine": engine_at(server),
            "strategies": [
                {"kind": "syneg", "per_pair": 3, "attributes": {"tone": list(TONES)}},
                {"kind": "restyle"},
            ],
            "reflection": {"kind": "none"},
            "terms": "apache-2.0",
        }
        gate = {"rule": {"kind": "relative"}, **validation}
        where = (home / "data", home / "run.txt", home / "words", gate)
        done = build(
            load_recipe(write_recipe(tmp_path / "r", *where, generation=generation, mixing=mixing)), tmp_path / name
        )
        return done.report, tmp_path / name

    return run


def synthetic(folder, stages=("validate", "mix")):
    return [row for row in rows_of(folder, "candidates") if row["origin"] == "synthetic" and row["stage"] in stages]


def test_written_negatives_are_judged_like_mined_ones(built):
    report, folder = built({"kind": "hybrid", "synthetic": 1, "mined": 1, "restyled": 0.0})
    stages = report["stages"]
    assert (stages["generate"]["in"], stages["generate"]["kept"]) == (3 * QUERIES, 3 * QUERIES)
    assert stages["validate"]["in"] == stages["mine"]["kept"] + stages["generate"]["kept"] == 6 * QUERIES
    found = Counter((row["relevance"], row["verdict"]) for row in synthetic(folder))
    assert found == {(1.0, "false_negative"): 6, (0.44721, "keep"): 6, (0.0, "too_easy"): 5, (None, "duplicate"): 1}
    counts = Counter(row["verdict"] for row in rows_of(folder, "candidates") if row["stage"] in ("validate", "mix"))
    assert stages["validate"]["kept"] == counts["keep"] == 3 * QUERIES
    refused = {word: counts[word] for word in ("duplicate", "false_negative", "too_easy")}
    assert stages["validate"]["rejected"] == refused == {"duplicate": 1, "false_negative": 6, "too_easy": 11}
    (entry,) = report["validation"]["rerankers"]
    assert entry["mined"] == 3 * QUERIES, "what a model wrote is no evidence to fit rules on"
    (twin,) = [row for row in synthetic(folder) if row["verdict"] == "duplicate"]
    assert (twin["query_id"], twin["reason"]) == ("q02", "text_of_document")
    scored = {row["doc_id"] for row in rows_of(folder, "scores")}
    assert twin["doc_id"] not in scored, "what is refused by its text costs no score"
    assert {row["doc_id"] for row in synthetic(folder)} - scored == {twin["doc_id"]}
    selected = [row for row in synthetic(folder) if row["selected"]]
    assert {(row["query_id"], row["positive_id"]) for row in selected} <= {
        (row["query_id"], row["positive_id"]) for row in rows_of(folder, "ids")
    }
    corpus = {row["_id"]: row["synthetic"] for row in rows_of(folder, "corpus")}
    assert {doc_id for doc_id, written in corpus.items() if written} == {row["doc_id"] for row in selected}


def test_a_written_positive_is_kept_where_it_is_as_relevant_as_the_rule_asks(built):
    report, folder = built({"kind": "mined_only", "mined": 1, "restyled": 1.0})
    rows = {row["query_id"]: row for row in synthetic(folder, ["restyle"])}
    assert len(rows) == QUERIES
    assert (rows["q01"]["verdict"], rows["q01"]["reason"], rows["q01"]["relevance"]) == (
        "too_easy", "less_relevant", 0.0,
    )  # fmt: skip
    others = [row for query_id, row in rows.items() if query_id != "q01"]
    assert {(row["verdict"], row["reason"], row["relevance"], row["selected"]) for row in others} == {
        ("keep", "", 1.0, True)
    }
    assert report["stages"]["restyle"]["relevance"] == {
        "unit": "candidate", "in": 6, "kept": 5, "rejected": {"too_easy": 1}, "failed": {},
    }  # fmt: skip
    assert report["restyled_positives"] == 5
    positives = {row["query_id"]: row["positive_id"] for row in rows_of(folder, "ids")}
    assert positives == {q: "01-p" if q == "q01" else row["doc_id"] for q, row in rows.items()}
    judged = {(row["query-id"], row["corpus-id"]): row["score"] for row in rows_of(folder, "qrels")}
    assert all(judged[pair] == 1 for pair in positives.items())


def test_a_written_false_negative_that_is_relabelled_is_a_document_and_a_positive(built):
    report, folder = built({"kind": "mined_only", "mined": 1}, false_negative="relabel")
    new = [row for row in synthetic(folder) if row["reason"] == "relabelled"]
    assert len(new) == QUERIES
    assert {row["relevance"] for row in new} == {1.0}
    assert report["relabelled"] == {"positives": 6, "used": sum(row["selected"] for row in new)} == {
        "positives": 6, "used": 6,
    }  # fmt: skip
    corpus = {row["_id"]: row for row in rows_of(folder, "corpus")}
    texts = texts_of_positives(folder)
    for row in new:
        assert corpus[row["doc_id"]]["synthetic"]
        assert {"query-id": row["query_id"], "corpus-id": row["doc_id"], "score": 1} in rows_of(folder, "qrels")
        assert TOPICS[int(row["query_id"][1:])] in corpus[row["doc_id"]]["text"]
        assert corpus[row["doc_id"]]["text"] in texts[row["query_id"]]
    pairs = report["stages"]["mix"]["pairs"]
    assert pairs["in"] == 2 * QUERIES == pairs["kept"]


def texts_of_positives(folder):
    """query_id -> the texts of all positives that its examples have."""
    found = {}
    for ids, texts in zip(rows_of(folder, "ids"), rows_of(folder, "n-tuple"), strict=True):
        found.setdefault(ids["query_id"], []).append(texts["positive"])
    return found


def test_the_same_drafts_give_the_same_bytes(built):
    mixing = {"kind": "hybrid", "synthetic": 1, "mined": 1}
    _, first = built(mixing)
    _, second = built(mixing, name="again")
    assert files_of(first) == files_of(second)
    assert json_of(second, "run.json")["engine_requests"] == 0
