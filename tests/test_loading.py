"""Loading: what a model cannot do is the user's to hear about, by the model's name."""

import json
import logging
from types import SimpleNamespace

import jinja2
import pytest

from syneg_data.errors import InputError, StorageError
from syneg_data.loading import halving, limit_length, refuse_cross_encoder, render_chat

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
    }[kind]


@pytest.mark.parametrize("kind", ["torch", "Python", "allocator"])
def test_a_batch_that_memory_cannot_hold_is_halved_until_it_can(kind, caplog):
    caplog.set_level(logging.WARNING)
    work = Work(3, out_of_memory(kind))
    assert halving("m", 20, work) == ("done by 2", 2)
    assert work.tried == [20, 10, 5, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "model m: out of memory, on with batches of 10",
        "model m: out of memory, on with batches of 5",
        "model m: out of memory, on with batches of 2",
    ]


def test_a_batch_that_fits_is_left_alone(caplog):
    work = Work(20, MemoryError())
    assert halving("m", 20, work) == ("done by 20", 20)
    assert (work.tried, caplog.records) == ([20], [])


@pytest.mark.parametrize("kind", ["torch", "Python", "allocator"])
def test_not_even_one_text_is_the_end(kind):
    work = Work(0, out_of_memory(kind))
    with pytest.raises(InputError) as caught:
        halving("m", 5, work)
    assert str(caught.value) == (
        "model m: memory is too small for a single text; lower max_length, or choose a smaller model"
    )
    assert work.tried == [5, 2, 1]


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (RuntimeError("sizes do not match\nand more"), "sizes do not match"),
        (IndexError("index out of range in self"), "index out of range in self"),
        (ValueError("\n  no padding token"), "no padding token"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_model_that_fails_on_the_texts_is_not_tried_again(error, what):
    work = Work(0, error)
    with pytest.raises(InputError) as caught:
        halving("m", 16, work)
    assert str(caught.value) == f"model m: fails on the texts ({what}); choose another model"
    assert caught.value.__cause__ is error
    assert work.tried == [16]


@pytest.mark.parametrize("error", [ZeroDivisionError(), StorageError("the disk is full"), KeyboardInterrupt()])
def test_what_is_not_the_models_fault_passes_through(error):
    work = Work(0, error)
    with pytest.raises(type(error)) as caught:
        halving("m", 16, work)
    assert caught.value is error
    assert work.tried == [16]


# A cross-encoder in place of a bi-encoder


@pytest.mark.parametrize(
    ("config", "modules", "refused"),
    [
        ({"architectures": ["BertForSequenceClassification"]}, False, True),
        ({"architectures": ["BertModel"]}, False, False),
        ({"architectures": None}, False, False),
        ({}, False, False),
        ({"architectures": ["BertForSequenceClassification"]}, True, False),  # somebody made a bi-encoder of it
        (None, False, False),
    ],
)
def test_a_classifier_is_told_by_its_configuration(tmp_path, config, modules, refused):
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    if modules:
        (tmp_path / "modules.json").write_text("[]")
    if not refused:
        refuse_cross_encoder(tmp_path)
        return
    with pytest.raises(ValueError, match="it is a BertForSequenceClassification, a cross-encoder or classifier"):
        refuse_cross_encoder(tmp_path)
