"""`train`: what it measures, writes, refuses, and how it goes on after a stop."""

import json
import math
import os
import shutil
import subprocess
import sys

import ir_measures
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from syneg_data.errors import InputError
from syneg_data.execution import Silence
from syneg_data.judge.train import read_examples, settings, train, trained_positives
from syneg_data.publishing.release import open_release
from syneg_data.training.metrics import METRICS
from syneg_data.training.runs import read_run
from syneg_data.training.trainer import steps_of, train_model


class Stop(Exception):
    pass


class StopAt(Silence):
    """Ends the run after so many steps of training, as a crash would."""

    def __init__(self, steps):
        self.left, self.stage, self.reused = steps, "", 0

    def start(self, stage, total, unit):
        self.stage = stage

    def advance(self, items, *, reused=False):
        if self.stage == "train":
            self.reused += items if reused else 0
            self.left -= 0 if reused else items
            if self.left == 0:
                raise Stop


def test_training_is_measured_before_and_after_on_both_splits(release, tmp_path):
    out = tmp_path / "trained"
    facts = train(release, settings(release, {}), out, 13, Silence())
    assert json.loads((out / "training.json").read_text()) == facts
    assert set(facts["before"]) == set(facts["after"]) == {"dev", "test"}
    assert set(facts["before"]["test"]) == set(METRICS)
    assert (facts["base"], facts["dataset"], facts["seed"]) == ("tiny", "release", 13)
    assert facts["steps"] == 2 * math.ceil(facts["examples"] / 8)
    assert facts["synthetic"] == {"negatives": 0, "of": 2 * facts["examples"]}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.trec")} == {
        f"runs/{when}.{split}.trec" for when in ("before", "after", "bm25") for split in ("dev", "test")
    }
    # A random BERT learns the slice's words within these few steps.
    assert facts["after"]["dev"]["nDCG@10"] > facts["before"]["dev"]["nDCG@10"]


def test_the_figures_are_those_of_ir_measures_and_of_the_saved_model(release, tmp_path):
    out = tmp_path / "trained"
    facts = train(release, settings(release, {}), out, 13, Silence())
    test = release.held_out()["test"]
    run = read_run(out / "runs" / "after.test.trec")
    names = {"nDCG@10": "nDCG@10", "MRR@10": "RR@10", "Recall@10": "R@10", "Recall@100": "R@100", "MAP@100": "AP@100"}
    qrels = [ir_measures.Qrel(q, d, grade) for q, grades in test.qrels.items() for d, grade in grades.items()]
    # Places stand in for scores, so that ties are broken as they are here.
    docs = [ir_measures.ScoredDoc(q, d, -place) for q, ranked in run.items() for place, (d, _) in enumerate(ranked)]
    for ours, theirs in names.items():
        measure = ir_measures.parse_measure(theirs)
        assert facts["after"]["test"][ours] == pytest.approx(
            ir_measures.calc_aggregate([measure], qrels, docs)[measure], abs=5e-5
        )
    model = SentenceTransformer(str(out), device="cpu")
    doc_ids = sorted(test.documents)
    documents = model.encode_document([test.text(d) for d in doc_ids], normalize_embeddings=True)
    for query_id, text in list(test.queries.items())[:5]:
        scores = documents @ model.encode_query([text], normalize_embeddings=True)[0]
        best = doc_ids[int(np.argmax(scores))]
        assert run[query_id][0][0] == best


def test_curves_hold_every_step_and_the_checks_on_dev(release, tmp_path):
    facts = train(release, settings(release, {}), tmp_path / "trained", 13, Silence())
    head, *lines = (tmp_path / "trained" / "curves.csv").read_text().splitlines()
    assert head == "step,epoch,loss,learning_rate,dev_nDCG@10"
    rows = [line.split(",") for line in lines]
    assert [int(row[0]) for row in rows] == list(range(1, facts["steps"] + 1))
    checked = {int(row[0]): float(row[4]) for row in rows if row[4]}
    assert len(checked) == 2
    assert facts["best_step"] == max(checked, key=lambda step: (checked[step], -step))
    assert (tmp_path / "trained" / "curves.svg").read_text().lstrip().startswith("<?xml")


