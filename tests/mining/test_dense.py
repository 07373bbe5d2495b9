"""Dense mining with a real, tiny bi-encoder: exact by cosine, whatever the memory, threads and batches."""

import random

import numpy as np
import pytest
from pydantic import ValidationError

from syneg_data.collection import Collection, Document
from syneg_data.encoders.bi_encoder import BiEncoder, Prompts
from syneg_data.errors import InputError
from syneg_data.mining.dense import Dense
from syneg_data.references import PathModel
from syneg_data.spec import fingerprint
from tests.encoders.models import VOCABULARY, save_bi_encoder, save_cross_encoder

TEXTS = {"d": "apple banana", "c": "cherry grape", "b": "cherry grape", "a": "lemon melon orange", "e": "plum quince"}
QUERIES = {"q1": "does apple help", "q2": "cherry grape", "q3": "quince"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    return {
        "first": save_bi_encoder(home / "first", 1),
        "broken": save_bi_encoder(home / "broken", 1, broken=True),
        "cross": save_cross_encoder(home / "cross", 1),
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))


def resolve(folder):
    return PathModel(kind="path", path=str(folder)).resolve()


def miner(folder, **options):
    return Dense(kind="dense", model={"kind": "path", "path": str(folder)}, **options)


def open_index(folder, texts=TEXTS, queries=QUERIES, **options):
    documents = {doc_id: Document(doc_id, text) for doc_id, text in texts.items()}
    return miner(folder, **options).open(Collection(documents, queries, {}, "digest"), resolve(folder))


def test_ranks_are_cosines_of_the_models_own_vectors(folders):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folders["first"]), device="cpu")
    query, documents = model.encode_query("does apple help"), model.encode_document(list(TEXTS.values()))
    cosines = documents @ query / np.linalg.norm(documents, axis=1) / np.linalg.norm(query)
    (found,) = open_index(folders["first"]).search(["q1"], 5)
    assert dict(found) == pytest.approx(dict(zip(TEXTS, cosines.tolist(), strict=True)), abs=2e-5)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_identical_documents_go_by_doc_id_and_k_cuts(folders):
    index = open_index(folders["first"])
    (ranked,) = index.search(["q2"], 5)
    order = [doc_id for doc_id, _ in ranked]
    assert order.index("c") == order.index("b") + 1
    assert index.search(["q2"], 2) == [ranked[:2]]
    assert index.search(["q2"], 99) == [ranked]


def test_queries_come_back_in_the_order_asked_each_as_if_alone(folders):
    index = open_index(folders["first"])
    alone = {query_id: index.search([query_id], 5)[0] for query_id in QUERIES}
    assert len({tuple(ranked) for ranked in alone.values()}) == 3
    assert index.search(["q3", "q1", "q3", "q2"], 5) == [alone["q3"], alone["q1"], alone["q3"], alone["q2"]]
    assert index.search([], 5) == []


def test_titles_are_read(folders):
    documents = {"a": Document("a", "banana", "apple"), "b": Document("b", "apple banana"), "c": Document("c", "plum")}
    index = miner(folders["first"]).open(Collection(documents, QUERIES, {}, "digest"), resolve(folders["first"]))
    (found,) = index.search(["q1"], 3)
    scores = dict(found)
    assert scores["a"] == scores["b"] != scores["c"]


# Exact in any memory


def many(n):
    """Documents of random words of which about one in three has a twin, and queries like them."""
    draw = random.Random(13)
    words = VOCABULARY[5:]
    texts = [" ".join(draw.choices(words, k=draw.randint(1, 6))) for _ in range(2 * n // 3)]
    texts += draw.choices(texts, k=n - len(texts))
    queries = {f"q{i}": " ".join(draw.choices(words, k=3)) for i in range(20)}
    return {f"d{i}": text for i, text in enumerate(texts)}, queries


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("options", [{}, {"max_memory": "1MB"}, {"max_memory": "4GB"}, {"batch_size": 3}])
def test_lists_equal_brute_force_whatever_the_memory_the_threads_and_the_batches(folders, threads, options):
    import torch

    texts, queries = many(400)
    encoder = BiEncoder(resolve(folders["first"]), 256, 32)
    documents = encoder.encode(list(texts.values()), "document").astype(np.float64)
    asked = encoder.encode(list(queries.values()), "query").astype(np.float64)
    expected = []
    for row in asked:
        scores = {doc_id: round(float(vector @ row), 5) for doc_id, vector in zip(texts, documents, strict=True)}
        expected.append(sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))[:50])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert open_index(folders["first"], texts, queries, **options).search(list(queries), 50) == expected
    finally:
        torch.set_num_threads(before)


