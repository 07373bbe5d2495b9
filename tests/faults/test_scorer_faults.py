"""Family 12: what goes wrong with whoever judges. A candidate fails, or the build stops and resumes; none slips by.

The numbers are those of the project's list of faults. That a batch which does not fit into memory is halved (5) and
that every vector has one dimension (3) is in tests/encoders; a list that is shorter than its inputs (9) and constant
scores (8) are in tests/validation/test_scoring.py and test_stage.py.
"""

import itertools
import math
import shutil

import pytest

from syneg_data.engines.scripted import Drop, ScriptedServer
from syneg_data.errors import InputError, UnavailableError
from syneg_data.execution import Silence, map_chunks
from syneg_data.pipeline import build
from syneg_data.recipe import load_recipe
from syneg_data.records import Hit, Scored
from syneg_data.validation import Absolute, BiEncoderReranker, Calibrated, Percentile, Relative, Validation
from syneg_data.validation.fitting import evidence_of
from syneg_data.validation.gate import Gate, Scores, Subject, as_positive
from syneg_data.validation.scoring import Panel
from syneg_data.workspace import Workspace
from tests.validation.recount import recount
from tests.validation.world import (
    MINED,
    POISON,
    TOPICS,
    Words,
    corpus,
    engine_at,
    files_of,
    rows_of,
    save_pairs,
    save_words,
    text_of,
    write_data,
    write_recipe,
    write_run,
)

NAN, INF = float("nan"), float("inf")
QUERIES = 6


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    save_words(folder / "words")
    save_pairs(folder / "pairs", seed=2)
    save_pairs(folder / "broken", broken=True)
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
    def write(data=None, words=None, **validation):
        where = (data or home / "data", home / "run.txt", words or home / "words")
        return load_recipe(write_recipe(tmp_path / "recipe", *where, validation))

    return write


def fates(folder, query_id="q00"):
    rows = [row for row in rows_of(folder, "candidates") if row["query_id"] == query_id]
    return {row["doc_id"].partition("-")[2]: (row["verdict"], row["reason"]) for row in rows}


# 1 NaN, 2 inf


class Faulty:
    """A judge with one fault: what it says of some documents is no number."""

    def __init__(self, faults):
        self.faults = faults

    def prepare(self, pairs, progress):
        pass

    def score(self, pairs):
        return [self.faults.get(text, len(text) / 100) for _, text in pairs]

    def words(self, pairs):
        return [""] * len(pairs)


RULES = [
    Relative(kind="relative"),
    Absolute(kind="absolute", maximum=0.03),
    Percentile(kind="percentile"),
    Calibrated(kind="calibrated", least=10),
]
MODEL = {"kind": "hub", "id": "some/model", "revision": "a" * 40}


