"""The beginning of a text has the tokens that a model reads, whatever the tokenizer and the text."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syneg_data.encoders.beginnings import beginning, of_tokenizer, pair_tokens, tokens_of
from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.encoders.cross_encoder import CrossEncoder
from syneg_data.references import PathModel
from tests.encoders.models import VOCABULARY, save_bi_encoder, save_cross_encoder

# What parts tokens for some tokenizers and not for others, and what some of them join across it.
PIECES = [
    "apple", "banana", "Cherry", "don't", "x" * 150, "ab" * 60, "日本語", "漢字かな", "🍏", "👩\u200d🔬", "e\u0301",
    "\u0301", "ﬁ", "12,345.67", "...", ".", "-", "a\x0cb", "a\x1cb", "a\u00a0b", "a\u3000b", "\u200b", "ß", "Σ",
]  # fmt: skip
GAPS = ["", " ", "  ", "\n", "\n\n", ".\n", "\t", "\r\n", "\x0c", "\u00a0", "\u2028", "\x1c", " " * 90]
PART = st.tuples(st.sampled_from(PIECES), st.sampled_from(GAPS), st.integers(1, 40))
LONG = st.lists(PART, max_size=5).map(lambda parts: "".join((piece + gap) * times for piece, gap, times in parts))
WORDS = st.tuples(st.randoms(use_true_random=False), st.integers(0, 200)).map(
    lambda asked: "".join(asked[0].choice(PIECES) + asked[0].choice(GAPS[:-1]) for _ in range(asked[1]))
)
TEXTS = LONG | WORDS


def word_piece():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = [chr(code) for code in range(33, 127)]
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *letters,
        *(f"##{letter}" for letter in letters),
        "apple",
        "##nana",
        "日",
    ]
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def trained(model, trainer, pre_tokenizer, normalizer=None, pattern="<s> $A </s> </s> $B </s>"):
    from tokenizers import Tokenizer, processors

    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        made.normalizer = normalizer
    draw = random.Random(3)
    texts = ["".join(draw.choice(PIECES) + draw.choice(GAPS) for _ in range(40)) for _ in range(60)]
    made.train_from_iterator(texts, trainer)
    special = [(name, made.token_to_id(name)) for name in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair=pattern, special_tokens=special)
    return made


def byte_level(pattern=None):
    """As RoBERTa's, or with the pattern of newer models, in which a full stop takes the line feeds behind it along."""
    from tokenizers import Regex, models, pre_tokenizers, trainers

    options = {"vocab_size": 400, "special_tokens": ["<s>", "</s>", "<pad>"], "show_progress": False}
    trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)
    parts = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    if pattern is not None:
        parts = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), parts])
    return trained(models.BPE(), trainer, parts)


def sentence_piece():
    """As XLM-R's: the likeliest pieces of every word."""
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=["<s>", "</s>", "<pad>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    normal = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("\n", " ")])
    return trained(models.Unigram(), trainer, pre_tokenizers.Metaspace(), normal)


NEWER = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MAKERS = {
    "word piece": word_piece,
    "byte level": byte_level,
    "byte level with line feeds": lambda: byte_level(NEWER),
    "sentence piece": sentence_piece,
}


@pytest.fixture(scope="module")
def tokenizers():
    from transformers import PreTrainedTokenizerFast

    return {name: PreTrainedTokenizerFast(tokenizer_object=make()) for name, make in MAKERS.items()}


def counting(tokenizer):
    """A tokenizer that notes how many characters it was given at once."""

    def tokenise(text):
        tokenise.longest = max(tokenise.longest, len(text))
        tokenise.calls += 1
        return tokens_of(tokenizer, text)

    tokenise.longest = tokenise.calls = 0
    return tokenise


def whole_pair(tokenizer, first, second, most):
    """Tokens of a pair of whole texts, cut by hand; by the tokenizer itself where it does not make millions of pieces.

    With room for `room` tokens of the texts, a text of at most half of them stays whole; if both have more, the shorter
    is left half of the room and the longer the rest.
    """
    left, right = tokens_of(tokenizer, first), tokens_of(tokenizer, second)
    (added,) = tokenizer([""], [""])["input_ids"]
    room, between = most - len(added), len(added) - 2
    half = room // 2
    if len(left) + len(right) <= room:
        kept = len(left), len(right)
    elif min(len(left), len(right)) <= half:
        kept = (len(left), room - len(left)) if len(left) <= len(right) else (room - len(right), len(right))
    else:
        kept = (half, room - half) if len(left) <= len(right) else (room - half, half)
    ids = [added[0], *left[: kept[0]], *added[1 : 1 + between], *right[: kept[1]], added[-1]]
    if len(left) * len(right) < 300 * room**2:
        assert tokenizer([first], [second], truncation="longest_first", max_length=most)["input_ids"] == [ids]
    return ids


SLOW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("name", MAKERS)
@SLOW
@given(TEXTS, st.sampled_from([4, 8, 13]))
def test_a_beginning_has_the_tokens_of_the_whole(tokenizers, name, text, most):
    tokenizer = tokenizers[name]
    short = of_tokenizer(tokenizer, most)(text)
    assert text.startswith(short)
    whole = tokens_of(tokenizer, text)
    assert tokens_of(tokenizer, short)[:most] == whole[:most]
    if short != text:
        assert len(tokens_of(tokenizer, short)) >= most


@pytest.mark.parametrize("name", MAKERS)
@SLOW
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), st.sampled_from([8, 9, 12, 13]))
def test_pairs_get_the_tokens_of_the_whole_texts(tokenizers, name, pairs, most):
    tokenizer = tokenizers[name]
    expected = [whole_pair(tokenizer, *pair, most) for pair in pairs]
    found = pair_tokens(tokenizer, pairs, most)
    assert found["input_ids"] == expected
    assert [list(map(len, rows)) for rows in found.values()] == [list(map(len, expected))] * len(found)


