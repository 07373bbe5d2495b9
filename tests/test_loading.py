"""Loading: what a model cannot do is the user's to hear about, by the model's name."""

import json
import logging
from types import SimpleNamespace

import jinja2
import pytest

from syneg_data.errors import InputError, StorageError
from syneg_data.loading import (
    WrongKindError,
    halving,
    limit_length,
    naming,
    quiet_loading,
    refuse_bi_encoder,
    refuse_cross_encoder,
    render_chat,
)

CHAT = [
    {"role": "system", "content": "You are a host."},
    {"role": "user", "content": "Greet me."},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Again."},
]


class Tokenizer:
    """Renders by a template, as tokenizers do; it notes how it was asked."""

    def __init__(self, template):
        self.template = jinja2.Environment().from_string(template)
        self.template.globals["raise_exception"] = self.refuse
        self.asked = []

    def refuse(self, message):
        raise jinja2.TemplateError(message)

    def apply_chat_template(self, chat, **options):
        self.asked.append(options)
        return self.template.render(messages=chat)


def test_a_chat_is_rendered_by_the_models_own_template():
    tokenizer = Tokenizer("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}")
    assert render_chat(tokenizer, CHAT[:2], "some/model") == "<system>You are a host.<user>Greet me."
    assert tokenizer.asked == [{"tokenize": False, "add_generation_prompt": True}]


def test_a_template_that_refuses_a_chat_is_named_with_its_roles():
    tokenizer = Tokenizer(
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}fine"
    )
    assert render_chat(tokenizer, CHAT[1:], "some/model") == "fine"
    with pytest.raises(InputError) as caught:
        render_chat(tokenizer, CHAT, "some/model")
    assert str(caught.value) == (
        "model some/model: its chat template refuses a chat of system, user, assistant, user (System role not "
        "supported); choose another model"
    )
    assert isinstance(caught.value.__cause__, jinja2.TemplateError)


def test_a_template_that_stumbles_is_refused_too():
    with pytest.raises(InputError, match="model m: its chat template refuses a chat of system, user"):
        render_chat(Tokenizer("{{ messages[0].missing.deeper }}"), CHAT[:2], "m")


def test_no_other_error_is_taken_for_a_refusal():
    class Broken:
        def apply_chat_template(self, chat, **options):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        render_chat(Broken(), CHAT, "m")


class Stack(list):
    """What limit_length sees of a sentence-transformers model: its modules and its own limit."""

    max_seq_length = 20


@pytest.mark.parametrize(("kind", "reserved"), [("bert", 0), ("roberta", 2)])
def test_a_model_reads_as_many_tokens_as_asked_and_as_it_has_positions_for(kind, reserved):
    import torch
    from transformers import AutoConfig, AutoModel

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = AutoConfig.for_model(kind, vocab_size=50, max_position_embeddings=64 + reserved, **small)
    network = AutoModel.from_config(config)
    model = Stack([SimpleNamespace(model=network)])
    limit_length(model, 48)
    assert model.max_seq_length == 48, "the recipe's limit, not the one that came with the model"
    limit_length(model, 500)
    assert model.max_seq_length == 64
    network(torch.full((1, 64), 7))
    with pytest.raises((IndexError, RuntimeError)):
        network(torch.full((1, 65), 7))


def test_where_nothing_says_how_many_positions_there_are_the_models_limit_holds():
    model = Stack([SimpleNamespace()])
    limit_length(model, 500)
    assert model.max_seq_length == 20


# A batch that memory cannot hold


class Work:
    """Fails with `error` for batches of more than `most`, and notes which sizes were tried."""

    def __init__(self, most, error):
        self.most, self.error = most, error
        self.tried = []

    def __call__(self, size):
        self.tried.append(size)
        if size > self.most:
            raise self.error
        return f"done by {size}"


def out_of_memory(kind):
    import torch

    return {
        "torch": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        "Python": MemoryError(),
        "allocator": RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: 9"),
        "arena": RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 9"),
        "driver": RuntimeError("CUDA error: out of memory"),
        "C++": RuntimeError("std::bad_alloc"),
        "Windows": RuntimeError("[ONNXRuntimeError] : 6 : bad allocation"),
    }[kind]