def test_the_model_folder_holds_no_training_text_and_no_local_path(release, tmp_path):
    train(release, settings(release, {}), tmp_path / "trained", 13, Silence())
    card = (tmp_path / "trained" / "README.md").read_text()
    assert "### Split `test`, all" in card
    example = read_examples(release, settings(release, {}))
    for path in (tmp_path / "trained").rglob("*"):
        if path.is_file() and path.suffix in {".md", ".json", ".csv", ".svg"} and path.name != "tokenizer.json":
            text = path.read_text(encoding="utf-8")
            assert str(tmp_path) not in text, path
            assert example.positives[0][:60] not in text and example.queries[0] not in text, path


def test_a_run_that_was_stopped_goes_on_and_ends_as_one_that_was_not(release, tmp_path):
    spec = settings(release, {})
    whole = train(release, spec, tmp_path / "whole", 13, Silence())
    with pytest.raises(Stop):
        train(release, spec, tmp_path / "stopped", 13, StopAt(whole["steps"] - 2))
    assert not (tmp_path / "stopped").exists()
    watch = StopAt(10**6)
    resumed = train(release, spec, tmp_path / "stopped", 13, watch)
    assert watch.reused == whole["steps"] // 2  # the first check's checkpoint
    assert resumed["after"] == whole["after"]
    assert resumed["best_step"] == whole["best_step"]


def test_a_stop_between_two_checks_costs_little(release, tmp_path):
    spec = settings(release, {"checks": 1})
    base, examples, check = spec.base.resolve(), read_examples(release, spec), lambda model: {"nDCG@10": 0.5}

    def run(name, progress):
        (tmp_path / name).mkdir(exist_ok=True)
        return train_model(
            spec, base, None, examples, tmp_path / name, seed=13, check=check, progress=progress, save_after=0.0
        )

    whole = run("whole", Silence())
    with pytest.raises(Stop):
        run("stopped", StopAt(whole.steps - 1))
    watch = StopAt(10**6)
    resumed = run("stopped", watch)
    assert watch.reused == whole.steps - 2  # the step before the one in which it was stopped
    assert [point.loss for point in resumed.points] == [point.loss for point in whole.points]


def test_early_stopping_waits_as_long_after_a_stop(release, tmp_path):
    """Dev never improves after the first check, so that two checks without a better one end the run."""
    spec = settings(release, {"checks": 8, "epochs": 4, "patience": 2})
    base, examples, check = spec.base.resolve(), read_examples(release, spec), lambda model: {"nDCG@10": 0.5}

    def run(name, progress):
        (tmp_path / name).mkdir(exist_ok=True)
        return train_model(spec, base, None, examples, tmp_path / name, seed=13, check=check, progress=progress)

    whole = run("whole", Silence())
    every = steps_of(spec, len(examples)) // 8
    assert (whole.best_step, whole.steps) == (every, 3 * every)
    with pytest.raises(Stop):
        run("stopped", StopAt(2 * every + 1))  # one check without a better one is behind it
    assert run("stopped", Silence()).steps == whole.steps


def test_a_checkpoint_that_was_cut_off_is_not_believed(release, tmp_path):
    spec = settings(release, {})
    half = math.ceil(len(read_examples(release, spec)) / 8)
    with pytest.raises(Stop):
        train(release, spec, tmp_path / "out", 13, StopAt(half + 1))
    (checkpoint,) = (tmp_path / ".out.work").glob("checkpoints-*/checkpoint-*")
    (checkpoint / "whole.json").unlink()
    (checkpoint / "model.safetensors").write_bytes(b"half")
    watch = StopAt(10**6)
    train(release, spec, tmp_path / "out", 13, watch)
    assert watch.reused == 0


def test_the_same_call_again_trains_nothing(release, tmp_path):
    spec = settings(release, {})
    first = train(release, spec, tmp_path / "out", 13, Silence())
    watch = StopAt(1)
    assert train(release, spec, tmp_path / "out", 13, watch) == first
    other = train(release, spec.model_copy(update={"epochs": 1}), tmp_path / "out", 13, Silence())
    assert other["steps"] == math.ceil(first["examples"] / 8)