def test_what_is_said_of_short_pairs_is_what_the_tokenizer_says(tokenizers):
    pairs = [("apple", "banana Cherry " * 40), ("日本 " * 30, "apple"), ("", ""), ("a b c d", "e f g h i j")]
    queries, texts = zip(*pairs, strict=True)
    for tokenizer in tokenizers.values():
        for most in (8, 13, 40):
            whole = tokenizer(list(queries), list(texts), truncation="longest_first", max_length=most)
            assert pair_tokens(tokenizer, pairs, most) == dict(whole)


def test_of_two_long_texts_the_longer_keeps_a_token_more(tokenizers):
    """The one whose prefix has more tokens is not always the longer."""
    tokenizer = tokenizers["word piece"]
    dense, sparse = "a " * 2000, "x" * 12 + " " + "apple " * 1500
    for pair in ((dense, sparse), (sparse, dense), (dense, "a " * 1900), ("a " * 1900, dense), (dense, "a " * 90)):
        for most in (8, 9, 12, 13):
            assert pair_tokens(tokenizer, [pair], most)["input_ids"] == [whole_pair(tokenizer, *pair, most)]
    begin = of_tokenizer(tokenizer, 13)
    fewer, more = begin(sparse), begin(dense)
    assert len(tokens_of(tokenizer, fewer)) < len(tokens_of(tokenizer, more))
    longer = sparse + " apple" * 1000
    assert len(tokens_of(tokenizer, longer)) > 2000
    for pair in ((dense, longer), (longer, dense)):
        assert pair_tokens(tokenizer, [pair], 13)["input_ids"] == [whole_pair(tokenizer, *pair, 13)]
        assert pair_tokens(tokenizer, [pair], 12)["input_ids"] == [whole_pair(tokenizer, *pair, 12)]


def test_a_beginning_with_more_tokens_than_its_text_is_not_the_longer_for_it(tokenizers):
    """It ends inside a word that is unknown as a whole, and has a token for each letter up to there."""
    tokenizer = tokenizers["word piece"]
    sparse, middle, dense = ".    " * 8 + "x" * 600, "apple" * 4, "a " * 60
    short = of_tokenizer(tokenizer, 8)(sparse)
    counts = [len(tokens_of(tokenizer, text)) for text in (sparse, middle, dense, short)]
    assert counts == [9, 16, 60, 96]
    for other in (middle, dense, "a " * 2000, ".    " * 9 + "x" * 600, sparse):
        for pair in ((sparse, other), (other, sparse)):
            for most in (8, 9, 12, 13):
                assert pair_tokens(tokenizer, [pair], most)["input_ids"] == [whole_pair(tokenizer, *pair, most)]


def test_a_huge_text_is_not_read_to_its_end(tokenizers):
    tokenise = counting(tokenizers["word piece"])
    text = "apple banana " * 100_000
    assert len(beginning(text, 8, tokenise)) <= 128
    assert tokenise.longest <= 256


def test_texts_that_are_not_long_are_not_even_looked_at(tokenizers):
    tokenise = counting(tokenizers["word piece"])
    text = "apple banana " * 19
    assert beginning(text, 8, tokenise) is text
    assert tokenise.calls == 0


def test_a_word_without_end_is_one_token_and_kept_whole(tokenizers):
    tokenizer = tokenizers["word piece"]
    text = "x" * 5000
    assert tokens_of(tokenizer, text) == [1]
    assert of_tokenizer(tokenizer, 8)(text) is text
    assert len(of_tokenizer(tokenizer, 8)(text + " apple" * 20_000)) < 20_000


def test_writing_without_white_space_is_cut_too(tokenizers):
    for name in MAKERS:
        tokenise = counting(tokenizers[name])
        text = "日本語漢字かな" * 5000
        assert len(beginning(text, 8, tokenise)) <= 256
        assert tokenise.longest == len(text)


def test_a_form_feed_is_no_end_of_a_word(tokenizers):
    """BERT's tokenizer drops it, so what stands before it is but part of a word."""
    text = "ab\x0c" * 5000
    assert of_tokenizer(tokenizers["word piece"], 8)(text) is text


