"""Cross-encoder scores: computed once ever, by exactly this model, in batches that memory can hold."""

import logging
import math
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.encoders.cross_encoder import CrossEncoder, _batches
from syneg_data.errors import InputError
from syneg_data.references import PathModel, Resolved
from tests.encoders.models import VOCABULARY, save_bi_encoder, save_cross_encoder

PAIRS = [("does apple help", "apple banana"), ("does apple help", "plum quince"), ("lemon", "grape melon")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    return {
        "first": save_cross_encoder(home / "first", 1),
        "second": save_cross_encoder(home / "second", 2),
        "two": save_cross_encoder(home / "two", 1, outputs=2),
        "broken": save_cross_encoder(home / "broken", 1, broken=True),
        "few words": save_cross_encoder(home / "few words", 1, vocab_size=10),
        "spare": save_cross_encoder(home / "spare", 1, vocab_size=24),
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))


def resolve(folder):
    return PathModel(kind="path", path=str(folder)).resolve()


def encoder(folder, max_length=64, batch_tokens=64, **options):
    return CrossEncoder(resolve(folder), max_length, batch_tokens, **options)


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


# Scores


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


def test_every_pair_gets_its_own_score_whatever_the_batches(folders):
    words = VOCABULARY[5:]
    pairs = [(" ".join(words[: i % 5]), " ".join(words[i % 7 : i % 7 + i % 6])) for i in range(60)]
    one_by_one = encoder(folders["second"], max_length=32)
    alone = {pair: one_by_one.score([pair])[0] for pair in dict.fromkeys(pairs)}
    expected = [alone[pair] for pair in pairs]
    for batch_tokens in (1, 50, 10_000):  # max_length is part of the key: no score is found in the store
        fresh = encoder(folders["second"], max_length=61 + len(str(batch_tokens)), batch_tokens=batch_tokens)
        assert fresh.score(pairs) == pytest.approx(expected, abs=1e-6)
        assert fresh.scored == len(alone)


def test_a_pair_is_scored_once_ever(folders):
    first = encoder(folders["first"])
    scores = first.score([*PAIRS, PAIRS[0]])
    assert scores[0] == scores[3]
    assert first.scored == 3
    second = encoder(folders["first"], batch_tokens=1)
    assert second.score([PAIRS[2], PAIRS[0]]) == [scores[2], scores[0]]
    assert second.scored == 0
    second.score([PAIRS[0], ("lemon", "apple")])
    assert second.scored == 1


def test_a_score_of_another_number_format_is_another_score(folders):
    exact, half = encoder(folders["first"]), encoder(folders["first"], dtype="bfloat16")
    scores = exact.score(PAIRS)
    assert half.score(PAIRS) == pytest.approx(scores, abs=0.02)
    assert half.score(PAIRS) != scores
    assert half.scored == 3


def test_query_and_text_do_not_run_together(folders):
    model = encoder(folders["first"])
    model.score(
        [("apple", "banana"), ("apple ", "banana"), ("apple", " banana"), ("applebanana", ""), ("banana", "apple")]
    )
    assert model.scored == 5


def test_empty_texts_have_a_score(folders):
    assert all(0 < score < 1 for score in encoder(folders["first"]).score([("", ""), ("apple", ""), ("", "apple")]))


def test_no_pairs_load_no_model(tmp_path, folders):
    gone = resolve(shutil.copytree(folders["first"], tmp_path / "gone"))
    shutil.rmtree(gone.path)
    assert CrossEncoder(gone, 64, 64).score([]) == []


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


# Batches


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 200))
def test_batches_hold_every_position_once_longest_first_and_keep_the_budget(lengths, budget):
    batches = list(_batches(lengths, budget))
    positions = [position for batch in batches for position in batch]
    assert sorted(positions) == list(range(len(lengths)))
    assert [lengths[position] for position in positions] == sorted(lengths, reverse=True)
    for batch in batches:
        padded = len(batch) * max(lengths[position] for position in batch)
        assert padded <= budget or len(batch) == 1
    for batch in batches[:-1]:  # and none could have held one more
        assert (len(batch) + 1) * lengths[batch[0]] > budget


def test_batches_by_hand():
    assert list(_batches([3, 10, 3, 4, 3], 12)) == [[1], [3, 0, 2], [4]]
    assert list(_batches([], 12)) == []
    assert list(_batches([99], 12)) == [[0]]


# A network of one's own


class Network:
    """A PairNetwork whose logit is the number in the document; a token for every letter."""

    def __init__(self, memory=math.inf):
        self.memory = memory
        self.batches = []

    def tokenise(self, pairs):
        return {"input_ids": [[float(text)] * len(query) for query, text in pairs]}

    def logits(self, batch):
        rows = batch["input_ids"]
        if len(rows) * max(map(len, rows)) > self.memory:
            raise MemoryError
        self.batches.append(len(rows))
        return np.array([[row[0]] for row in rows], np.float32)


