"""Rerankers behind the Judge protocol, with real, tiny models."""

import math
import shutil

import pytest
from pydantic import ValidationError

from syneg_data.collection import Collection, Document
from syneg_data.errors import InputError
from syneg_data.execution import Silence
from syneg_data.records import Hit
from syneg_data.references import PathModel
from syneg_data.validation import BiEncoderReranker, CrossEncoderReranker, Relative, Validation
from syneg_data.validation.fitting import evidence_of
from syneg_data.validation.gate import Gate, Scores, Subject, as_positive
from syneg_data.validation.scoring import Panel

VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] apple banana cherry grape lemon melon orange peach plum quince does help of"
)
PAIRS = [
    ("does apple help", "apple banana"),
    ("does apple help", "plum quince"),
    ("lemon", "apple banana"),
    ("lemon", "grape melon"),
    ("lemon", "grape melon"),
]


def save_model(folder, kind, seed, outputs=1, broken=False):
    """A BERT of two layers with random weights: a bi-encoder (mean pooling) or a cross-encoder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

    bert = folder if kind == "cross_encoder" else folder.parent / f"{folder.name}-bert"
    bert.mkdir()
    (bert / "vocab.txt").write_text(VOCABULARY.replace(" ", "\n"))
    BertTokenizerFast.from_pretrained(bert).save_pretrained(bert)
    torch.manual_seed(seed)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    size |= {"vocab_size": len(VOCABULARY.split()), "max_position_embeddings": 64, "initializer_range": 0.2}
    config = BertConfig(num_labels=outputs, **size)
    model = BertForSequenceClassification(config) if kind == "cross_encoder" else BertModel(config)
    if broken:
        torch.nn.init.constant_(model.get_input_embeddings().weight, float("nan"))
    model.save_pretrained(bert, safe_serialization=True)
    if kind == "bi_encoder":
        SentenceTransformer(modules=[Transformer(str(bert)), Pooling(32)], device="cpu").save(str(folder))
        shutil.rmtree(bert)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    return {
        "bi_encoder": save_model(home / "bi", "bi_encoder", 1),
        "other bi_encoder": save_model(home / "bi2", "bi_encoder", 2),
        "broken bi_encoder": save_model(home / "bi3", "bi_encoder", 1, broken=True),
        "cross_encoder": save_model(home / "cross", "cross_encoder", 1),
        "other cross_encoder": save_model(home / "cross2", "cross_encoder", 2),
        "broken cross_encoder": save_model(home / "cross3", "cross_encoder", 1, broken=True),
        "two outputs": save_model(home / "cross4", "cross_encoder", 1, outputs=2),
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))


def reranker(kind, folder):
    make = {"bi_encoder": BiEncoderReranker, "cross_encoder": CrossEncoderReranker}[kind]
    return make(kind=kind, model={"kind": "path", "path": str(folder)}, max_length=64)


def open_judge(kind, folder):
    return reranker(kind, folder).open(PathModel(kind="path", path=str(folder)).resolve())


KINDS = pytest.mark.parametrize("kind", ["bi_encoder", "cross_encoder"])


@KINDS
def test_a_score_depends_on_its_pair_alone(kind, folders):
    scores = open_judge(kind, folders[kind]).score(PAIRS)
    assert len(scores) == 5
    assert all(isinstance(score, float) for score in scores)
    assert scores[3] == scores[4]
    assert len({round(score, 4) for score in scores}) == 4
    other_order = open_judge(kind, folders[kind]).score(PAIRS[::-1])
    assert other_order == scores[::-1]
    assert open_judge(kind, folders[kind]).score([PAIRS[2]]) == [scores[2]]


@KINDS
def test_no_pairs_have_no_scores(kind, folders):
    assert open_judge(kind, folders[kind]).score([]) == []


@KINDS
def test_other_weights_give_other_scores(kind, folders):
    first = open_judge(kind, folders[kind]).score(PAIRS)
    other = open_judge(kind, folders[f"other {kind}"]).score(PAIRS)
    assert all(abs(a - b) > 1e-6 for a, b in zip(first, other, strict=True))


def test_a_cosine_is_the_one_of_the_models_own_vectors(folders):
    from sentence_transformers import SentenceTransformer, util

    model = SentenceTransformer(str(folders["bi_encoder"]), device="cpu")
    queries, texts = (model.encode([pair[side] for pair in PAIRS]) for side in (0, 1))
    expected = util.pairwise_cos_sim(queries, texts).tolist()
    assert open_judge("bi_encoder", folders["bi_encoder"]).score(PAIRS) == pytest.approx(expected, abs=1e-5)


@KINDS
@pytest.mark.parametrize("rule", ["calibrated", "relative"])
def test_broken_weights_give_scores_that_the_gate_never_keeps(kind, rule, folders):
    judge = open_judge(kind, folders[f"broken {kind}"])
    assert all(math.isnan(score) for score in judge.score(PAIRS))
    random = tuple(f"f{n}" for n in range(10))
    texts = {"pos": "apple banana", "cand": "plum quince", **dict.fromkeys(random, "grape melon")}
    documents = {doc_id: Document(doc_id, text) for doc_id, text in texts.items()}
    corpus = Collection(documents, {"q": "does apple help"}, {"q": {"pos": 1}}, "digest")
    panel = Panel({kind: judge}, kind, corpus, {"q": ["cand"]}, random)
    panel.prepare(Silence())
    rows = panel.rows(["q"])
    assert [row.role for row in rows] == ["positive", "candidate", *["random"] * 10, "floor"]
    assert all(math.isnan(row.score) for row in rows)
    spec = Validation(rerankers=(reranker(kind, folders[f"broken {kind}"]),))
    spec = spec if rule == "calibrated" else spec.model_copy(update={"rule": Relative(kind="relative")})
    bar = spec.rule.fit(evidence_of(rows, {("q", "cand")}, spec.rerankers[0].bounded))
    gate = Gate(spec, {kind: bar}, kind)
    verdict = gate.verdict(Subject("q", None, "cand", "mined", (Hit("bm25", 1, 1.0),)), Scores(rows))
    assert (verdict.verdict, verdict.reason) == ("failed", "score_not_finite")
    assert as_positive(verdict, gate) == verdict


@KINDS
def test_what_was_prepared_is_scored_without_the_model(kind, folders, tmp_path):
    folder = shutil.copytree(folders[kind], tmp_path / "model")
    judge = open_judge(kind, folder)
    judge.prepare(PAIRS, Silence())
    again = open_judge(kind, folder)
    shutil.rmtree(folder)
    assert again.score(PAIRS) == judge.score(PAIRS)
    assert judge.words(PAIRS) == [""] * 5


@KINDS
def test_a_model_without_weights_is_named(kind, folders, tmp_path):
    folder = shutil.copytree(folders[kind], tmp_path / "model")
    for path in folder.rglob("model.safetensors"):
        path.unlink()
    with pytest.raises(InputError, match=r"model model: no \.safetensors weights in the folder"):
        open_judge(kind, folder).score(PAIRS)


def test_a_classifier_is_no_reranker(folders):
    with pytest.raises(InputError) as caught:
        open_judge("cross_encoder", folders["two outputs"]).score(PAIRS)
    assert str(caught.value) == (
        "model cross4: 2 outputs, a reranker has one; choose a cross-encoder trained for relevance"
    )


def test_a_cross_encoder_is_the_dearer_judge_and_its_scores_are_probabilities():
    assert BiEncoderReranker.cost < CrossEncoderReranker.cost
    assert (BiEncoderReranker.bounded, CrossEncoderReranker.bounded) == (False, True)
    assert BiEncoderReranker.absolute is CrossEncoderReranker.absolute is None


@pytest.mark.parametrize(
    ("backend", "offered"),
    [("torch", "float32 and bfloat16"), ("onnx", "float32 and int8"), ("openvino", "float32 and bfloat16")],
)
def test_a_backend_offers_some_number_formats(backend, offered):
    model = {"kind": "hub", "id": "some/model", "revision": "a" * 40}
    for dtype in ("float32", "bfloat16", "int8"):
        make = {"kind": "cross_encoder", "model": model, "backend": backend, "dtype": dtype}
        if dtype in offered:
            assert CrossEncoderReranker(**make).dtype == dtype
        else:
            with pytest.raises(ValidationError, match=f"dtype {dtype} is not to be had .*, which offers {offered}"):
                CrossEncoderReranker(**make)