STARVED = ["torch", "Python", "allocator", "arena", "driver", "C++", "Windows"]
FAILURES = [
    (RuntimeError("sizes do not match\nand more"), "sizes do not match"),
    (IndexError("index out of range in self"), "index out of range in self"),
    (ValueError("\n  no padding token"), "no padding token"),
    (ValueError(), "ValueError"),
    (TypeError("TextEncodeInput must be a str"), "TextEncodeInput must be a str"),
]
FAULTS_OF_OTHERS = [
    ZeroDivisionError(),
    StorageError("the disk is full"),
    KeyboardInterrupt(),
    InputError("model m: has two outputs"),
    InputError("model m: memory is too small, out of memory"),
]


@pytest.mark.parametrize("kind", STARVED)
@pytest.mark.parametrize("unit", ["texts", "tokens"])
def test_a_batch_that_memory_cannot_hold_is_halved_until_it_can(kind, unit, caplog):
    caplog.set_level(logging.WARNING)
    work = Work(3, out_of_memory(kind))
    assert halving("m", 20, unit, work) == ("done by 2", 2)
    assert work.tried == [20, 10, 5, 2]
    assert [record.getMessage() for record in caplog.records] == [
        f"model m: out of memory, on with batches of 10 {unit}",
        f"model m: out of memory, on with batches of 5 {unit}",
        f"model m: out of memory, on with batches of 2 {unit}",
    ]


@pytest.mark.parametrize("least", [1, 20, 99])
def test_a_batch_that_fits_is_left_alone(least, caplog):
    work = Work(20, MemoryError())
    assert halving("m", 20, "texts", work, least) == ("done by 20", 20)
    assert (work.tried, caplog.records) == ([20], [])


def test_a_batch_is_made_no_smaller_than_the_least(caplog):
    caplog.set_level(logging.WARNING)
    work = Work(7, MemoryError())
    assert halving("m", 20, "tokens", work, 7) == ("done by 7", 7)
    assert work.tried == [20, 10, 7]
    assert [record.getMessage() for record in caplog.records] == [
        "model m: out of memory, on with batches of 10 tokens",
        "model m: out of memory, on with batches of 7 tokens",
    ]


@pytest.mark.parametrize("kind", STARVED)
@pytest.mark.parametrize(
    ("size", "least", "tried"), [(5, 1, [5, 2, 1]), (20, 7, [20, 10, 7]), (7, 7, [7]), (3, 7, [3]), (1, 1, [1])]
)
def test_not_even_the_least_is_the_end(kind, size, least, tried):
    error = out_of_memory(kind)
    work = Work(0, error)
    with pytest.raises(InputError) as caught:
        halving("m", size, "texts", work, least)
    assert str(caught.value) == (
        "model m: memory is too small for a single text; lower max_length, or choose a smaller model"
    )
    assert caught.value.__cause__ is error
    assert work.tried == tried


@pytest.mark.parametrize(("error", "what"), FAILURES)
def test_a_model_that_fails_on_the_texts_is_not_tried_again(error, what):
    work = Work(0, error)
    with pytest.raises(InputError) as caught:
        halving("m", 16, "texts", work)
    assert str(caught.value) == f"model m: fails on the texts ({what}); choose another model"
    assert caught.value.__cause__ is error
    assert work.tried == [16]


@pytest.mark.parametrize("error", FAULTS_OF_OTHERS)
def test_what_is_not_the_models_fault_passes_through(error):
    work = Work(0, error)
    with pytest.raises(type(error)) as caught:
        halving("m", 16, "texts", work)
    assert caught.value is error
    assert work.tried == [16]


# A failure on texts, named


@pytest.mark.parametrize(("error", "what"), FAILURES)
def test_a_failure_on_texts_names_the_model(error, what):
    with pytest.raises(InputError) as caught, naming("some/model"):
        raise error
    assert str(caught.value) == f"model some/model: fails on the texts ({what}); choose another model"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("kind", STARVED)
def test_to_be_out_of_memory_is_no_failure_on_texts(kind):
    error = out_of_memory(kind)
    with pytest.raises(MemoryError) as caught, naming("m"):
        raise error
    assert error in (caught.value, caught.value.__cause__)