def over(network, batch_tokens=64, name="fake"):
    """A cross-encoder at work with a network that is there already."""
    found = CrossEncoder(Resolved(Path("nowhere"), name * 4, name), 64, batch_tokens)
    found._network = network
    return found


def test_logits_of_any_size_become_relevances_without_a_warning():
    pairs = [("q", "0"), ("qq", "-800"), ("qqq", "800"), ("qqqq", "2"), ("qqqqq", "-2")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = over(Network()).score(pairs)
    assert scores == pytest.approx([0.5, 0.0, 1.0, 0.880797, 0.119203], abs=1e-6)


def test_pairs_are_scored_longest_first_and_come_back_as_they_were_asked():
    network = Network()
    pairs = [("q" * length, str(length / 10)) for length in (3, 9, 1, 4, 9)]
    assert over(network, batch_tokens=20).score(pairs) == pytest.approx(
        [1 / (1 + math.exp(-length / 10)) for length in (3, 9, 1, 4, 9)], abs=1e-6
    )
    assert network.batches == [2, 2]  # the nines are one pair; of 9, 4 and 3 letters 27 would be in a batch


def test_the_longest_pairs_come_first_over_all_that_is_missing():
    """What memory cannot hold is so found out at once, not after hours."""

    class Listening(Network):
        def __init__(self):
            super().__init__()
            self.windows = []

        def tokenise(self, pairs):
            self.windows.append([len(query) + len(text) for query, text in pairs])
            return super().tokenise(pairs)

    network = Listening()
    over(network, batch_tokens=4096).score([("q" * (i % 17 + 1), str(i)) for i in range(3000)])
    first, second = network.windows
    assert (len(first), len(second)) == (2048, 952)
    assert [*first, *second] == sorted([*first, *second], reverse=True)


def test_a_batch_that_memory_cannot_hold_is_halved_for_good(caplog):
    caplog.set_level(logging.WARNING)
    network = Network(memory=40)
    model = over(network, batch_tokens=128)
    expected = [1 / (1 + math.exp(-i)) for i in range(20)]
    assert model.score([("q" * 8, str(i)) for i in range(20)]) == pytest.approx(expected, abs=1e-6)
    assert network.batches == [4] * 5
    assert [record.getMessage() for record in caplog.records] == [
        "model fake: out of memory, on with batches of 64 tokens",
        "model fake: out of memory, on with batches of 32 tokens",
    ]
    model.score([("q" * 8, str(i)) for i in range(20, 30)])
    assert network.batches[5:] == [4, 4, 2]
    assert len(caplog.records) == 2


def test_a_batch_is_never_made_smaller_than_the_longest_pair(caplog):
    caplog.set_level(logging.WARNING)
    network = Network(memory=20)
    model = over(network, batch_tokens=64)
    pairs = [("q" * 20, "0"), ("q" * 20, "1"), *(("q" * 4, str(i)) for i in range(2, 9))]
    assert model.score(pairs) == pytest.approx([1 / (1 + math.exp(-i)) for i in range(9)], abs=1e-6)
    assert network.batches == [1, 1, 1, 1, 5, 2]  # of 32 tokens the long ones fit, and seven short ones do not
    assert [record.getMessage() for record in caplog.records] == [
        "model fake: out of memory, on with batches of 32 tokens",
        "model fake: out of memory, on with batches of 20 tokens",
    ]


@pytest.mark.parametrize(("batch_tokens", "halved"), [(64, [32, 16, 8]), (20, [10, 8]), (8, []), (3, [])])
def test_a_pair_that_memory_cannot_hold_alone_is_the_end(caplog, batch_tokens, halved):
    caplog.set_level(logging.WARNING)
    hearer = Hearer()
    with pytest.raises(InputError) as caught:
        over(Network(memory=5), batch_tokens).score([("q" * 8, "1"), ("q", "2")], hearer)
    assert str(caught.value) == (
        "model fake: memory is too small for a single text; lower max_length, or choose a smaller model"
    )
    assert [record.getMessage() for record in caplog.records] == [
        f"model fake: out of memory, on with batches of {size} tokens" for size in halved
    ]
    assert hearer.heard == [("score", 2, "pairs"), "end"]


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda logits: logits[:-1], "(2, 1)"),
        (lambda logits: np.repeat(logits, 2, axis=0), "(6, 1)"),
        (lambda logits: np.repeat(logits, 2, axis=1), "(3, 2)"),
        (lambda logits: logits[:, 0], "(3,)"),
    ],
)
def test_an_output_for_more_or_fewer_than_the_pairs_is_refused(change, shape):
    class Wrong(Network):
        def logits(self, batch):
            return change(super().logits(batch))

    pairs = [("q", "1"), ("q", "2"), ("q", "3")]
    with pytest.raises(InputError) as caught:
        over(Wrong()).score(pairs)
    assert str(caught.value) == f"model fake: gave an output of shape {shape} for 3 pairs"
    assert over(Network()).score(pairs) == pytest.approx([0.731059, 0.880797, 0.952574], abs=1e-6)  # none was stored


