"""The cross-encoder that ships with the recipes, and the program that made it."""

import ast
import hashlib
import importlib.util
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from sentence_transformers import CrossEncoder

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "recipes" / "train_cross_encoder.py"
FOLDER = ROOT / "recipes" / "models" / "minilm-l3-cross-encoder"

# A question, a passage that answers it, and one on the same topic that does not.
TRIPLES = [
    (
        "When was the Eiffel Tower completed?",
        "Construction of the Eiffel Tower took a little over two years; it was finished on 31 March 1889.",
        "The Eiffel Tower stands on the Champ de Mars in Paris and is repainted about every seven years.",
    ),
    (
        "Who wrote the novel Frankenstein?",
        "Frankenstein was written by the English author Mary Shelley, who began it at the age of eighteen.",
        "In Frankenstein a young scientist creates a living being from dead matter in an unusual experiment.",
    ),
    (
        "What is the capital of Australia?",
        "Canberra was founded in 1913 to be the capital of Australia, a compromise between two rival cities.",
        "Sydney is the largest city of Australia by population and is famous for its harbour and opera house.",
    ),
    (
        "How long is the river Danube?",
        "From its source in the Black Forest to the Black Sea the Danube flows for about 2,850 kilometres.",
        "The Danube passes through ten countries, more than any other river, and four of their capitals.",
    ),
    (
        "What are the symptoms of whooping cough?",
        "Whooping cough begins with a runny nose and mild fever; then come fits of coughing that end in a whoop.",
        "Whooping cough is treated with antibiotics, which are most effective when they are given early.",
    ),
    (
        "What causes scurvy?",
        "Scurvy is caused by a lack of vitamin C, which the body needs to make collagen.",
        "People with scurvy feel weak and tired, their gums bleed, and wounds of the skin heal badly.",
    ),
    (
        "How is celiac disease treated?",
        "The treatment of celiac disease is a strict gluten-free diet for life, after which the intestine heals.",
        "Celiac disease is diagnosed with blood tests for antibodies and a biopsy of the small intestine.",
    ),
    (
        "Is Huntington disease inherited?",
        "Huntington disease is autosomal dominant: each child of an affected parent has a 50 percent risk.",
        "Huntington disease leads to uncontrolled movements, emotional problems and a loss of thinking ability.",
    ),
]
OFF_TOPIC = "Preheat the oven, mix flour, sugar and butter to a smooth dough, and bake the biscuits until golden."


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("train_cross_encoder", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def record():
    return json.loads((FOLDER / "evaluation.json").read_text())


@pytest.fixture(scope="module")
def model():
    return CrossEncoder(
        str(FOLDER),
        device="cpu",
        model_kwargs={"dtype": "float32", "use_safetensors": True},
        trust_remote_code=False,
        local_files_only=True,
    )


# The model.


def test_the_weights_are_small_and_in_half_precision(record):
    weights = FOLDER / "model.safetensors"
    assert weights.stat().st_size < 35_000_000
    with safe_open(weights, "pt") as tensors:
        kinds = {tensors.get_tensor(name).dtype for name in tensors.keys()}  # noqa: SIM118
    assert kinds == {torch.float16}
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == record["model"]["sha256"]


def test_the_folder_holds_nothing_but_the_model():
    assert {path.name for path in FOLDER.iterdir()} <= {
        "README.md", "config.json", "evaluation.json", "model.safetensors", "special_tokens_map.json",
        "tokenizer.json", "tokenizer_config.json", "vocab.txt",
    }  # fmt: skip


def test_it_has_one_output_and_reads_512_tokens(model):
    assert model.num_labels == 1
    assert model.max_seq_length == 512
    assert len(model[0].model.bert.encoder.layer) == 3


def test_no_file_holds_a_path_of_the_machine_that_trained_it():
    for path in FOLDER.iterdir():
        if path.suffix in {".json", ".md", ".txt"} and path.name not in {"tokenizer.json", "vocab.txt"}:
            assert not re.search(r"(?<![\w.:/])/(?:\w[\w.-]*/)+", path.read_text()), path.name


def test_the_card_is_what_the_program_makes_of_the_figures(program, record):
    assert (FOLDER / "README.md").read_text() == program.card(record)


def test_the_card_states_licences_and_sources(record):
    text = (FOLDER / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == record["license"] == "cc-by-sa-4.0"
    assert front["base_model"].startswith("sentence-transformers/")
    assert "CC BY-SA 4.0 (SQuAD" in text
    assert "CC BY 4.0 (Ben Abacha and Demner-Fushman 2019" in text
    assert "Apache-2.0" in text


def test_the_figures_are_complete_and_possible(record):
    assert set(record["test"]) == {"squad-nqg-small", "medquad", "scifact"}
    assert record["data"]["scifact"]["use"] == "measured only"
    for result in record["test"].values():
        assert set(result["systems"]) == {"minilm-l3-cross-encoder", "all-MiniLM-L6-v2", "paraphrase-MiniLM-L3-v2"}
        for figures in result["systems"].values():
            assert set(figures) == {"auc_mined", "auc_random", "ndcg@10"}
            assert all(0 < f["low"] <= f["value"] <= f["high"] <= 1 for f in figures.values())


def test_the_card_says_at_its_top_where_a_bi_encoder_is_better(program, record):
    behind = {name: {"lead": {"bi": {"auc_mined": {"high": high}}}} for name, high in (("a", -0.01), ("b", 0.01))}
    assert "on a it is worse than bi (see" in program.warning({"test": behind})
    assert "behind the bi-encoders on none" in program.warning({"test": {"b": behind["b"]}})
    assert program.warning(record) in (FOLDER / "README.md").read_text().split("```")[0]


def test_half_precision_changes_no_figure(record):
    for variants in record["precision"].values():
        for figure, value in variants["full"].items():
            assert variants["half"][figure] == pytest.approx(value, abs=1e-3)


def test_it_tells_answers_from_passages_on_the_same_topic(model):
    queries, answers, others = zip(*TRIPLES, strict=True)

    def relevance(texts):
        pairs = list(zip(queries, texts, strict=True))
        return model.predict(pairs, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False)

    answering, same_topic, elsewhere = relevance(answers), relevance(others), relevance([OFF_TOPIC] * len(queries))
    assert all(0 <= value <= 1 for value in [*answering, *same_topic, *elsewhere])
    assert (answering > same_topic).sum() >= 7
    assert answering.min() > elsewhere.max()


# The program.


def test_its_dependencies_have_the_floors_of_the_project(program):
    block = re.search(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$", SCRIPT.read_text())["content"]
    header = tomllib.loads("".join(line.removeprefix("# ").removeprefix("#") for line in block.splitlines(True)))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert header["requires-python"] == project["requires-python"]
    assert set(header["dependencies"]) - {"syneg-data"} <= set(project["dependencies"])


def test_it_leans_only_on_stable_modules():
    tree = ast.parse(SCRIPT.read_text())
    ours = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module.startswith("syneg_data")}
    assert ours == {"syneg_data.errors", "syneg_data.references", "syneg_data.sources.beir"}


def test_auc_counts_pairs_of_all_questions_and_ties_half(program):
    scores = np.array([0.9, 0.5, 0.5, 0.1])
    owner = np.array([0, 0, 1, 1])
    relevant = np.array([True, False, True, False])
    weights = np.array([[1, 1], [2, 0], [0, 2]])
    # 0.9 beats 0.5 and 0.1; 0.5 ties with 0.5 and beats 0.1: 3.5 of 4. A sample of one question sees its own pairs.
    assert program.auc(scores, owner, relevant, ~relevant, weights).tolist() == [0.875, 1.0, 1.0]


def test_ndcg_has_all_known_positives_in_its_ideal(program):
    roles = {"pool": np.array([True, True, True, False]), "positive": np.array([False, True, False, True])}
    exam = program.Exam(None, ["q"], ["?"], np.zeros(4, int), np.arange(4), roles)
    # The positive of the pool comes second; the other one was not found: (1/log2(3)) / (1 + 1/log2(3)).
    assert program.ndcg(np.array([0.9, 0.8, 0.1, 1.0]), exam, [2])[0] == pytest.approx(0.386853, abs=1e-6)


def test_the_first_bootstrap_sample_is_the_sample_itself(program):
    weights = program.draws(5, seed=1)
    assert weights[0].tolist() == [1, 1, 1, 1, 1]
    assert set(weights.sum(axis=1)) == {5}
    assert (weights == program.draws(5, seed=1)).all()


def test_negatives_are_never_what_is_barred(program):
    for seed in range(50):
        picked = program.choose([[3, 1, 2], [2, 5]], {2, 4}, 8, 4, np.random.default_rng(seed))
        assert len(set(picked)) == 4
        assert not {2, 4} & set(picked)
        assert {1, 3, 5} <= set(picked)


def test_negatives_are_as_many_as_there_are(program):
    assert sorted(program.choose([[0]], {1}, 3, 4, np.random.default_rng(0))) == [0, 2]


def test_the_loss_is_binary_cross_entropy_with_the_first_of_each_question_relevant(program):
    values = torch.tensor([0.0, 0.0, 0.0])
    assert program.loss_of(values, [2, 1], 0.0).item() == pytest.approx(0.693147, abs=1e-6)
    right, wrong = torch.tensor([5.0, -5.0, 5.0]), torch.tensor([-5.0, 5.0, 5.0])
    assert program.loss_of(right, [2, 1], 0.0) < 0.01 < program.loss_of(wrong, [2, 1], 0.0)
    # Listwise: ln 2 for the question of two, nothing for the question of one.
    assert program.loss_of(values, [2, 1], 1.0).item() == pytest.approx(0.693147 * 1.5, abs=1e-5)


def test_the_learning_rate_rises_for_a_tenth_and_falls_to_nothing(program):
    assert [round(program.pace(step, 20, 20), 3) for step in (0, 1, 2, 11, 19)] == [0.5, 1.0, 1.0, 0.5, 0.056]


def test_a_shortened_training_takes_the_same_steps_and_slows_down_in_its_last_tenth(program):
    assert program.pace(8, 10, 20) == program.pace(8, 20, 20)
    assert program.pace(9, 10, 20) == program.pace(9, 20, 20)
    whole, short = ([program.pace(step, stop, 100) for step in range(46, 50)] for stop in (100, 50))
    assert [round(b / a, 3) for a, b in zip(whole, short, strict=True)] == [0.8, 0.6, 0.4, 0.2]


def test_layers_are_picked_in_order(program):
    assert program.pick_layers(6, "0,2,4") == [0, 2, 4]
    assert program.pick_layers(3, None) == [0, 1, 2]
    with pytest.raises(program.Refusal, match="numbered from 0"):
        program.pick_layers(3, "0,3")


def test_answers_to_the_same_kind_of_question_are_no_negatives(program, tmp_path):
    documents = [
        ("a", "Scurvy", "Lack of vitamin C.", "causes"),
        ("b", "scurvy", "Too little fruit.", "causes"),
        ("c", "Scurvy", "Bleeding gums.", "symptoms"),
        ("d", "Gout", "lack of VITAMIN C", "treatment"),
        ("e", "Gout", "Uric acid.", "causes"),
    ]
    (tmp_path / "qrels").mkdir()
    for split, judged in (("train", "q\ta"), ("dev", "r\tc"), ("test", "r\te")):
        (tmp_path / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}\t1\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "What causes scurvy?"}\n{"_id": "r", "text": "?"}\n')
    lines = [{"_id": i, "title": t, "text": x, "metadata": {"qtype": k}} for i, t, x, k in documents]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "SOURCE.md").write_text("# small\n\nLicence: CC0.\n")
    corpus = program.Corpus(tmp_path, ("train", "dev", "test"), "cc0-1.0")
    assert corpus.licence == "CC0."
    assert corpus.positives("train", "q") == [0]
    assert corpus.not_negative([0]) == {0, 1, 3}
    assert corpus.judged("dev", "test") == {2, 4}
    lexical, dense = corpus.found(
        ["vitamin"], np.eye(1, 2), np.array([[0.1, 0], [0.3, 0], [0.3, 0], [0, 1], [0, 1]]), 3
    )[0]
    assert set(lexical) == {0, 3}
    assert dense.tolist() == [1, 2, 0]


def test_the_command_of_the_card_has_names_for_paths(program, tmp_path):
    (tmp_path / "squad").mkdir()
    options = program.parse(["--data", str(tmp_path / "squad"), "--out", str(tmp_path / "gate"), "--layers", "0,2"])
    told = program.command(options)
    assert str(tmp_path) not in told
    assert "--data squad" in told
    assert told.endswith("--out gate")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--out", "x"], "--data; see --help"),
        (["--data", "x", "--out", "y", "--layers", "1;2"], "not numbers with commas"),
        (["--data", "x", "--out", "y", "--negatives", "0"], "--negatives must be positive, not 0"),
        (["--data", "x", "--out", "y", "--base", "who"], "neither a folder nor ID@REVISION"),
    ],
)
def test_it_refuses_in_one_line(program, capsys, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    assert program.main(arguments) == 2
    shown = capsys.readouterr()
    assert complaint in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_it_replaces_nothing_that_it_did_not_write(program, capsys, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert program.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "not a model of this program" in capsys.readouterr().err
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
