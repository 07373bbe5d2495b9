"""Dense mining with a real, tiny bi-encoder."""

import shutil

import numpy as np
import pytest

from syneg_data.collection import Collection, Document
from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.errors import InputError
from syneg_data.mining.dense import Dense
from syneg_data.references import PathModel

VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] apple banana cherry grape lemon melon orange peach plum quince does help of"
)
TEXTS = {"d": "apple banana", "c": "cherry grape", "b": "cherry grape", "a": "lemon melon orange", "e": "plum quince"}


def save_bi_encoder(folder, seed, broken=False):
    """A BERT of two layers with random weights, mean pooling and prompts of its own."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    bert = folder.parent / f"{folder.name}-bert"
    bert.mkdir()
    (bert / "vocab.txt").write_text(VOCABULARY.replace(" ", "\n"))
    BertTokenizerFast.from_pretrained(bert).save_pretrained(bert)
    torch.manual_seed(seed)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    model = BertModel(
        BertConfig(vocab_size=len(VOCABULARY.split()), max_position_embeddings=64, initializer_range=0.2, **size)
    )
    if broken:
        torch.nn.init.constant_(model.embeddings.word_embeddings.weight, float("nan"))
    model.save_pretrained(bert, safe_serialization=True)
    modules = [Transformer(str(bert)), Pooling(32)]
    SentenceTransformer(modules=modules, prompts={"query": "help ", "document": ""}, device="cpu").save(str(folder))
    shutil.rmtree(bert)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    return {
        "first": save_bi_encoder(home / "first", 1),
        "second": save_bi_encoder(home / "second", 2),
        "broken": save_bi_encoder(home / "broken", 1, broken=True),
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))


def resolve(folder):
    return PathModel(kind="path", path=str(folder)).resolve()


def corpus():
    return Collection({doc_id: Document(doc_id, text) for doc_id, text in TEXTS.items()}, {}, {}, "digest")


def open_index(folder):
    return Dense(kind="dense", model={"kind": "path", "path": str(folder)}).open(corpus(), resolve(folder))


def test_ranks_are_cosines_of_the_models_own_vectors(folders):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folders["first"]), device="cpu")
    query, documents = model.encode_query("does apple help"), model.encode_document(list(TEXTS.values()))
    cosines = documents @ query / np.linalg.norm(documents, axis=1) / np.linalg.norm(query)
    found = dict(open_index(folders["first"]).search("does apple help", 5))
    assert found == pytest.approx(dict(zip(TEXTS, cosines.tolist(), strict=True)), abs=2e-5)


def test_identical_documents_go_by_doc_id_and_k_cuts(folders):
    index = open_index(folders["first"])
    ranked = index.search("cherry grape", 5)
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)
    order = [doc_id for doc_id, _ in ranked]
    assert order.index("c") == order.index("b") + 1
    assert index.search("cherry grape", 2) == ranked[:2]


def test_queries_and_documents_get_prompts_and_stores_of_their_own(folders):
    encoder = BiEncoder(resolve(folders["first"]), 64, 8)
    query, document = encoder.encode(["apple"], "query")[0], encoder.encode(["apple"], "document")[0]
    assert not np.allclose(query, document, atol=1e-3)
    assert np.allclose(query, encoder.encode(["help apple"], "document")[0], atol=1e-5)
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)


def test_a_vector_is_computed_once_ever(folders):
    first = BiEncoder(resolve(folders["first"]), 64, 8)
    vectors = first.encode(["apple", "banana", "apple"], "document")
    assert vectors.shape == (3, 32)
    assert first.encoded == 2
    second = BiEncoder(resolve(folders["first"]), 64, 8)
    assert np.array_equal(second.encode(["banana", "apple"], "document"), vectors[[1, 0]])
    assert second.encoded == 0
    second.encode(["apple", "cherry"], "document")
    assert second.encoded == 1


def test_a_length_limit_is_part_of_the_space(folders):
    text = "apple banana cherry grape lemon melon orange peach plum quince"
    long, short = BiEncoder(resolve(folders["first"]), 64, 8), BiEncoder(resolve(folders["first"]), 8, 8)
    assert not np.allclose(long.encode([text], "document"), short.encode([text], "document"), atol=1e-3)
    assert short.encoded == 1


def test_other_weights_are_another_model(folders, tmp_path):
    import safetensors.torch

    changed = shutil.copytree(folders["first"], tmp_path / "changed")
    (weights,) = changed.rglob("*.safetensors")
    tensors = safetensors.torch.load_file(weights)
    next(tensor for name, tensor in tensors.items() if "word_embeddings" in name)[:, :3] += (
        0.5  # evenly it would be normalised away
    )
    safetensors.torch.save_file(tensors, weights, metadata={"format": "pt"})
    first = BiEncoder(resolve(folders["first"]), 64, 8)
    vector = first.encode(["apple"], "document")
    assert resolve(changed).digest != resolve(folders["first"]).digest
    other = BiEncoder(resolve(changed), 64, 8)
    assert not np.allclose(other.encode(["apple"], "document"), vector, atol=1e-4)
    assert other.encoded == 1


def test_the_same_weights_elsewhere_are_the_same_model(folders, tmp_path):
    BiEncoder(resolve(folders["first"]), 64, 8).encode(["apple"], "document")
    copy = shutil.copytree(folders["first"], tmp_path / "copy")
    (copy / "README.md").write_text("another card")
    encoder = BiEncoder(resolve(copy), 64, 4)
    encoder.encode(["apple"], "document")
    assert encoder.encoded == 0


def test_vectors_of_broken_weights_are_returned_and_never_stored(folders):
    for _ in range(2):
        encoder = BiEncoder(resolve(folders["broken"]), 64, 8)
        assert np.isnan(encoder.encode(["apple", "banana"], "document")).all()
        assert encoder.encoded == 2


def test_a_text_longer_than_the_model_can_read_is_cut(folders):
    encoder = BiEncoder(resolve(folders["first"]), 256, 8)  # the model has 64 positions
    vectors = encoder.encode(["apple " * 62, "apple " * 200], "document")
    assert np.allclose(vectors[0], vectors[1], atol=1e-5)


def test_a_folder_without_its_weights_is_refused(folders, tmp_path):
    lame = shutil.copytree(folders["first"], tmp_path / "lame")
    (weights,) = lame.rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be loaded"):
        BiEncoder(resolve(lame), 64, 8).encode(["apple"], "document")
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(InputError, match=r"no \.safetensors weights"):
        resolve(lame)


def test_weights_that_are_missing_are_not_made_up(folders, tmp_path):
    import safetensors.torch

    lame = shutil.copytree(folders["first"], tmp_path / "lame")
    (weights,) = lame.rglob("*.safetensors")
    tensors = safetensors.torch.load_file(weights)
    kept = {name: tensor for name, tensor in tensors.items() if "layer.1.attention" not in name}
    assert len(kept) < len(tensors)
    safetensors.torch.save_file(kept, weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match="cannot be loaded"):
        BiEncoder(resolve(lame), 64, 8).encode(["apple"], "document")