@pytest.mark.parametrize(
    "objective",
    [
        {"kind": "ranking", "in_batch": False},
        {"kind": "cached_ranking", "mini_batch": 4},
        {"kind": "guided", "guide": "GUIDE"},
        {"kind": "distillation"},
    ],
    ids=lambda objective: "-".join(map(str, list(objective.values())[:2])),
)
def test_every_objective_trains(release, other_encoder, tmp_path, objective):
    if "guide" in objective:
        objective = {**objective, "guide": str(other_encoder)}
    spec = settings(release, {"objective": objective, "epochs": 1, "checks": 1})
    facts = train(release, spec, tmp_path / "out", 13, Silence())
    lines = (tmp_path / "out" / "curves.csv").read_text().splitlines()[1:]
    losses = [float(line.split(",")[2]) for line in lines]
    assert all(math.isfinite(loss) for loss in losses) and any(loss > 0 for loss in losses)
    assert facts["model_sha256"] != facts["base_sha256"]


def test_prompts_are_used_for_training_and_kept_in_the_model(release, tmp_path):
    plain = train(release, settings(release, {"epochs": 1}), tmp_path / "plain", 13, Silence())
    prompts = {"query_prompt": "query ", "document_prompt": "protein ", "epochs": 1}
    facts = train(release, settings(release, prompts), tmp_path / "out", 13, Silence())
    saved = json.loads((tmp_path / "out" / "config_sentence_transformers.json").read_text())
    assert saved["prompts"] == {"query": "query ", "document": "protein "}
    assert facts["before"] != plain["before"]
    first = [(tmp_path / name / "curves.csv").read_text().splitlines()[1].split(",")[2] for name in ("plain", "out")]
    assert first[0] != first[1]


def test_the_prompts_of_the_base_are_trained_with_too(release, encoder, tmp_path):
    """As long as the recipe says nothing else: what is measured with prompts must have been trained with them."""
    prompted = SentenceTransformer(str(encoder), device="cpu")
    prompted.prompts = {"query": "query ", "document": "protein "}
    prompted.save(str(tmp_path / "prompted"))
    given = {"epochs": 1, "checks": 1}
    train(release, settings(release, {**given, "base": str(tmp_path / "prompted")}), tmp_path / "own", 13, Silence())
    said = {"query_prompt": "query ", "document_prompt": "protein "}
    train(release, settings(release, {**given, **said}), tmp_path / "said", 13, Silence())
    curves = [(tmp_path / name / "curves.csv").read_text() for name in ("own", "said")]
    assert curves[0] == curves[1]


def test_distillation_takes_the_gates_scores(release):
    examples = read_examples(release, settings(release, {"objective": {"kind": "distillation"}}))
    candidates = {(r["query_id"], r["doc_id"]): r for r in release.table("candidates").to_pylist() if r["selected"]}
    row = release.table("ids").to_pylist()[0]
    first = candidates[row["query_id"], row["negative_ids"][0]]
    assert examples.scores[0][1] == first["relevance"]
    assert examples.scores[0][0] == pytest.approx(first["positive_relevance"])
    assert len(examples.scores[0]) == 3


def test_a_relabelled_positive_is_distilled_from_its_own_score(recipe, fresh_cache, tmp_path):
    """Not from that of the positive which its negatives were held against."""
    from syneg_data.pipeline import build

    file = recipe()
    gate = {**file.written["validation"], "rule": {"kind": "absolute", "maximum": 0.96}, "false_negative": "relabel"}
    build(recipe(validation=gate), tmp_path / "more")
    release = open_release(str(tmp_path / "more"))
    said = {
        (row["query_id"], row["doc_id"]): row["relevance"]
        for row in release.table("candidates").to_pylist()
        if row["reason"] == "relabelled"
    }
    scores = read_examples(release, settings(release, {"objective": {"kind": "distillation"}})).scores
    pairs = [(row["query_id"], row["positive_id"]) for row in release.table("ids").to_pylist()]
    own = [(said[pair], first) for pair, (first, *_) in zip(pairs, scores, strict=True) if pair in said]
    assert len(own) > 5 and all(mine == first for mine, first in own)


