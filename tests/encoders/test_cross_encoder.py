"""Cross-encoder scores with a real, tiny model: computed once ever, by exactly this model."""

import math
import shutil

import pytest

from syneg_data.encoders.cross_encoder import CrossEncoder
from syneg_data.errors import InputError
from syneg_data.references import PathModel

VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] apple banana cherry grape lemon melon orange peach plum quince does help of"
)
PAIRS = [("does apple help", "apple banana"), ("does apple help", "plum quince"), ("lemon", "grape melon")]


def save_cross_encoder(folder, seed, outputs=1, broken=False):
    """A BERT of two layers with random weights and `outputs` outputs."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir()
    (folder / "vocab.txt").write_text(VOCABULARY.replace(" ", "\n"))
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    torch.manual_seed(seed)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    size |= {"vocab_size": len(VOCABULARY.split()), "max_position_embeddings": 64, "initializer_range": 0.2}
    config = BertConfig(num_labels=outputs, **size)
    model = BertForSequenceClassification(config)
    if broken:
        torch.nn.init.constant_(model.classifier.weight, float("nan"))
    model.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    return {
        "first": save_cross_encoder(home / "first", 1),
        "second": save_cross_encoder(home / "second", 2),
        "two": save_cross_encoder(home / "two", 1, outputs=2),
        "broken": save_cross_encoder(home / "broken", 1, broken=True),
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))


def resolve(folder):
    return PathModel(kind="path", path=str(folder)).resolve()


def encoder(folder, max_length=64, batch_size=8):
    return CrossEncoder(resolve(folder), max_length, batch_size)


def test_scores_are_the_sigmoid_of_the_models_own_logits(folders):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folders["first"]).eval()
    tokenizer = AutoTokenizer.from_pretrained(folders["first"])
    with torch.no_grad():
        logits = [model(**tokenizer(*pair, return_tensors="pt")).logits.item() for pair in PAIRS]
    assert len({round(logit, 4) for logit in logits}) == 3
    expected = [1 / (1 + math.exp(-logit)) for logit in logits]
    assert encoder(folders["first"]).score(PAIRS) == pytest.approx(expected, abs=1e-5)


def test_a_pair_is_scored_once_ever(folders):
    first = encoder(folders["first"])
    scores = first.score([*PAIRS, PAIRS[0]])
    assert scores[0] == scores[3]
    assert first.scored == 3
    second = encoder(folders["first"], batch_size=1)
    assert second.score([PAIRS[2], PAIRS[0]]) == [scores[2], scores[0]]
    assert second.scored == 0
    second.score([PAIRS[0], ("lemon", "apple")])
    assert second.scored == 1


def test_query_and_text_do_not_run_together(folders):
    model = encoder(folders["first"])
    model.score([("apple banana", "cherry"), ("apple", "banana cherry"), ("cherry", "apple banana")])
    assert model.scored == 3


def test_no_pairs_load_no_model(tmp_path, folders):
    gone = resolve(shutil.copytree(folders["first"], tmp_path / "gone"))
    shutil.rmtree(gone.path)
    assert CrossEncoder(gone, 64, 8).score([]) == []


def test_other_weights_are_another_model(folders, tmp_path):
    import safetensors.torch

    scores = encoder(folders["first"]).score(PAIRS)
    changed = shutil.copytree(folders["first"], tmp_path / "changed")
    tensors = safetensors.torch.load_file(changed / "model.safetensors")
    tensors["classifier.bias"] += 0.5
    safetensors.torch.save_file(tensors, changed / "model.safetensors", metadata={"format": "pt"})
    assert resolve(changed).digest != resolve(folders["first"]).digest
    other = encoder(changed)
    assert all(new > old + 1e-3 for new, old in zip(other.score(PAIRS), scores, strict=True))
    assert other.scored == 3


def test_a_length_limit_is_part_of_the_key(folders):
    pair = ("does apple help", "grape lemon melon orange peach plum quince banana cherry")
    long, short = encoder(folders["first"]), encoder(folders["first"], max_length=8)
    assert long.score([pair]) != pytest.approx(short.score([pair]), abs=1e-4)
    assert short.scored == 1


def test_a_pair_longer_than_the_model_can_read_is_cut(folders):
    model = encoder(folders["first"], max_length=512)  # the model has 64 positions
    (score,) = model.score([("does apple help", "apple " * 200)])
    assert 0 < score < 1


def test_two_outputs_are_refused_every_time(folders):
    model = encoder(folders["two"])
    for _ in range(2):
        with pytest.raises(InputError, match="2 outputs, a reranker has one"):
            model.score(PAIRS)


def test_scores_of_broken_weights_are_returned_and_never_stored(folders):
    for _ in range(2):
        model = encoder(folders["broken"])
        assert all(math.isnan(score) for score in model.score(PAIRS))
        assert model.scored == 3


def test_a_truncated_model_is_the_users_fault(folders, tmp_path):
    lame = shutil.copytree(folders["first"], tmp_path / "lame")
    weights = lame / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="lame: cannot be loaded"):
        encoder(lame).score(PAIRS)


def test_a_head_that_is_missing_is_not_made_up(folders, tmp_path):
    import safetensors.torch

    lame = shutil.copytree(folders["first"], tmp_path / "lame")
    tensors = safetensors.torch.load_file(lame / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier")}
    safetensors.torch.save_file(kept, lame / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="lame: cannot be loaded"):
        encoder(lame).score(PAIRS)


def test_pickled_weights_are_refused(folders, tmp_path):
    pickled = shutil.copytree(folders["first"], tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled weights are never loaded"):
        resolve(pickled)
