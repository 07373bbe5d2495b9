"""A bi-encoder behind the vector store, with a real, tiny model: computed once ever, by exactly this model."""

import json
import shutil
import warnings

import numpy as np
import pytest

from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.encoders.vectors import VectorStore
from syneg_data.errors import InputError, StorageError
from syneg_data.references import PathModel
from tests.encoders.models import VOCABULARY, save_bi_encoder, save_cross_encoder

TEXTS = ["apple banana", "cherry grape", "lemon melon orange", "plum quince", "peach"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    return {
        "first": save_bi_encoder(home / "first", 1),
        "broken": save_bi_encoder(home / "broken", 1, broken=True),
        "cross": save_cross_encoder(home / "cross", 1),
        "few words": save_bi_encoder(home / "few words", 1, vocab_size=10),
        "static": save_static(home / "static", home / "first", len(VOCABULARY)),
        "few vectors": save_static(home / "few vectors", home / "first", 10),
    }


def save_static(folder, tokenizer_of, rows):
    """A bi-encoder that is a table of `rows` vectors and no network."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(1)
    tokenizer = Tokenizer.from_file(str(tokenizer_of / "tokenizer.json"))
    module = StaticEmbedding(tokenizer, embedding_weights=torch.randn(rows, 16))
    SentenceTransformer(modules=[module], device="cpu").save(str(folder))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def resolve(folder):
    return PathModel(kind="path", path=str(folder)).resolve()


def open_encoder(folder, max_length=64, batch_size=8, **options):
    return BiEncoder(resolve(folder), max_length, batch_size, **options)


class Hearer:
    """A Progress that remembers."""

    def __init__(self):
        self.heard = []

    def start(self, stage, total, unit):
        self.heard.append((stage, total, unit))

    def advance(self, items, *, reused=False):
        self.heard.append(items)

    def finish(self):
        self.heard.append("end")


# What a vector is


def test_queries_and_documents_get_prompts_and_stores_of_their_own(folders):
    encoder = open_encoder(folders["first"])
    query, document = encoder.encode(["apple"], "query")[0], encoder.encode(["apple"], "document")[0]
    assert not np.allclose(query, document, atol=1e-3)
    assert np.allclose(query, encoder.encode(["help apple"], "document")[0], atol=1e-5)
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)


def test_given_prompts_stand_in_place_of_the_models_own(folders):
    plain, prompted = open_encoder(folders["first"]), open_encoder(folders["first"], prompts={"query": "does "})
    own = plain.encode(["apple"], "query")[0]
    given = prompted.encode(["apple"], "query")[0]
    assert not np.allclose(own, given, atol=1e-3)
    assert np.allclose(given, plain.encode(["does apple"], "document")[0], atol=1e-5)
    prompted.encode(["does apple"], "document")
    assert prompted.encoded == 1  # what no prompt was given for keeps the model's own, and its vectors


@pytest.mark.parametrize(
    "changed", [{"prompts": {"document": "of "}}, {"prompts": {"document": ""}}, {"dtype": "bfloat16"}]
)
def test_prompts_and_number_formats_are_spaces_of_their_own(folders, cache, changed):
    open_encoder(folders["first"]).encode(TEXTS, "document")
    other = open_encoder(folders["first"], **changed)
    other.encode(TEXTS, "document")
    assert other.encoded == len(TEXTS)
    assert len(list((cache / "vectors").iterdir())) == 2


@pytest.mark.parametrize(("dtype", "within"), [("bfloat16", 0.05), ("float16", 0.005)])
def test_half_precision_gives_nearly_the_same_vectors(folders, dtype, within):
    exact = open_encoder(folders["first"]).encode(TEXTS, "document")
    half = open_encoder(folders["first"], dtype=dtype).encode(TEXTS, "document")
    assert half.dtype == np.float32
    assert not np.array_equal(half, exact)
    assert half == pytest.approx(exact, abs=within)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_vectors_have_length_1_in_half_precision_too(folders, dtype):
    vectors = open_encoder(folders["first"], dtype=dtype).encode(TEXTS, "document")
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    stored = open_encoder(folders["first"], dtype=dtype)
    assert np.array_equal(stored.encode(TEXTS, "document"), vectors)
    assert stored.encoded == 0


def test_static_embeddings_are_means_of_their_table(folders):
    import safetensors.torch

    (weights,) = folders["static"].rglob("*.safetensors")
    (table,) = safetensors.torch.load_file(weights).values()
    words = ["apple", "lemon", "lemon", "does"]
    mean = table.double().numpy()[[VOCABULARY.index(word) for word in words]].mean(axis=0)
    encoder = open_encoder(folders["static"], max_length=3)
    vectors = encoder.encode([" ".join(words), "apple"], "document")
    assert vectors.shape == (2, 16)
    assert vectors[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2), abs=1e-6)
    again = open_encoder(folders["static"], max_length=3)
    assert np.array_equal(again.vectors(["apple"], "document").read(0, 1), vectors[1:])
    assert (encoder.encoded, again.encoded) == (2, 0)


def test_static_embeddings_get_prompts_too(folders):
    prompted = open_encoder(folders["static"], prompts={"query": "does "}).encode(["apple"], "query")
    assert np.array_equal(prompted, open_encoder(folders["static"]).encode(["does apple"], "document"))


def test_a_length_limit_is_part_of_the_space(folders):
    text = "apple banana cherry grape lemon melon orange peach plum quince"
    long, short = open_encoder(folders["first"]), open_encoder(folders["first"], max_length=8)
    assert not np.allclose(long.encode([text], "document"), short.encode([text], "document"), atol=1e-3)
    assert short.encoded == 1


def test_a_text_longer_than_the_model_can_read_is_cut(folders):
    encoder = open_encoder(folders["first"], max_length=256)  # the model has 64 positions
    vectors = encoder.encode(["apple " * 62, "apple " * 200], "document")
    assert np.allclose(vectors[0], vectors[1], atol=1e-5)


def test_an_empty_text_has_a_vector(folders):
    assert np.linalg.norm(open_encoder(folders["first"]).encode([""], "document")) == pytest.approx(1, abs=1e-5)


# Once ever


def test_a_vector_is_computed_once_ever(folders):
    first = open_encoder(folders["first"])
    vectors = first.encode(["apple", "banana", "apple"], "document")
    assert vectors.shape == (3, 32)
    assert first.encoded == 2
    second = open_encoder(folders["first"])
    assert np.array_equal(second.encode(["banana", "apple"], "document"), vectors[[1, 0]])
    assert second.encoded == 0
    second.encode(["apple", "cherry"], "document")
    assert second.encoded == 1


def test_mapped_vectors_are_those_that_were_encoded_and_only_what_is_missing_is(folders):
    encoder = open_encoder(folders["first"])
    encoded = encoder.encode(TEXTS[:2], "document")
    asked = [TEXTS[4], TEXTS[0], TEXTS[4], TEXTS[1], TEXTS[3]]
    hearer = Hearer()
    vectors = encoder.vectors(asked, "document", hearer)
    assert encoder.encoded == 4
    assert hearer.heard == [("encode documents", 2, "texts"), 2, "end"]
    assert (len(vectors), vectors.dimension) == (5, 32)
    found = vectors.read(0, 5)
    assert np.array_equal(found[[1, 3]], encoded)
    assert np.array_equal(found[0], found[2])
    assert np.array_equal(found, open_encoder(folders["first"]).encode(asked, "document"))


def test_nothing_is_said_when_nothing_is_missing(folders):
    open_encoder(folders["first"]).vectors(TEXTS, "query")
    hearer = Hearer()
    again = open_encoder(folders["first"])
    again.vectors(TEXTS, "query", hearer)
    assert (hearer.heard, again.encoded) == ([], 0)


def test_no_texts_have_no_vectors_and_load_no_model(tmp_path, folders):
    gone = resolve(shutil.copytree(folders["first"], tmp_path / "gone"))
    shutil.rmtree(gone.path)
    encoder = BiEncoder(gone, 64, 8)
    assert len(encoder.vectors([], "document")) == 0
    none = encoder.encode([], "query")
    assert (none.shape, none.dtype) == ((0, 0), np.float32)
    assert encoder.encoded == 0


def test_the_size_of_batches_does_not_show(folders):
    one = open_encoder(folders["first"], batch_size=1).encode(TEXTS, "document")
    many = open_encoder(folders["first"], batch_size=5, prompts={"document": ""}).encode(TEXTS, "document")
    assert many == pytest.approx(one, abs=1e-6)


# Which model


def test_other_weights_are_another_model(folders, tmp_path):
    import safetensors.torch

    changed = shutil.copytree(folders["first"], tmp_path / "changed")
    (weights,) = changed.rglob("*.safetensors")
    tensors = safetensors.torch.load_file(weights)
    embeddings = next(tensor for name, tensor in tensors.items() if "word_embeddings" in name)
    embeddings[:, :3] += 0.5  # evenly it would be normalised away
    safetensors.torch.save_file(tensors, weights, metadata={"format": "pt"})
    vector = open_encoder(folders["first"]).encode(["apple"], "document")
    assert resolve(changed).digest != resolve(folders["first"]).digest
    other = open_encoder(changed)
    assert not np.allclose(other.encode(["apple"], "document"), vector, atol=1e-4)
    assert other.encoded == 1


def test_the_same_weights_elsewhere_are_the_same_model(folders, tmp_path):
    open_encoder(folders["first"]).encode(["apple"], "document")
    copy = shutil.copytree(folders["first"], tmp_path / "copy")
    (copy / "README.md").write_text("another card")
    encoder = open_encoder(copy, batch_size=4)
    encoder.encode(["apple"], "document")
    assert encoder.encoded == 0


# What is refused


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_vectors_of_broken_weights_are_returned_and_never_stored(folders, dtype):
    for _ in range(2):
        encoder = open_encoder(folders["broken"], dtype=dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            assert np.isnan(encoder.encode(["apple", "banana"], "document")).all()
        assert encoder.encoded == 2


def test_vectors_to_search_in_must_be_finite(folders):
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            open_encoder(folders["broken"]).vectors(["apple", "melon banana"], "document")
        assert str(caught.value) == (
            "model broken: its vector of 'melon banana' is not finite (2 of 2 texts are like that); choose another "
            "model, or dtype: float32"
        )


def test_texts_whose_vectors_are_not_finite_are_counted_and_the_others_stored(folders, tmp_path):
    import safetensors.torch

    holed = shutil.copytree(folders["first"], tmp_path / "holed")
    (weights,) = holed.rglob("*.safetensors")
    tensors = safetensors.torch.load_file(weights)
    embeddings = next(tensor for name, tensor in tensors.items() if "word_embeddings" in name)
    embeddings[VOCABULARY.index("melon")] = float("nan")
    safetensors.torch.save_file(tensors, weights, metadata={"format": "pt"})
    for encoded in (3, 1):
        encoder, hearer = open_encoder(holed), Hearer()
        with pytest.raises(InputError) as caught:
            encoder.vectors(["apple", "lemon " * 9 + "melon " * 9, "peach"], "document", hearer)
        assert str(caught.value) == (
            "model holed: its vector of 'lemon lemon lemon lemon lemon lemon lemon lemon lemon melon ' is not finite "
            "(1 of 3 texts are like that); choose another model, or dtype: float32"
        )
        assert encoder.encoded == encoded
        assert hearer.heard == [("encode documents", encoded, "texts"), encoded, "end"]


def test_a_model_that_fails_on_the_texts_is_named_and_its_progress_is_finished(folders):
    hearer = Hearer()
    with pytest.raises(InputError, match=r"^model few words: fails on the texts \(.+\); choose another model$"):
        open_encoder(folders["few words"]).vectors(["quince"], "query", hearer)
    assert hearer.heard == [("encode queries", 1, "texts"), "end"]
    with pytest.raises(InputError, match=r"^model few vectors: fails on the texts \(.+\); choose another model$"):
        open_encoder(folders["few vectors"]).encode(["quince"], "query")


@pytest.mark.parametrize("name", ["first", "static"])
def test_a_text_that_is_no_unicode_is_refused_by_the_models_name(folders, name):
    hearer, encoder = Hearer(), open_encoder(folders[name])
    with pytest.raises(InputError, match=rf"^model {name}: fails on the texts \(.+\); choose another model$"):
        encoder.vectors(["apple", "one \ud800 two"], "document", hearer)
    assert hearer.heard == [("encode documents", 2, "texts"), "end"]
    encoder.encode(["apple"], "document")
    assert encoder.encoded == 1


def test_vectors_of_another_dimension_are_refused(folders):
    space = {"model": resolve(folders["first"]).digest, "role": "query", "max_length": 64, "dtype": "float32"}
    VectorStore(space).put(["apple"], np.ones((1, 31), np.float32))
    with pytest.raises(StorageError, match="holds vectors of 31 dimensions, now 32 came; move the folder away"):
        open_encoder(folders["first"]).encode(["banana"], "query")


def test_a_cross_encoder_makes_no_vectors(folders):
    with pytest.raises(InputError) as caught:
        open_encoder(folders["cross"]).encode(["apple"], "document")
    assert str(caught.value) == (
        "model cross: it is a BertForSequenceClassification, a cross-encoder or classifier, not a bi-encoder; choose a "
        "bi-encoder, or make it a reranker of kind: cross_encoder"
    )


def test_a_cross_encoder_that_sentence_transformers_saved_makes_no_vectors(folders, tmp_path):
    from sentence_transformers import CrossEncoder

    CrossEncoder(str(folders["cross"]), device="cpu").save_pretrained(str(tmp_path / "saved"))
    assert (tmp_path / "saved" / "modules.json").is_file()
    with pytest.raises(InputError) as caught:
        open_encoder(tmp_path / "saved").encode(["apple"], "document")
    assert str(caught.value) == (
        "model saved: it is a BertForSequenceClassification, a cross-encoder or classifier, not a bi-encoder; choose a "
        "bi-encoder, or make it a reranker of kind: cross_encoder"
    )


def test_a_bi_encoder_that_somebody_made_of_a_classifier_makes_the_vectors_of_its_network(folders, tmp_path):
    made = shutil.copytree(folders["first"], tmp_path / "made")
    config = json.loads((made / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    (made / "config.json").write_text(json.dumps(config))
    found, encoder = open_encoder(folders["first"]).encode(TEXTS, "document"), open_encoder(made)
    assert np.array_equal(encoder.encode(TEXTS, "document"), found)
    assert encoder.encoded == 5


@pytest.mark.parametrize("name", ["first", "static"])
def test_a_folder_without_its_weights_is_refused(folders, tmp_path, name):
    lame = shutil.copytree(folders[name], tmp_path / "lame")
    (weights,) = lame.rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"^model lame: cannot be loaded \("):
        open_encoder(lame).encode(["apple"], "document")
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
        open_encoder(lame).encode(["apple"], "document")


# A network for queries and one for documents


@pytest.fixture(scope="module")
def routed(folders, tmp_path_factory):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Router, Transformer

    folder = tmp_path_factory.mktemp("routed") / "routed"
    query, document = ([Transformer(str(folders["first"])), Pooling(32)] for _ in range(2))
    router = Router.for_query_document(query_modules=query, document_modules=document)
    SentenceTransformer(modules=[router], device="cpu").save(str(folder))
    return folder


def test_a_model_that_routes_texts_to_several_networks_is_refused(routed):
    with pytest.raises(InputError, match="it routes texts to several networks"):
        open_encoder(routed).encode(["apple"], "document")