def test_lists_of_unequal_length_are_trained_on(recipe, fresh_cache, tmp_path):
    """Every example has as many columns as the longest, and repeats its own negatives in turn."""
    from syneg_data.pipeline import build

    ragged = {"kind": "mined_only", "mined": 6, "shortage": "ragged", "cap": 1}
    made = build(recipe(mining=[{"kind": "bm25", "depth": 9}], mixing=ragged), tmp_path / "ragged")
    release = open_release(str(tmp_path / "ragged"))
    lists = release.table("ragged").to_pylist()
    ids = release.table("ids").to_pylist()
    sizes = {len(row["negatives"]) for row in lists}
    assert len(sizes) > 1 and max(sizes) <= 6 and not (tmp_path / "ragged" / "n-tuple").exists()
    assert [len(row["negatives"]) for row in lists] == [len(row["negative_ids"]) for row in ids]
    assert release.table("triplet").num_rows == sum(len(row["negatives"]) for row in lists)
    spec = settings(release, {"objective": {"kind": "distillation"}})
    examples = read_examples(release, spec)
    assert len(examples.negatives) == max(sizes)
    for n, row in enumerate(lists):
        own = row["negatives"]
        assert [column[n] for column in examples.negatives] == (own * 6)[: max(sizes)]
        assert examples.scores[n][1:] == (ids[n]["scores"] * 6)[: max(sizes)]
    facts = made.report["mixing"]
    assert facts["negatives_per_example"] == {
        str(size): sum(len(row["negatives"]) == size for row in lists) for size in sorted(sizes)
    }
    idle = [row["reason"] for row in release.table("candidates").to_pylist() if row["stage"] == "mix" and row["reason"]]
    assert facts["capped"] == idle.count("capped") > 0
    assert made.report["stages"]["mix"]["rejected"]["capped"] == facts["capped"]
    card = (tmp_path / "ragged" / "README.md").read_text()
    assert "a relevant document and up to 6 hard" in card
    assert 'examples = load_dataset("FOLDER", "ragged", split="train")\n' in card
    assert "n-tuple" not in card
    assert train(release, settings(release, {"epochs": 1}), tmp_path / "out", 13, Silence())["negatives"] == max(sizes)


def test_both_readings_of_leakage(recipe, slice_of_scifact, fresh_cache, tmp_path):
    """A test query that shares its positive with a train query is in one reading and not in the other."""
    from syneg_data.pipeline import build

    data = tmp_path / "leaky"
    shutil.copytree(slice_of_scifact, data)
    train_line = (data / "qrels" / "train.tsv").read_text().splitlines()[3]
    test_lines = (data / "qrels" / "test.tsv").read_text().splitlines()
    leaked = test_lines[1].split("\t")[0]
    test_lines = [line for line in test_lines if not line.startswith(f"{leaked}\t")]
    (data / "qrels" / "test.tsv").write_text(
        "\n".join([*test_lines, f"{leaked}\t{train_line.split(chr(9))[1]}\t1"]) + "\n"
    )
    source = {"kind": "beir", "path": str(data), "split": "train", "license": "cc-by-4.0", "dev": 0.2}
    build(recipe(source=source, mixing={"kind": "mined_only", "mined": 1}), tmp_path / "release")
    release = open_release(str(tmp_path / "release"))
    assert train_line.split("\t")[1] in trained_positives(release)
    facts = train(release, settings(release, {"epochs": 1}), tmp_path / "out", 13, Silence())
    reading = facts["unseen"]["test"]
    assert reading["of"] == facts["gain"]["test"]["nDCG@10"]["queries"]
    positives = set(release.table("ids")["positive_id"].to_pylist())
    judged = [
        (row["query-id"], row["corpus-id"]) for row in release.table("qrels", "test").to_pylist() if row["score"] > 0
    ]
    seen = {query_id for query_id, doc_id in judged if doc_id in positives}
    assert leaked in seen
    assert reading["queries"] == reading["gain"]["nDCG@10"]["queries"] == reading["of"] - len(seen)
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"### Split `test`, the {reading['queries']} queries none of whose positives was trained on" in card


def test_errors_name_what_to_do(release, encoder, slice_of_scifact, tmp_path):
    with pytest.raises(InputError, match=r"training\.epochs: .*set it by an option"):
        settings(release, {"epochs": 0})
    spec = settings(release, {})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="holds files that no build wrote"):
        train(release, spec, tmp_path / "mine", 13, Silence())
    with pytest.raises(InputError, match="release: holds a build, which would be lost"):
        train(release, spec, release.folder, 13, Silence())