@pytest.mark.parametrize(("change", "rows"), [(lambda pairs: pairs[:-1], 2), (lambda pairs: [*pairs, ("q", "4")], 4)])
def test_tokens_for_more_or_fewer_than_the_pairs_are_refused(change, rows):
    class Wrong(Network):
        def tokenise(self, pairs):
            return super().tokenise(change(pairs))

    pairs, network, hearer = [("q", "1"), ("q", "2"), ("q", "3")], Wrong(), Hearer()
    with pytest.raises(InputError) as caught:
        over(network).score(pairs, hearer)
    assert str(caught.value) == f"model fake: its tokenizer made {rows} rows of 3 pairs"
    assert network.batches == []
    assert hearer.heard == [("score", 3, "pairs"), "end"]
    again = over(Network())
    again.score(pairs)
    assert again.scored == 3  # none was stored


def test_a_tokenizer_that_fails_on_the_texts_is_named():
    class Failing(Network):
        def tokenise(self, pairs):
            raise TypeError("\n a text must be a str\nand more")

    hearer = Hearer()
    with pytest.raises(InputError) as caught:
        over(Failing()).score([("q", "1")], hearer)
    assert str(caught.value) == "model fake: fails on the texts (a text must be a str); choose another model"
    assert hearer.heard == [("score", 1, "pairs"), "end"]


def test_scores_that_are_no_numbers_are_returned_and_never_stored():
    network = Network()
    (first, second) = over(network).score([("q", "nan"), ("q", "1")])
    assert math.isnan(first)
    assert second == pytest.approx(0.731059, abs=1e-6)
    again = over(network)
    again.score([("q", "nan"), ("q", "1")])
    assert again.scored == 1


def test_progress_is_heard_and_what_was_scored_before_a_failure_stays():
    class Failing(Network):
        windows = 0

        def tokenise(self, pairs):
            self.windows += 1
            return super().tokenise(pairs)

        def logits(self, batch):
            if self.windows == 2:
                raise ValueError("the model cannot read this\nand more")
            return super().logits(batch)

    pairs = [("q", str(i / 1000)) for i in range(3000)]
    hearer = Hearer()
    with pytest.raises(InputError) as caught:
        over(Failing(), batch_tokens=4096).score(pairs, hearer)
    expected = "model fake: fails on the texts (the model cannot read this); choose another model"
    assert str(caught.value) == expected
    assert hearer.heard == [("score", 3000, "pairs"), 2048, "end"]
    hearer, again = Hearer(), over(Network(), batch_tokens=4096)
    assert again.score(pairs, hearer)[1000] == pytest.approx(0.731059, abs=1e-6)
    assert hearer.heard == [("score", 952, "pairs"), 952, "end"]
    silent = Hearer()
    again.score(pairs, silent)
    assert (again.scored, silent.heard) == (952, [])


# What is refused


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


@pytest.mark.parametrize("pair", [("one \ud800 two", "apple"), ("apple", "one \ud800 two")])
def test_a_text_that_is_no_unicode_is_refused_by_the_models_name(folders, pair):
    model, hearer = encoder(folders["first"]), Hearer()
    with pytest.raises(InputError, match=r"^model first: fails on the texts \(.+\); choose another model$"):
        model.score([PAIRS[0], pair], hearer)
    assert hearer.heard == [("score", 2, "pairs"), "end"]
    model.score(PAIRS)
    assert model.scored == 3


def test_a_tokenizer_of_another_model_is_refused_whatever_the_texts(folders):
    for pairs in (PAIRS, [("", "")]):
        with pytest.raises(InputError) as caught:
            encoder(folders["few words"]).score(pairs)
        assert str(caught.value) == (
            "model few words: its tokenizer knows 18 tokens, the network 10; they are not of one model"
        )


def test_a_network_may_have_vectors_to_spare(folders):
    assert all(0 < score < 1 for score in encoder(folders["spare"]).score(PAIRS))


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


def test_a_bi_encoder_judges_no_pairs(tmp_path):
    with pytest.raises(InputError) as caught:
        encoder(save_bi_encoder(tmp_path / "bi", 1)).score(PAIRS)
    assert str(caught.value) == (
        "model bi: it is a BertModel that makes vectors, a bi-encoder, not a cross-encoder; choose a cross-encoder, or "
        "make it a reranker of kind: bi_encoder"
    )


def test_pickled_weights_are_refused(folders, tmp_path):
    pickled = shutil.copytree(folders["first"], tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled weights are never loaded"):
        resolve(pickled)
