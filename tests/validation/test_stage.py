"""The stage validate in whole builds over a collection whose scores are known."""

import json
import math
import shutil

import pytest

from syneg_data.engines.scripted import ScriptedServer
from syneg_data.errors import InputError, UnavailableError
from syneg_data.pipeline import build
from syneg_data.recipe import load_recipe
from tests.conftest import run_cli
from tests.validation.recount import recount
from tests.validation.world import (
    MINED,
    TOPICS,
    Words,
    engine_at,
    files_of,
    json_of,
    rows_of,
    save_pairs,
    save_words,
    text_of,
    write_data,
    write_recipe,
    write_run,
)

QUERIES = 6
# What the gate makes of each shape of document, with a positive of 0.8, a margin of 5 % and a band of doubt of 0.1.
FATES = {
    "same": ("false_negative", "above_threshold", 1.0),
    "high": ("false_negative", "above_threshold", 0.92308),
    "above": ("false_negative", "above_threshold", 0.88235),
    "near": ("ambiguous", "near_threshold", 0.68966),
    "half": ("keep", "", 0.6),
    "low": ("keep", "", 0.38462),
    "faint": ("keep", "", 0.28),
    "off": ("too_easy", "within_random", 0.0),
}
DOUBT = {"kind": "relative", "margin": 0.05, "doubt": 0.1}
ONE_EACH = {"mixing": {"kind": "mined_only", "mined": 1}}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Models, data and a run that find everything."""
    folder = tmp_path_factory.mktemp("world")
    save_words(folder / "words")
    save_pairs(folder / "pairs", seed=2)
    save_pairs(folder / "others", seed=6)
    save_pairs(folder / "apt", seed=3)
    save_pairs(folder / "two", outputs=2)
    save_pairs(folder / "constant", layers=0)
    write_data(folder / "data")
    write_run(folder / "run.txt")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def world(home, tmp_path):
    """Writes a recipe; keyword arguments: keys of its validation section, or `data`, `run` and `changes`."""

    def write(data=None, run=None, changes=None, **validation):
        where = (data or home / "data", run or home / "run.txt", home / "words")
        return load_recipe(write_recipe(tmp_path / "recipe", *where, validation, **(changes or {})))

    return write


def words_at(home, **changes):
    return {"kind": "bi_encoder", "name": "words", "model": str(home / "words"), "max_length": 64} | changes


def pairs_at(home, model="pairs", **changes):
    return {"kind": "cross_encoder", "name": "pairs", "model": str(home / model), "max_length": 64} | changes


def llm_at(server, **changes):
    return {"kind": "llm", "engine": engine_at(server)} | changes


def fates(folder, query_id="q00"):
    """doc -> (verdict, reason, relevance), of one query; a document that was selected has no reason."""
    rows = [row for row in rows_of(folder, "candidates") if row["query_id"] == query_id]
    return {
        row["doc_id"].partition("-")[2]: (row["verdict"], row["reason"].removesuffix("not_selected"), row["relevance"])
        for row in rows
    }


def scores_by(folder, reranker, role="candidate"):
    found = [row for row in rows_of(folder, "scores") if (row["reranker"], row["role"]) == (reranker, role)]
    return {(row["query_id"], row["doc_id"]): row["score"] for row in found}


def test_every_candidate_has_the_verdict_that_its_score_earns(world, tmp_path):
    done = build(world(), tmp_path / "out")
    for q in range(QUERIES):
        assert fates(tmp_path / "out", f"q{q:02}") == FATES
    recount(tmp_path / "out")
    rows = [row for row in rows_of(tmp_path / "out", "candidates") if row["verdict"] != "failed"]
    assert {row["positive_relevance"] for row in rows} == {0.8}
    assert done.report["stages"]["validate"]["rejected"] == {"ambiguous": 6, "false_negative": 18, "too_easy": 6}
    (reranker,) = done.report["validation"]["rerankers"]
    assert reranker["bar"] == {"rule": "relative", "margin": 0.05}
    assert scores_by(tmp_path / "out", "words", "floor") == {(f"q{q:02}", None): 0.0 for q in range(QUERIES)}
    assert "review" not in done.report and "relabelled" not in done.report


def test_scores_are_published_as_they_came(world, tmp_path):
    build(world(), tmp_path / "out")
    found = scores_by(tmp_path / "out", "words")
    assert found == {(f"q{q:02}", f"{q:02}-{shape}"): FATES[shape][2] for q in range(QUERIES) for shape in MINED}
    assert scores_by(tmp_path / "out", "words", "positive") == {
        (f"q{q:02}", f"{q:02}-p"): 0.8 for q in range(QUERIES)
    }  # fmt: skip


def test_a_candidate_in_the_band_of_doubt_can_be_kept(world, tmp_path):
    build(world(ambiguous="keep"), tmp_path / "out")
    assert fates(tmp_path / "out") == {**FATES, "near": ("keep", "", 0.68966)}
    recount(tmp_path / "out")


@pytest.mark.parametrize(
    ("rule", "verdicts"),
    [
        ({"kind": "relative", "margin": 0.5}, ["false_negative"] * 5 + ["keep"] * 2),
        ({"kind": "absolute", "maximum": 0.9}, ["false_negative"] * 2 + ["keep"] * 5),
        (
            {"kind": "absolute", "maximum": 0.9, "doubt": 0.25},
            ["false_negative"] * 2 + ["ambiguous"] * 2 + ["keep"] * 3,
        ),
        ({"kind": "percentile", "percentile": 5.0}, ["false_negative"] * 3 + ["keep"] * 4),
        (
            {"kind": "percentile", "percentile": 5.0, "doubt": 0.25},
            ["false_negative"] * 3 + ["ambiguous"] * 2 + ["keep"] * 2,
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_another_rule_asks_for_no_new_score(world, tmp_path, cache, rule, verdicts):
    build(world(), tmp_path / "out")
    shutil.rmtree(cache)
    done = build(world(rule=rule), tmp_path / "out")
    assert (done.run["chunks_computed"], done.run["build_reused"]) == (1, False), "the audit alone"
    assert [fate[0] for fate in fates(tmp_path / "out").values()] == [*verdicts, "too_easy"]
    recount(tmp_path / "out")


@pytest.mark.parametrize("rule", [DOUBT, {"kind": "calibrated", "least": 10}], ids=["relative", "calibrated"])
def test_the_same_recipe_gives_the_same_bytes(world, tmp_path, cache, rule):
    options = {"rule": rule, "false_negative": "relabel", "changes": ONE_EACH}
    build(world(**options), tmp_path / "out")
    assert build(world(**options), tmp_path / "out").run["build_reused"]
    build(world(**options), tmp_path / "again")
    shutil.rmtree(cache)
    build(world(**options), tmp_path / "anew")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "again") == files_of(tmp_path / "anew")


# Relabelling


def test_false_negatives_can_become_positives(world, tmp_path):
    """Three kept ones are dealt to the four pairs of each query; the last shares the hardest with the first."""
    done = build(world(false_negative="relabel", changes=ONE_EACH), tmp_path / "out")
    expected = {shape: (verdict, reason.replace("above_threshold", "relabelled"), relevance)
                for shape, (verdict, reason, relevance) in FATES.items()}  # fmt: skip
    assert fates(tmp_path / "out") == expected
    recount(tmp_path / "out", relabelled=True)
    assert done.report["relabelled"] == {"positives": 18, "used": 18}
    assert done.report["stages"]["mix"]["pairs"] == {
        "unit": "pair", "in": 24, "kept": 24, "rejected": {}, "failed": {},
    }  # fmt: skip
    ids = [row for row in rows_of(tmp_path / "out", "ids") if row["query_id"] == "q00"]
    # Positives by id, the hardest negative to the first.
    assert [(row["positive_id"], row["negative_ids"]) for row in ids] == [
        ("00-above", ["00-half"]), ("00-high", ["00-low"]), ("00-p", ["00-faint"]), ("00-same", ["00-half"]),
    ]  # fmt: skip
    qrels = [row for row in rows_of(tmp_path / "out", "qrels") if row["query-id"] == "q00"]
    assert [(row["corpus-id"], row["score"]) for row in qrels] == [
        ("00-p", 1), ("00-above", 1), ("00-high", 1), ("00-same", 1),
    ]  # fmt: skip
    rows = [row for row in rows_of(tmp_path / "out", "candidates") if row["query_id"] == "q00"]
    assert {row["doc_id"]: row["selected"] for row in rows if row["reason"] == "relabelled"} == {
        "00-above": True, "00-high": True, "00-same": True,
    }  # fmt: skip


def test_a_relabelled_document_is_as_relevant_as_the_least_relevant_positive(world, tmp_path):
    grades = [("q00", "00-p", 3), ("q00", "00-same", 2)]
    data = write_data(
        tmp_path / "data", positives=(), grades=[*grades, *((f"q{q:02}", f"{q:02}-p", 1) for q in (1, 2))]
    )
    build(world(data=data, false_negative="relabel", changes=ONE_EACH), tmp_path / "out")
    qrels = {row["corpus-id"]: row["score"] for row in rows_of(tmp_path / "out", "qrels") if row["query-id"] == "q00"}
    assert qrels == {"00-p": 3, "00-same": 2, "00-above": 2, "00-high": 2}
    ids = [row["positive_id"] for row in rows_of(tmp_path / "out", "ids") if row["query_id"] == "q00"]
    assert ids == ["00-p", "00-above", "00-high", "00-same"], "by grade, then by id"
    recount(tmp_path / "out", relabelled=True)


# Several rerankers


def test_two_rerankers_and_who_of_them_is_asked_what(world, home, tmp_path):
    """A cross-encoder with random weights objects to other documents than the one that counts words."""
    for agree in ("any", "all", "mean"):
        rerankers = [pairs_at(home, "others"), words_at(home)]
        rule = {"kind": "relative", "margin": 0.05}
        done = build(world(rerankers=rerankers, agree=agree, rule=rule, changes=ONE_EACH), tmp_path / agree)
        recount(tmp_path / agree)
        assert [entry["name"] for entry in done.report["validation"]["rerankers"]] == ["pairs", "words"]
        assert len(scores_by(tmp_path / agree, "words", "floor")) == QUERIES
        assert scores_by(tmp_path / agree, "pairs", "floor") == {}, "the dearer one is not asked about the floor"
    refused = {
        agree: {
            (row["query_id"], row["doc_id"])
            for row in rows_of(tmp_path / agree, "candidates")
            if row["verdict"] == "false_negative"
        }
        for agree in ("any", "all")
    }
    words = {(f"q{q:02}", f"{q:02}-{shape}") for q in range(QUERIES) for shape in ("same", "high", "above")}
    positives = {q: score for (q, _), score in scores_by(tmp_path / "all", "pairs", "positive").items()}
    found = scores_by(tmp_path / "all", "pairs")
    others = {pair for pair, score in found.items() if score > positives[pair[0]] * 0.95 + 1e-9}
    assert others & words and others - words and words - others
    assert refused == {"any": words | others, "all": words & others}


def test_two_miners_that_find_the_same(world, home, tmp_path):
    second = write_run(tmp_path / "second.txt", shapes=("faint", "half"), more=[("q00", "f000"), ("q01", "00-p")])
    mining = [
        {"kind": "run_file", "name": "first", "path": str(home / "run.txt"), "depth": 5},
        {"kind": "run_file", "name": "second", "path": str(second)},
    ]
    done = build(world(changes={"mining": mining}), tmp_path / "out")
    recount(tmp_path / "out")
    sources = {
        row["doc_id"]: [hit["source"] for hit in row["sources"]]
        for row in rows_of(tmp_path / "out", "candidates") if row["query_id"] == "q00"
    }  # fmt: skip
    assert sources == {
        "00-same": ["first"], "00-high": ["first"], "00-above": ["first"], "00-near": ["first"],
        "00-half": ["first", "second"], "00-faint": ["second"], "f000": ["second"],
    }  # fmt: skip
    facts = done.report["mining"]
    assert facts["sources"]["second"] == {"found": 14, "refused": 0, "found_by_no_other": 8, "queries_without": 0}
    assert fates(tmp_path / "out", "q01")["p"] == ("too_easy", "within_random", 0.0), "another query's positive"


# Calibration


def newton(known):
    """The weighted logistic curve over rows of positive, mined and random documents, a number per reranker in each.

    Positives weigh as much as the others, and of those the mined as much as the random ones.
    """
    import numpy as np

    truth = np.array([1.0] * len(known[0]) + [0.0] * (len(known[1]) + len(known[2])))
    weights = np.array([share / len(part) for share, part in zip((2, 1, 1), known, strict=True) for _ in part])
    design = np.array([[*row, 1.0] for part in known for row in part])
    found = np.zeros(design.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-design @ found))
        slope = design.T @ (weights * (truth - p))
        found += np.linalg.solve((design * (weights * p * (1 - p))[:, None]).T @ design, slope)
    return found.tolist()


def log_odds(p):
    return math.log(p / (1 - p))


def logistic(x):
    return 1 / (1 + math.exp(-x))


def features(folder, names):
    """role -> (query, document) -> what the curve is fitted to: a score of each reranker, of `pairs` its log-odds."""
    found = {}
    for role in ("positive", "candidate", "random"):
        by_name = [scores_by(folder, name, role) for name in names]
        found[role] = {
            pair: [log_odds(by[pair]) if name == "pairs" else by[pair] for name, by in zip(names, by_name, strict=True)]
            for pair in by_name[0]
            if all(pair in by for by in by_name)
        }
    return found


@pytest.mark.parametrize(
    ("names", "maximum", "doubt", "lean"),
    [
        (["words"], 0.6, 0.1, 0.0),
        (["words"], 0.9, 0.2, 0.5),
        (["words", "pairs"], 0.6, 0.2, 0.0),
        (["pairs", "words"], 0.6, 0.2, 0.5),
    ],
)
def test_a_rule_is_fitted_to_the_scores_of_the_build(world, home, tmp_path, names, maximum, doubt, lean):
    """Two positives per query, one of which scores like a mined document, so that no score tells all of them apart."""
    shapes = ("same", "high", "above", "half", "low", "faint", "off")
    rerankers = {"words": words_at(home), "pairs": pairs_at(home, "apt")}
    rule = {"kind": "calibrated", "least": 10, "maximum": maximum, "doubt": doubt, "lean": lean}
    recipe = world(
        data=write_data(tmp_path / "data", positives=("p", "near")), run=write_run(tmp_path / "run.txt", shapes=shapes),
        rerankers=[rerankers[name] for name in names], changes=ONE_EACH, rule=rule,
    )  # fmt: skip
    facts = build(recipe, tmp_path / "out").report["validation"]
    recount(tmp_path / "out")
    known = features(tmp_path / "out", names)
    assert [len(known[role]) for role in ("positive", "candidate")] == [12, 42]
    *slopes, intercept = newton([list(part.values()) for part in known.values()])
    lines = {(q, d): intercept + dot(slopes, row) for (q, d), row in known["positive"].items()}
    middle = sum(min(lines[pair] for pair in lines if pair[0] == q) for q in {q for q, _ in lines}) / QUERIES
    shown = ["slope"] if len(names) == 1 else [f"slope {name}" for name in names]
    fitted = facts["rerankers"][0]["bar"] if len(names) == 1 else facts["joint"]
    near = {"rel": 1e-2, "abs": 1e-2}
    assert fitted == {
        "rule": "calibrated", "maximum": maximum, "lean": lean,
        **{name: pytest.approx(slope, **near) for name, slope in zip(shown, slopes, strict=True)},
        "intercept": pytest.approx(intercept, **near), "middle": pytest.approx(middle, **near),
    }  # fmt: skip

    def relevance(row):
        return logistic(fitted["intercept"] + dot([fitted[name] for name in shown], row))

    verdicts = {(row["query_id"], row["doc_id"]): row for row in rows_of(tmp_path / "out", "candidates")}
    for pair, row in verdicts.items():
        lowest = min(relevance(known["positive"][q, d]) for q, d in known["positive"] if q == pair[0])
        threshold = min(lowest, logistic(log_odds(maximum) + lean * (log_odds(lowest) - fitted["middle"])))
        assert row["relevance"] == pytest.approx(relevance(known["candidate"][pair]), abs=1e-4)
        assert row["positive_relevance"] == pytest.approx(lowest, abs=1e-4)
        over = row["relevance"] - threshold
        calm = ("ambiguous", "too_easy") if over > -doubt else ("keep", "too_easy")
        assert row["verdict"] in (("false_negative",) if over > 0 else calm)
    assert {"false_negative", "ambiguous", "keep"} <= {row["verdict"] for row in verdicts.values()}, "none is idle"


def dot(left, right):
    return sum(x * y for x, y in zip(left, right, strict=True))


def test_where_too_little_is_known_the_report_says_which_rule_it_was(world, tmp_path):
    rule = {"kind": "calibrated", "otherwise": {"kind": "relative", "margin": 0.3}}
    done = build(world(rule=rule), tmp_path / "out")
    assert done.report["validation"]["rerankers"][0]["bar"] == {"rule": "relative", "margin": 0.3}
    assert [fate[0] for fate in fates(tmp_path / "out").values()] == ["false_negative"] * 5 + ["keep"] * 2 + [
        "too_easy"
    ]


# The cascade


def near(q):
    return TOPICS[q], text_of(q, "near")


SAYS = {near(0): "answers", near(1): "related", near(2): "unrelated", near(3): "no JSON", near(4): "answers"}


def test_a_language_model_decides_about_the_band_of_doubt_alone(world, home, tmp_path):
    words = Words(SAYS)
    with ScriptedServer(words) as server:
        options = {"rerankers": [words_at(home), llm_at(server)], "ambiguous": "llm"}
        done = build(world(**options), tmp_path / "out")
        assert sorted(words.asked) == sorted(near(q) for q in range(QUERIES)), "each of them once, and nothing else"
        build(world(**options), tmp_path / "again")
        assert len(words.asked) == QUERIES
    assert files_of(tmp_path / "out") == files_of(tmp_path / "again")
    recount(tmp_path / "out")
    expected = ["false_negative", "keep", "keep", "failed", "false_negative", "keep"]
    reasons = ["llm_relevant", "", "", "score_not_finite", "llm_relevant", ""]
    found = [fates(tmp_path / "out", f"q{q:02}")["near"] for q in range(QUERIES)]
    assert [fate[:2] for fate in found] == list(zip(expected, reasons, strict=True))
    for q in range(QUERIES):
        rest = {shape: fate for shape, fate in fates(tmp_path / "out", f"q{q:02}").items() if shape != "near"}
        assert rest == {shape: fate for shape, fate in FATES.items() if shape != "near"}
    assert done.report["stages"]["validate"]["failed"] == {"score_not_finite": 1}
    assert [entry["name"] for entry in done.report["validation"]["rerankers"]] == ["words"]
    said = [row for row in rows_of(tmp_path / "out", "scores") if row["reranker"] == "llm"]
    assert {row["role"] for row in said} == {"candidate"}
    assert {row["query_id"]: row["words"] for row in said} == {
        "q00": "It is answers to alpha.", "q01": "It is related to bravo.", "q02": "It is unrelated to charlie.",
        "q03": "", "q04": "It is answers to echo.", "q05": "It is unrelated to foxtrot.",
    }  # fmt: skip
    assert [row["query_id"] for row in said if math.isnan(row["score"])] == ["q03"]
    assert {row["query_id"]: row["score"] for row in said if not math.isnan(row["score"])} == {
        "q00": 1.0, "q01": 0.5, "q02": 0.0, "q04": 1.0, "q05": 0.0,
    }  # fmt: skip


def test_what_the_language_model_finds_relevant_can_be_relabelled(world, home, tmp_path):
    with ScriptedServer(Words(SAYS)) as server:
        options = {"rerankers": [words_at(home), llm_at(server)], "ambiguous": "llm", "false_negative": "relabel"}
        done = build(world(changes=ONE_EACH, **options), tmp_path / "out")
    assert fates(tmp_path / "out", "q00")["near"] == ("false_negative", "relabelled", 0.68966)
    assert fates(tmp_path / "out", "q01")["near"] == ("keep", "", 0.68966)
    assert done.report["relabelled"]["positives"] == 3 * QUERIES + 2
    recount(tmp_path / "out", relabelled=True)


def test_another_band_of_doubt_asks_about_what_is_new_in_it(world, home, tmp_path):
    words = Words(SAYS)
    with ScriptedServer(words) as server:
        options = {"rerankers": [words_at(home), llm_at(server)], "ambiguous": "llm"}
        build(world(**options), tmp_path / "out")
        done = build(world(rule={**DOUBT, "doubt": 0.2}, **options), tmp_path / "out")
        half = [(TOPICS[q], text_of(q, "half")) for q in range(QUERIES)]
        assert sorted(words.asked[QUERIES:]) == sorted(half)
    assert done.run["chunks_computed"] == 1, "the audit alone"
    assert fates(tmp_path / "out")["half"] == ("keep", "", 0.6)


def test_where_nothing_is_ambiguous_no_language_model_is_asked(world, home, tmp_path):
    with ScriptedServer(Words()) as server:
        options = {"rerankers": [words_at(home), llm_at(server)], "ambiguous": "llm"}
        build(world(rule={**DOUBT, "doubt": 0.01}, **options), tmp_path / "out")
    assert server.completions == 0


def test_a_language_model_that_is_gone_stops_the_build_and_the_same_command_resumes(world, home, tmp_path):
    with ScriptedServer(Words(SAYS)) as server:
        options = {"rerankers": [words_at(home), llm_at(server)], "ambiguous": "llm"}
    recipe = world(**options)
    with pytest.raises(UnavailableError) as caught:
        build(recipe, tmp_path / "out")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "out").exists()
    with ScriptedServer(Words(SAYS), port=server.port):
        done = build(recipe, tmp_path / "out")
        assert done.run["chunks_computed"] == 1, "the audit alone: the scores were there"
        build(recipe, tmp_path / "never stopped")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "never stopped")


def test_on_the_command_line_that_is_exit_code_4(world, home, tmp_path, cache):
    with ScriptedServer(Words(SAYS)) as server:
        recipe = world(rerankers=[words_at(home), llm_at(server)], ambiguous="llm")
    done = run_cli("build", recipe.path, "--out", tmp_path / "out", cache=cache, check=4)
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"engine at {server.base_url}: 1 faults in a row, the last: ")
    assert done.stderr.splitlines()[-1].endswith("; see to the server, then the same command resumes")
    assert not (tmp_path / "out").exists()


def test_a_language_model_can_be_one_of_those_who_judge(world, home, tmp_path):
    """It is shown 150 random documents in all, none of them for the floor."""
    says = {
        (TOPICS[q], text_of(q, shape)): verdict
        for q in range(QUERIES)
        for shape, verdict in (("p", "answers"), ("same", "answers"), ("half", "answers"), ("high", "related"))
    }
    words = Words(says)  # fmt: skip
    with ScriptedServer(words) as server:
        options = {"rerankers": [llm_at(server), words_at(home)], "rule": {"kind": "relative", "margin": 0.05}}
        for agree in ("any", "all"):
            done = build(world(agree=agree, **options), tmp_path / agree)
            recount(tmp_path / agree)
    judges = done.report["validation"]["rerankers"]
    assert [(entry["name"], entry["bar"]["rule"]) for entry in judges] == [("llm", "absolute"), ("words", "relative")]
    assert judges[0]["bar"]["maximum"] == 0.5
    assert judges[0]["random"] <= 150 < judges[1]["random"] <= 500
    assert len(words.asked) == len(set(words.asked)) <= QUERIES * 9 + 150
    shapes = {agree: [s for s, fate in fates(tmp_path / agree).items() if fate[0] == "false_negative"]
              for agree in ("any", "all")}  # fmt: skip
    assert shapes == {"any": ["same", "high", "above", "half"], "all": ["same"]}


# The second opinion


def test_a_second_opinion_on_a_sample(world, home, tmp_path):
    """The judge finds `half` relevant, which the gate keeps, and not `above`, which it calls a false negative."""
    relevant = [(TOPICS[q], text_of(q, shape)) for q in range(QUERIES) for shape in ("p", "same", "high", "half")]
    words = Words(dict.fromkeys(relevant, "answers"))
    with ScriptedServer(words) as server:
        review = {"reranker": llm_at(server), "sample": 24}
        done = build(world(review=review), tmp_path / "out")
        build(world(review=review), tmp_path / "again")
        whole = build(world(review={**review, "sample": 1000}), tmp_path / "whole").report["review"]
    assert files_of(tmp_path / "out") == files_of(tmp_path / "again")
    recount(tmp_path / "out")

    # All of them: 18 kept, of which 6 are relevant to the judge, and 18 refused, of which 12 are.
    assert whole["by"] == "llm"
    assert whole["kept"] == {"of": 18, "judged": 18, "relevant": 6, "rate": 0.3333, "low": 0.1628, "high": 0.5625}
    assert whole["sources"] == {"mined:first": whole["kept"]}
    assert whole["refused"] == {"of": 18, "judged": 18, "relevant": 12, "rate": 0.6667, "low": 0.4375, "high": 0.8372}
    assert (whole["kappa"], whole["without_score"]) == (0.3333, 0)  # 24 of 36 agree, 18 would by chance
    assert whole["auc_mined"] == 0.75  # of 36 mined ones half are as relevant as the positives

    review, folder = done.report["review"], tmp_path / "out"
    assert json_of(folder)["review"] == review
    reviewed = scores_by(folder, "llm", "reviewed")
    verdicts = {(row["query_id"], row["doc_id"]): row["verdict"] for row in rows_of(folder, "candidates")}
    for half, verdict in (("kept", "keep"), ("refused", "false_negative")):
        judged = [score for pair, score in reviewed.items() if verdicts[pair] == verdict]
        assert (review[half]["judged"], review[half]["relevant"]) == (12, sum(score > 0.5 for score in judged))
        assert len(judged) == 12
    assert len(reviewed) == 24
    said = {row["role"] for row in rows_of(folder, "scores") if row["reranker"] == "llm"}
    assert said == {"reviewed"}, "who is not in the gate has no say in it"
    assert fates(folder) == FATES
    assert {key: review[key] for key in ("auc_random", "auc_mined")} == {
        "auc_random": pytest.approx(review["auc_random"]), "auc_mined": pytest.approx(0.75, abs=0.1),
    }  # fmt: skip


def test_a_second_opinion_that_is_no_number_is_counted_and_not_taken(world, home, tmp_path):
    relevant = {(TOPICS[q], text_of(q, "p")): "answers" for q in range(QUERIES)}
    broken = {(TOPICS[q], text_of(q, shape)): "no JSON" for q in range(QUERIES) for shape in ("half", "same")}
    with ScriptedServer(Words({**relevant, **broken})) as server:
        done = build(world(review={"reranker": llm_at(server), "sample": 1000}), tmp_path / "out")
    review = done.report["review"]
    assert review["without_score"] == 12
    assert (review["kept"]["judged"], review["refused"]["judged"]) == (12, 12)
    assert (review["kept"]["relevant"], review["refused"]["relevant"]) == (0, 0)
    assert review["kappa"] == 0.0
    found = scores_by(tmp_path / "out", "llm", "reviewed")
    assert sum(map(math.isnan, found.values())) == 12
    assert sorted(fates(tmp_path / "out").items()) == sorted(FATES.items()), "the gate stands"


def test_a_second_opinion_of_one_who_cannot_tell_is_refused(world, home, tmp_path):
    """Its rate of relevant ones would be that of a coin, and look like a finding."""
    review = {"reranker": pairs_at(home, "constant", name="coin"), "sample": 100}
    data = write_data(tmp_path / "data", queries=24)
    run = write_run(tmp_path / "run.txt", queries=24)
    with pytest.raises(InputError, match=r"validation.review.reranker: coin does not tell known positives from random"):
        build(world(data=data, run=run, review=review), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cross_encoder_gives_a_second_opinion_by_the_same_rule(world, home, tmp_path):
    rule = {"kind": "absolute", "maximum": 0.4}
    done = build(world(rule=rule, review={"reranker": pairs_at(home), "sample": 30}), tmp_path / "out")
    review = done.report["review"]
    reviewed = scores_by(tmp_path / "out", "pairs", "reviewed")
    verdicts = {(r["query_id"], r["doc_id"]): r["verdict"] for r in rows_of(tmp_path / "out", "candidates")}
    for half, verdict in (("kept", "keep"), ("refused", "false_negative")):
        judged = [score for pair, score in reviewed.items() if verdicts[pair] == verdict]
        assert (review[half]["judged"], review[half]["relevant"]) == (len(judged), sum(s > 0.4 for s in judged))
        assert 0 < review[half]["relevant"] < review[half]["judged"]
    assert review["kept"]["judged"] + review["refused"]["judged"] == len(reviewed) == 30


# What is refused


def test_a_reranker_that_tells_nothing_apart_is_named(world, home, tmp_path):
    """Without layers a cross-encoder gives every pair one score; from twenty positives on that is held against it."""
    options = {"rerankers": [words_at(home), pairs_at(home, "constant", name="dull")], "agree": "all"}
    done = build(world(**options), tmp_path / "few")
    assert done.report["validation"]["rerankers"][1]["auc_random"] == 0.5
    data, run = write_data(tmp_path / "data", queries=20), write_run(tmp_path / "run.txt", queries=20)
    recipe = world(data=data, run=run, **options)
    with pytest.raises(InputError) as caught:
        build(recipe, tmp_path / "out")
    assert str(caught.value) == (
        f"{recipe.path}: validation.rerankers[1]: dull does not tell known positives from random documents "
        "(AUC 0.5; 0.5 is chance); it is no relevance model: choose another"
    )
    assert not (tmp_path / "out").exists()


def test_a_classifier_is_named(world, home, tmp_path):
    with pytest.raises(InputError) as caught:
        build(world(rerankers=[pairs_at(home, "two")]), tmp_path / "out")
    assert str(caught.value) == (
        "model two: 2 outputs, a reranker has one; choose a cross-encoder trained for relevance"
    )


def test_a_model_may_not_check_its_own_candidates(world, home, tmp_path):
    mining = [{"kind": "run_file", "path": str(home / "run.txt")},
              {"kind": "dense", "model": str(home / "words"), "max_length": 64, "depth": 5}]  # fmt: skip
    recipe = world(changes={"mining": mining})
    with pytest.raises(InputError) as caught:
        build(recipe, tmp_path / "out")
    assert str(caught.value) == (
        f"{recipe.path}: validation.rerankers[0].model: the same model as mining[1]; a model cannot check its own "
        "candidates: choose another, or set allow_same_model: true"
    )
    build(world(rerankers=[words_at(home, allow_same_model=True)], changes={"mining": mining}), tmp_path / "out")
    recount(tmp_path / "out")


def test_a_second_opinion_is_somebody_elses(world, home, tmp_path):
    copy = shutil.copytree(home / "words", tmp_path / "the same model elsewhere")
    recipe = world(review={"reranker": words_at(home, name="other", model=str(copy))})
    with pytest.raises(InputError) as caught:
        build(recipe, tmp_path / "out")
    assert str(caught.value) == (
        f"{recipe.path}: validation.review.reranker.model: the same model as validation.rerankers[0]; a second opinion "
        "has to be somebody else's: choose another"
    )


def test_a_report_is_json_without_numbers_that_are_none(world, tmp_path):
    done = build(world(), tmp_path / "out", until="validate")
    assert done.folder is None
    assert list(done.report["stages"]) == ["load", "mine", "validate"]
    json.dumps(done.report, allow_nan=False)