def test_ids_that_a_run_file_cannot_say_are_refused_before_a_step(recipe, slice_of_scifact, fresh_cache, tmp_path):
    from syneg_data.pipeline import build

    shutil.copytree(slice_of_scifact, tmp_path / "beir")
    for path in (tmp_path / "beir" / "queries.jsonl", tmp_path / "beir" / "qrels" / "test.tsv"):
        first = (tmp_path / "beir" / "qrels" / "test.tsv").read_text().splitlines()[1].split("\t")[0].split()[-1]
        path.write_text(
            path.read_text()
            .replace(f'"_id": "{first}"', f'"_id": "no {first}"')
            .replace(f"\n{first}\t", f"\nno {first}\t")
        )
    source = {"kind": "beir", "path": str(tmp_path / "beir"), "split": "train", "dev": 0.2, "license": "cc-by-4.0"}
    build(recipe(source=source), tmp_path / "release")
    release = open_release(str(tmp_path / "release"))
    with pytest.raises(InputError, match=r"release: query id 'no \d+' is empty or holds white space"):
        train(release, settings(release, {}), tmp_path / "out", 13, StopAt(1))


def run_train(*arguments, cache, **options):
    return subprocess.run(
        [sys.executable, "-m", "syneg_data", "train", *map(str, arguments)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "SYNEG_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}, **options,
    )  # fmt: skip


def test_the_command_line_trains_and_shows_the_gain(release, fresh_cache, tmp_path):
    done = run_train(release.folder, "--out", tmp_path / "out", "--epochs", 1, cache=fresh_cache)
    assert done.returncode == 0, done.stderr
    assert "nDCG@10" in done.stdout and "95 % interval" in done.stdout
    assert "no effect was found" in done.stdout or "training helped" in done.stdout or "HURT" in done.stdout
    assert "BM25, which has 0." in done.stdout
    assert "no licence follows for the model" in done.stdout  # the base states none
    facts = json.loads((tmp_path / "out" / "training.json").read_text())
    assert facts["settings"]["epochs"] == 1


def test_a_loss_that_is_not_a_number_stops_at_its_step_and_saves_nothing(release, tmp_path):
    broken = {"objective": {"kind": "ranking", "temperature": 1e-39}, "checks": 1}
    with pytest.raises(InputError, match=r"the loss of step 1 is not a finite number; nothing is saved: lower"):
        train(release, settings(release, broken), tmp_path / "out", 13, Silence())
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / ".out.work").glob("checkpoints-*/checkpoint-*"))


@pytest.mark.slow
def test_a_disk_that_fills_up_is_exit_5_and_the_run_goes_on_later(release, fresh_cache, tmp_path):
    import resource

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    done = run_train(release.folder, "--out", tmp_path / "out", cache=fresh_cache, preexec_fn=small_files)
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    again = run_train(release.folder, "--out", tmp_path / "out", cache=fresh_cache)
    assert again.returncode == 0, again.stderr


def test_a_base_without_pooling_is_refused(release, slice_of_scifact, save_encoder, fresh_cache, tmp_path):
    bare = save_encoder(tmp_path / "bare", slice_of_scifact, pooling=False)
    done = run_train(release.folder, "--out", tmp_path / "out", "--base", bare, cache=fresh_cache)
    assert done.returncode == 2
    assert "bare: has no modules.json" in done.stderr and "name a sentence-transformers model" in done.stderr


def test_broken_weights_are_refused_before_a_step(release, slice_of_scifact, save_encoder, fresh_cache, tmp_path):
    broken = save_encoder(tmp_path / "broken", slice_of_scifact, broken=True)
    done = run_train(release.folder, "--out", tmp_path / "out", "--base", broken, cache=fresh_cache)
    assert done.returncode == 2
    assert "gives vectors that are not finite" in done.stderr


def test_a_release_that_is_not_as_its_manifest_says_is_refused(release, fresh_cache, tmp_path):
    victim = release.folder / "n-tuple" / "train-00000-of-00001.parquet"
    victim.write_bytes(victim.read_bytes()[:-1] + b"\x00")
    done = run_train(release.folder, "--out", tmp_path / "out", cache=fresh_cache)
    assert done.returncode == 2
    assert "release: 1 files are not as manifest.json says (n-tuple/train-00000-of-00001.parquet)" in done.stderr