def test_memory_and_batches_are_no_part_of_the_address_and_all_else_is(folders):
    plain = fingerprint(miner(folders["first"]))
    assert fingerprint(miner(folders["first"], max_memory="64MB", batch_size=1)) == plain
    changes = [
        {"dtype": "bfloat16"}, {"prompts": Prompts(query="")}, {"prompts": Prompts(document="")}, {"skip": 1},
        {"depth": 51}, {"max_length": 64}, {"name": "other"},
    ]  # fmt: skip
    assert len({plain, *(fingerprint(miner(folders["first"], **change)) for change in changes)}) == 8


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (4_000_000_000, 4_000_000_000), ("4GB", 4_000_000_000), ("4 GB", 4_000_000_000), ("1.5gb", 1_500_000_000),
        ("64MB", 64_000_000), ("2000KB", 2_000_000), ("1TB", 1_000_000_000_000),
    ],
)  # fmt: skip
def test_memory_is_a_number_with_a_unit(folders, written, expected):
    assert miner(folders["first"], max_memory=written).max_memory == expected


@pytest.mark.parametrize("written", ["4", "GB", "4GiB", "four GB", "4GB!", "", "nanGB", "infGB", "1e999GB"])
def test_what_is_no_amount_of_memory_is_refused_with_an_example(folders, written):
    message = f"'{written}' is no amount of memory; write a number and KB, MB, GB or TB, as in 4GB"
    with pytest.raises(ValidationError) as caught:
        miner(folders["first"], max_memory=written)
    assert [error["msg"] for error in caught.value.errors()] == [f"Value error, {message}"]


@pytest.mark.parametrize("written", ["1KB", 999_999, "-1GB", 0])
def test_less_than_a_megabyte_is_refused(folders, written):
    with pytest.raises(ValidationError, match="greater than or equal to 1000000"):
        miner(folders["first"], max_memory=written)


# Prompts


def test_prompts_change_what_is_found(folders):
    own = open_index(folders["first"]).search(["q1"], 5)
    changed = open_index(folders["first"], prompts=Prompts(query="plum quince ", document="orange ")).search(["q1"], 5)
    assert own != changed
    empty = open_index(folders["first"], prompts=Prompts(query="")).search(["q1"], 5)
    assert empty not in (own, changed)  # an empty prompt is one; left out, it is the model's own


def test_only_prompts_that_are_set_are_given():
    assert Prompts().given() == {}
    assert Prompts(query="").given() == {"query": ""}
    assert Prompts(query="a", document="b").given() == {"query": "a", "document": "b"}


# Edges


def test_a_corpus_without_documents_is_searched_in_vain(folders):
    assert open_index(folders["first"], texts={}).search(["q1", "q2"], 5) == [[], []]


def test_a_document_without_text_is_a_document(folders):
    (found,) = open_index(folders["first"], texts={"blank": "", "a": "apple"}).search(["q1"], 5)
    assert sorted(doc_id for doc_id, _ in found) == ["a", "blank"]


def test_a_model_whose_vectors_are_not_finite_is_refused_when_it_is_opened(folders):
    with pytest.raises(InputError, match=r"model broken: its vector of '[a-z ]+' is not finite"):
        open_index(folders["broken"])


def test_a_cross_encoder_is_refused_when_it_is_opened(folders):
    with pytest.raises(InputError, match=r"^model cross: it is a Bert\w+, .* not a bi-encoder; choose a bi-encoder"):
        open_index(folders["cross"])