@pytest.mark.parametrize("error", FAULTS_OF_OTHERS)
def test_only_failures_on_texts_are_named(error):
    with pytest.raises(type(error)) as caught, naming("m"):
        raise error
    assert caught.value is error


# A cross-encoder in place of a bi-encoder

CLASSIFIER = {"architectures": ["BertForSequenceClassification"]}
TRANSFORMER = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}


def module(kind):
    return {"idx": 1, "name": "1", "path": "1_Pooling", "type": kind}


@pytest.mark.parametrize(
    ("config", "modules", "refused"),
    [
        (CLASSIFIER, None, True),
        (CLASSIFIER, [], True),
        (CLASSIFIER, [TRANSFORMER], True),  # sentence-transformers saves cross-encoders so
        (CLASSIFIER, [TRANSFORMER, module("sentence_transformers.models.Dense")], True),
        (CLASSIFIER, [TRANSFORMER, {"idx": 1, "path": "1_Pooling"}], True),
        (CLASSIFIER, [TRANSFORMER, module("sentence_transformers.models.Pooling")], False),  # made a bi-encoder
        (CLASSIFIER, [TRANSFORMER, module("a.Pooling"), module("sentence_transformers.models.Normalize")], False),
        ({"architectures": ["BertModel", "BertForSequenceClassification"]}, None, True),
        ({"architectures": ["BertModel"]}, None, False),
        ({"architectures": ["BertModel"]}, [TRANSFORMER], False),
        ({"architectures": []}, None, False),
        ({"architectures": None}, None, False),
        ({}, None, False),
        ({}, [TRANSFORMER], False),
        (None, None, False),
        (None, [module("sentence_transformers.models.StaticEmbedding")], False),
    ],
)
def test_a_classifier_is_told_by_its_configuration_and_the_pooling_that_it_lacks(tmp_path, config, modules, refused):
    for name, content in (("config.json", config), ("modules.json", modules)):
        if content is not None:
            (tmp_path / name).write_text(json.dumps(content))
    if not refused:
        refuse_cross_encoder(tmp_path)
        return
    with pytest.raises(WrongKindError, match=r"^it is a Bert\w+, a cross-encoder or classifier, not a bi-encoder; "):
        refuse_cross_encoder(tmp_path)


HEADLESS = "not a cross-encoder; choose a cross-encoder trained for relevance"
VECTORS = (
    "that makes vectors, a bi-encoder, not a cross-encoder; choose a cross-encoder, or make it a reranker of "
    "kind: bi_encoder"
)


@pytest.mark.parametrize(
    ("config", "modules", "expected"),
    [
        ({"architectures": ["BertModel"]}, None, f"it is a BertModel, {HEADLESS}"),
        ({"architectures": ["BertForMaskedLM"]}, [TRANSFORMER], f"it is a BertForMaskedLM, {HEADLESS}"),
        ({"architectures": ["BertModel"]}, [TRANSFORMER, module("a.Pooling")], f"it is a BertModel {VECTORS}"),
        (CLASSIFIER, [TRANSFORMER, module("a.Pooling")], f"it is a BertForSequenceClassification {VECTORS}"),
        (None, [module("a.StaticEmbedding")], f"it is a model {VECTORS}"),
        (CLASSIFIER, None, ""),
        (CLASSIFIER, [TRANSFORMER], ""),
        ({"architectures": ["Qwen3ForCausalLM"]}, None, ""),
        ({"architectures": []}, None, ""),
        ({}, [TRANSFORMER], ""),
        (None, None, ""),
    ],
)
def test_a_bi_encoder_is_told_by_its_pooling_and_a_network_without_a_head_by_its_name(
    tmp_path, config, modules, expected
):
    for name, content in (("config.json", config), ("modules.json", modules)):
        if content is not None:
            (tmp_path / name).write_text(json.dumps(content))
    if not expected:
        refuse_bi_encoder(tmp_path)
        return
    with pytest.raises(InputError) as caught, quiet_loading("m"):
        refuse_bi_encoder(tmp_path)
    assert str(caught.value) == f"model m: {expected}"