@pytest.mark.parametrize("name", ["no-such-folder", "someone/data"])
def test_what_is_no_release_is_refused(fresh_cache, tmp_path, name):
    done = run_train(name, "--out", tmp_path / "out", cache=fresh_cache)
    assert done.returncode == 2
    assert f"{name}: neither a build folder nor ID@REVISION" in done.stderr


def test_without_a_dev_split_the_best_weights_cannot_be_chosen(recipe, slice_of_scifact, fresh_cache, tmp_path):
    from syneg_data.pipeline import build

    source = {"kind": "beir", "path": str(slice_of_scifact), "split": "train", "license": "cc-by-4.0"}
    build(recipe(source=source), tmp_path / "release")
    release = open_release(str(tmp_path / "release"))
    with pytest.raises(
        InputError, match=r"release: has no dev split to choose the best weights on; build with source.dev"
    ):
        train(release, settings(release, {}), tmp_path / "out", 13, Silence())
    facts = train(release, settings(release, {"checks": 0, "epochs": 1}), tmp_path / "out", 13, Silence())
    assert facts["best_step"] == facts["steps"]
    assert set(facts["after"]) == {"test"}


def test_too_few_negatives_for_the_objective(recipe, fresh_cache, tmp_path):
    from syneg_data.training import Training
    from syneg_data.training.examples import Examples, refuse_unfit

    spec = recipe().recipe.training
    own = Training.model_validate(
        {**spec.model_dump(), "objective": {"kind": "ranking", "in_batch": False}}, context={"base": tmp_path}
    )
    with pytest.raises(InputError, match="ranking needs at least 1 hard negative per example, there are 0"):
        refuse_unfit(own, Examples(["a", "b"], ["c", "d"], []))
    distil = Training.model_validate(
        {**spec.model_dump(), "objective": {"kind": "distillation"}}, context={"base": tmp_path}
    )
    with pytest.raises(InputError, match="distillation needs the rerankers' scores"):
        refuse_unfit(distil, Examples(["a", "b"], ["c", "d"], [["e", "f"]]))


def test_a_recipe_without_training_needs_a_base(recipe, fresh_cache, tmp_path):
    from syneg_data.pipeline import build

    build(recipe(training=None), tmp_path / "release")
    release = open_release(str(tmp_path / "release"))
    with pytest.raises(InputError, match=r"its recipe names no training\.base; say --base"):
        settings(release, {})


def test_a_base_that_the_recipe_names_by_a_path_may_be_elsewhere(recipe, encoder, fresh_cache, tmp_path, monkeypatch):
    from syneg_data.pipeline import build

    base = os.path.relpath(encoder, tmp_path)  # as the recipe, which is there, would say it
    build(recipe(training={**recipe().written["training"], "base": base}), tmp_path / "release")
    release = open_release(str(tmp_path / "release"))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    with pytest.raises(InputError, match=rf"names training\.base by a path, {base}, which is not there from here"):
        settings(release, {})
    assert settings(release, {"base": str(encoder)}).base.path == str(encoder)
    monkeypatch.chdir(tmp_path)
    assert settings(release, {}).base.path == str(encoder)


@pytest.mark.slow
def test_two_processes_train_as_one(release, fresh_cache, tmp_path):
    """torchrun on this machine: the first process writes, the other one helps, and every example is seen."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "syneg_data", "train", str(release.folder), "--out", str(tmp_path / "out"), "--batch-size", "4"]
    environment = {**os.environ, "SYNEG_CACHE": str(fresh_cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads((tmp_path / "out" / "training.json").read_text())
    assert facts["devices"] == 2
    assert facts["steps"] == 2 * math.ceil(facts["examples"] / 8)  # 4 on each of the two
    assert set(facts["after"]) == {"dev", "test"}
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert again.returncode == 0, again.stderr[-3000:]  # neither waits for the other when all is done
    alone = run_train(release.folder, "--out", tmp_path / "out", "--batch-size", 4, cache=fresh_cache)
    assert alone.returncode == 0, alone.stderr
    facts = json.loads((tmp_path / "out" / "training.json").read_text())
    assert (facts["devices"], facts["steps"]) == (1, 2 * math.ceil(facts["examples"] / 4))  # another run, made anew