def test_a_tokenizer_that_keeps_the_end_of_texts_gets_them_whole(tokenizers):
    import copy

    tokenizer = copy.deepcopy(tokenizers["word piece"])
    tokenizer.truncation_side = "left"
    pairs = [("apple", "banana " * 900 + "cherry")]
    whole = tokenizer(["apple"], [pairs[0][1]], truncation="longest_first", max_length=8)
    assert pair_tokens(tokenizer, pairs, 8) == dict(whole)


def test_pairs_are_tokenised_a_million_characters_at_a_time(tokenizers):
    class Noting:
        def __init__(self, inner):
            self.inner, self.truncation_side, self.sizes = inner, "right", []

        def __call__(self, texts, others=None, **options):
            if others is not None:
                self.sizes.append(sum(map(len, [*texts, *others])))
            return self.inner(texts, others, **options)

    noting = Noting(tokenizers["byte level"])
    pairs = [(f"a{i}", f"apple{i} " * 10_000) for i in range(40)]
    found = pair_tokens(noting, pairs, 4096)
    assert max(noting.sizes) <= 1 << 20
    assert len(noting.sizes) > 1
    assert found == dict(
        tokenizers["byte level"](*map(list, zip(*pairs, strict=True)), truncation=True, max_length=4096)
    )


# The encoders


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    return {"bi": save_bi_encoder(home / "bi", 1), "cross": save_cross_encoder(home / "cross", 1)}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))


def long_texts(n=12):
    draw = random.Random(7)
    texts = [" ".join(draw.choices(VOCABULARY[5:], k=draw.choice([5, 900, 4000]))) for _ in range(n)]
    return [*texts, "apple" * 2000, "plum " + "x" * 9000 + " quince" * 900, "", " " * 9000 + "melon"]


def resolve(folder):
    return PathModel(kind="path", path=str(folder)).resolve()


def test_scores_are_those_of_the_whole_texts_and_kept_under_them(folders):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folders["cross"]).eval()
    tokenizer = AutoTokenizer.from_pretrained(folders["cross"])
    pairs = [(query, text) for query in ("does apple help", "lemon " * 3000) for text in long_texts()]
    expected = []
    for pair in pairs:
        with torch.no_grad():
            inputs = tokenizer(*([text] for text in pair), return_tensors="pt", truncation=True, max_length=64)
            expected.append(torch.sigmoid(model(**inputs).logits).item())
    first = CrossEncoder(resolve(folders["cross"]), 64, 256)
    scores = first.score(pairs)
    assert scores == pytest.approx(expected, abs=1e-5)
    again = CrossEncoder(resolve(folders["cross"]), 64, 256)
    assert again.score(pairs) == scores
    assert again.scored == 0
    again.score([(query, text + " apple") for query, text in pairs])
    assert again.scored == len(pairs), "a text that differs where nobody reads is another text"


@pytest.mark.parametrize("role", ["query", "document"])
def test_vectors_are_those_of_the_whole_texts_and_kept_under_them(folders, role):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folders["bi"]), device="cpu")
    model.prompts = {"query": "help " * 3, "document": "of"}  # the latter is one word with the text's first
    texts = list(dict.fromkeys(long_texts()))
    encode = model.encode_query if role == "query" else model.encode_document
    expected = encode(texts, normalize_embeddings=True)
    prompts = {"query": "help " * 3, "document": "of"}
    first = BiEncoder(resolve(folders["bi"]), 64, 4, prompts)
    vectors = first.encode(texts, role)
    assert vectors == pytest.approx(expected, abs=1e-5)
    again = BiEncoder(resolve(folders["bi"]), 64, 4, prompts)
    assert np.array_equal(again.encode(texts, role), vectors)
    assert again.encoded == 0
    again.encode([text + " apple" for text in texts], role)
    assert again.encoded == len(texts)


def test_the_network_is_given_no_more_of_a_text_than_it_reads(folders):
    """A whole text of two million characters takes seconds and a gigabyte, and would in every batch."""
    encoder = BiEncoder(resolve(folders["bi"]), 64, 4)
    encoder.encode(["apple"], "document")
    read = []
    preprocess = encoder._model[0].preprocess
    encoder._model[0].preprocess = lambda inputs, **options: read.extend(inputs) or preprocess(inputs, **options)
    encoder.encode(["apple banana " * 160_000, "plum " * 400_000], "document")
    assert max(map(len, read)) <= 2 * 16 * 64


def test_a_table_of_vectors_reads_all_of_a_text(folders, tmp_path):
    from tests.encoders.test_bi_encoder import save_static

    folder = save_static(tmp_path / "static", folders["bi"], len(VOCABULARY))
    encoder = BiEncoder(resolve(folder), 8, 4)
    vectors = encoder.encode(["apple " * 5000 + "plum " * 5000, "apple " * 5000], "document")
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)