@pytest.mark.parametrize("broken", [NAN, INF, -INF], ids=["NaN", "inf", "-inf"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
@pytest.mark.parametrize("agree", ["any", "all", "mean"])
def test_of_a_score_that_is_no_number_nothing_is_kept(broken, rule, agree):
    """Of each query one thing is broken in one of two judges; the others' candidates are judged as ever."""
    collection = corpus(queries=40, documents=400)
    candidates = {query_id: [f"d{100 + i}", f"d{200 + i}"] for i, query_id in enumerate(collection.queries)}
    faults = {"d0": broken, "d101": broken}  # q0's positive, and one of two candidates of q1
    for which in ("one", "two"):
        judges = {name: Faulty(faults if name == which else {}) for name in ("one", "two")}
        rows = Panel(judges, "one", collection, candidates, tuple(f"d{i}" for i in range(300, 400))).rows(
            list(collection.queries)
        )
        mined = {(q, d) for q, ids in candidates.items() for d in ids}
        bars = {name: rule.fit(evidence_of([r for r in rows if r.reranker == name], mined, False)) for name in judges}
        spec = Validation(
            rerankers=tuple(BiEncoderReranker(kind="bi_encoder", name=name, model=MODEL) for name in judges),
            agree=agree, rule=rule,
        )  # fmt: skip
        gate, scores = Gate(spec, bars, "one"), Scores(rows)
        found = {
            (q, d): gate.verdict(Subject(q, None, d, "mined", (Hit("bm25", 1, 1.0),)), scores)
            for q, ids in candidates.items() for d in ids
        }  # fmt: skip
        failed = {pair: v for pair, v in found.items() if v.verdict == "failed"}
        assert set(failed) == {("q0", "d100"), ("q0", "d200"), ("q1", "d101")}
        assert {v.reason for v in failed.values()} == {"score_not_finite"}
        assert all(as_positive(v, gate) == v for v in failed.values())
        described = [bar.describe() for bar in bars.values()]
        assert all(math.isfinite(x) for entry in described for x in entry.values() if not isinstance(x, str))


def test_a_nan_of_a_real_model_fails_its_candidate_alone(world, home, tmp_path):
    """In q00 a candidate has a word whose vector is not a number, in q01 it is the positive; the floor has neither."""
    changes = [("00-half", f"{text_of(0, 'half')} {POISON}"), ("01-p", f"{text_of(1, 'p')} {POISON}")]
    data = write_data(tmp_path / "data", changes=changes)
    done = build(world(data=data, floor={"sample": 20}), tmp_path / "out")
    assert done.report["stages"]["validate"]["failed"] == {"score_not_finite": 1 + len(MINED)}
    assert done.report["validation"]["rerankers"][0]["positives"] == QUERIES - 1
    recount(tmp_path / "out")
    assert set(fates(tmp_path / "out", "q01").values()) == {("failed", "score_not_finite")}
    assert fates(tmp_path / "out")["half"] == ("failed", "score_not_finite")
    others = fates(tmp_path / "out", "q02")
    assert {s: f for s, f in fates(tmp_path / "out").items() if s not in ("half", "low", "faint")} == {
        s: f for s, f in others.items() if s not in ("half", "low", "faint")
    }
    assert not any(row["query_id"] == "q01" for row in rows_of(tmp_path / "out", "ids"))


def test_a_nan_among_the_random_documents_is_left_out_of_the_floor(world, home, tmp_path):
    data = write_data(tmp_path / "data", changes=[("f007", f"apple fig {POISON}")])
    done = build(world(data=data), tmp_path / "out")
    assert done.report["stages"]["validate"]["failed"] == {}
    build(world(), tmp_path / "sound")
    assert fates(tmp_path / "out") == fates(tmp_path / "sound")


def test_where_hardly_a_random_document_has_a_score_all_fails_that_needs_the_floor(world, tmp_path):
    data = write_data(tmp_path / "data", changes=[(f"f{n:03}", f"{POISON}{' apple' * n}") for n in range(140)])
    done = build(world(data=data), tmp_path / "out", until="validate")
    validate = done.report["stages"]["validate"]
    assert validate["failed"] == {"floor_not_finite": QUERIES * len(MINED)}
    assert (validate["in"], validate["kept"]) == (QUERIES * len(MINED), 0)


@pytest.mark.parametrize("agree", ["any", "all", "mean"])
def test_a_broken_reranker_beside_a_sound_one_fails_everything(world, home, tmp_path, agree):
    broken = {"kind": "cross_encoder", "name": "broken", "model": str(home / "broken"), "max_length": 64}
    words = {"kind": "bi_encoder", "name": "words", "model": str(home / "words"), "max_length": 64}
    for order in ([broken, words], [words, broken]):
        done = build(world(rerankers=order, agree=agree), tmp_path / "out", until="validate")
        assert done.report["stages"]["validate"]["failed"] == {"score_not_finite": QUERIES * len(MINED)}


# 4 zero vector


def test_a_text_that_a_model_knows_no_word_of_is_too_easy_and_no_measure_of_others(world, tmp_path):
    """Its vector has no length, so it is like nothing; as a positive it is exceeded by all that is like anything."""
    changes = [("00-half", "wholly unheard of"), ("01-p", "neither was this one")]
    data = write_data(tmp_path / "data", changes=changes)
    build(world(data=data, rule={"kind": "relative"}), tmp_path / "out")
    recount(tmp_path / "out")
    assert fates(tmp_path / "out")["half"] == ("too_easy", "within_random")
    assert fates(tmp_path / "out", "q01") == {
        shape: ("too_easy", "within_random") if shape == "off" else ("false_negative", "above_threshold")
        for shape in MINED
    }


# 6 missing weights, 7 pickle-only weights, 12 truncated model directory


def without_weights(folder):
    (folder / "model.safetensors").unlink()


def pickled(folder):
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def cut_in_half(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def without_a_layer(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def without_config(folder):
    (folder / "config.json").unlink()


FOLDERS = {
    "missing weights": (without_weights, "no .safetensors weights in the folder"),
    "pickled weights": (pickled, "no .safetensors weights in the folder; pickled weights are never loaded"),
    "truncated weights": (cut_in_half, "cannot be loaded ("),
    "a parameter missing": (without_a_layer, "the weights lack classifier.weight"),
    "no config": (without_config, "cannot be loaded ("),
}


@pytest.mark.parametrize(("damage", "message"), FOLDERS.values(), ids=FOLDERS)
def test_a_damaged_model_is_named_and_once_mended_the_same_command_goes_through(world, home, tmp_path, damage, message):
    folder = shutil.copytree(home / "pairs", tmp_path / "pairs")
    pairs = {"kind": "cross_encoder", "name": "pairs", "model": str(folder), "max_length": 64}
    words = {"kind": "bi_encoder", "name": "words", "model": str(home / "words"), "max_length": 64}
    recipe = world(rerankers=[words, pairs], agree="all")
    damage(folder)
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            build(recipe, tmp_path / "out")
        assert str(caught.value).startswith("model pairs: ")
        assert message in str(caught.value)
        assert not (tmp_path / "out").exists(), "nothing half-written"
    shutil.rmtree(folder)
    shutil.copytree(home / "pairs", folder)
    build(recipe, tmp_path / "out")
    recount(tmp_path / "out")
    build(recipe, tmp_path / "never broken")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "never broken")


# 10 exception mid-batch


class Fails(Faulty):
    """A judge that breaks down in the middle, once."""

    def __init__(self, after):
        super().__init__({})
        self.left, self.calls = after, 0

    def score(self, pairs):
        self.calls += 1
        self.left -= 1
        if self.left == -1:
            raise OSError("the device is gone")
        return super().score(pairs)


@pytest.mark.parametrize("after", range(4))
def test_after_an_exception_the_chunks_that_were_finished_are_there(after, tmp_path):
    """Four chunks of ten queries; the chunk in which it happens, and only that one, is asked about twice."""
    collection = corpus(queries=40, documents=400)
    candidates = {query_id: [f"d{100 + i}"] for i, query_id in enumerate(collection.queries)}

    def run(judge, folder):
        panel = Panel({"one": judge}, "one", collection, candidates, tuple(f"d{i}" for i in range(300, 330)))
        stage = Workspace(folder).stage("scores", "key", Scored, 10)
        return map_chunks("validate", "queries", stage, list(collection.queries), panel.rows, Silence())

    judge = Fails(after)
    with pytest.raises(OSError, match="the device is gone"):
        run(judge, tmp_path / "work")
    assert judge.calls == after + 1
    rows = run(judge, tmp_path / "work")
    assert judge.calls == 5
    assert rows == run(Faulty({}), tmp_path / "never stopped")
    names = [sorted(path.name for path in folder.rglob("*.parquet")) for folder in tmp_path.iterdir()]
    assert names[0] == names[1], "the same bytes"


@pytest.mark.parametrize("served", [0, 1, 3, 5])
def test_a_language_model_that_breaks_down_midway_is_asked_about_the_rest_later(world, home, tmp_path, served):
    near = [(TOPICS[q], text_of(q, "near")) for q in range(QUERIES)]
    words = Words(dict.fromkeys(near[::2], "answers"))
    counter = itertools.count()

    def dies(serial, body):
        act = words(serial, body)
        return act if serial == 0 or next(counter) < served else Drop()  # the first is the canary

    with ScriptedServer(dies) as server:
        llm = {"kind": "llm", "engine": engine_at(server, concurrency=1)}
        judges = [{"kind": "bi_encoder", "name": "words", "model": str(home / "words"), "max_length": 64}, llm]
        recipe = world(rerankers=judges, ambiguous="llm")
        with pytest.raises(UnavailableError):
            build(recipe, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    answered = set(words.asked[:served])
    asked = len(words.asked)
    with ScriptedServer(words, port=server.port):
        build(recipe, tmp_path / "out")
        assert sorted(words.asked[asked:]) == sorted(set(near) - answered)
        build(recipe, tmp_path / "never stopped")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "never stopped")
    recount(tmp_path / "out")


# 11 dtype drift


def test_scores_in_another_number_format_are_other_scores(world, home, tmp_path):
    """Nothing of one format is taken for the other's: neither the stage nor the store."""
    found = {}
    for dtype in ("float32", "bfloat16"):
        pairs = {"kind": "cross_encoder", "name": "pairs", "model": str(home / "pairs"), "max_length": 64}
        words = {"kind": "bi_encoder", "name": "words", "model": str(home / "words"), "max_length": 64}
        recipe = world(rerankers=[words, {**pairs, "dtype": dtype}], agree="all")
        done = build(recipe, tmp_path / "out")
        assert done.run["chunks_computed"] >= 1
        found[dtype] = {(r["query_id"], r["doc_id"]): r["score"] for r in rows_of(tmp_path / "out", "scores")
                        if (r["reranker"], r["role"]) == ("pairs", "candidate")}  # fmt: skip
    assert set(found["float32"]) == set(found["bfloat16"])
    assert found["float32"] != found["bfloat16"]
    assert all(abs(found["float32"][pair] - score) < 0.05 for pair, score in found["bfloat16"].items())
    assert build(recipe, tmp_path / "out").run["build_reused"]
