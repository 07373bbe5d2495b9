"""Loading: a chat template that refuses a chat is the user's to hear about, by the model's name."""

from types import SimpleNamespace

import jinja2
import pytest

from syneg_data.errors import InputError
from syneg_data.loading import limit_length, render_chat

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
