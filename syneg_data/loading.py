"""How any model is loaded: from local files only, safetensors only, no code of the model's own, quietly."""

import contextlib
import io
import json
import logging
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from syneg_data.errors import InputError

T = TypeVar("T")
logger = logging.getLogger(__name__)


class WrongKindError(ValueError):
    """A model that is sound, and of another kind than it is used as; says what to do."""


@contextlib.contextmanager
def quiet_loading(label: str) -> Iterator[None]:
    """Silence the libraries' loading bars and turn their failures into an InputError that names the model."""
    from safetensors import SafetensorError
    from transformers.utils import logging as library_logging

    transformers_logging: Any = library_logging  # its functions carry no types
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        # Some bars ignore the switch above.
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    except WrongKindError as error:
        raise InputError(f"model {label}: {error}") from error
    # struct.error is what a GGUF file cut short raises.
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError, struct.error) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        mend = "install what it names" if isinstance(error, ImportError) else "check that its folder is whole"
        raise InputError(f"model {label}: cannot be loaded ({first}); {mend}") from error
    finally:
        transformers_logging.set_verbosity(verbosity)


def switch_off_outlines_cache() -> None:
    """Before outlines is used: it pulls in diskcache, which unpickles what it reads; nothing here may ever use that."""
    from outlines import caching

    cast(Any, caching).disable_cache()


def render_chat(tokenizer: Any, chat: list[dict[str, str]], label: str) -> str:  # noqa: ANN401
    """The prompt of a chat, by the model's own template.

    Raises:
        InputError: the template refuses such a chat.
    """
    import jinja2

    try:
        return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
    except jinja2.TemplateError as error:
        roles = ", ".join(message["role"] for message in chat)
        raise InputError(
            f"model {label}: its chat template refuses a chat of {roles} ({error}); choose another model"
        ) from error


def refuse_missing(model: Any, folder: Path) -> None:  # noqa: ANN401
    """Refuse weights that are not whole: what a file lacks, transformers silently makes up at random.

    Args:
        model: the transformers model that was loaded.
        folder: where its safetensors are.

    Raises:
        ValueError: a parameter is in no file; poolers, which nothing here reads, excepted.
    """
    from safetensors import safe_open

    held: set[str] = set()
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, "pt") as weights:
            held |= set(weights.keys())
    prefix = f"{model.base_model_prefix}."
    for name, _ in model.named_parameters():
        if "pooler." not in name and not {name, prefix + name, name.removeprefix(prefix)} & held:
            raise ValueError(f"the weights lack {name}")


def limit_length(model: Any, wanted: int) -> None:  # noqa: ANN401
    """Have a sentence-transformers model read `wanted` tokens of a text, or as many as it has positions for.

    The limit that came with the model gives way, being a setting like this one; where nothing says how many positions
    there are, it stays.
    """
    network = getattr(model[0], "model", None)
    positions = getattr(getattr(network, "config", None), "max_position_embeddings", None)
    if positions is None:
        positions = model.max_seq_length or wanted
    else:  # RoBERTa and its kin count positions from behind the padding's
        table = getattr(getattr(network, "embeddings", None), "position_embeddings", None)
        padding = getattr(table, "padding_idx", None)
        positions -= 0 if padding is None else padding + 1
    model.max_seq_length = min(wanted, positions)


def refuse_cross_encoder(folder: Path) -> None:
    """Refuse to make vectors with a classifier, which sentence-transformers would do without a word.

    Raises:
        WrongKindError: the model in `folder` has a classification head, and no pooling was put in its place.
        ValueError: it has several networks.
    """
    architectures, kinds = _described(folder)
    if any(kind.endswith(".Router") for kind in kinds):
        raise ValueError("it routes texts to several networks, which is not supported here")
    if not _pooled(kinds) and any(name.endswith("ForSequenceClassification") for name in architectures):
        raise WrongKindError(
            f"it is a {architectures[0]}, a cross-encoder or classifier, not a bi-encoder; choose a bi-encoder, or "
            "make it a reranker of kind: cross_encoder"
        )


def refuse_bi_encoder(folder: Path) -> None:
    """Refuse to judge pairs with a model that has no head for it, of which it would only be said what weights it lacks.

    Raises:
        WrongKindError: the model in `folder` makes vectors, or is a network without a task.
    """
    architectures, kinds = _described(folder)
    named = f"a {architectures[0]}" if architectures else "a model"
    if _pooled(kinds):
        raise WrongKindError(
            f"it is {named} that makes vectors, a bi-encoder, not a cross-encoder; choose a cross-encoder, or make it "
            "a reranker of kind: bi_encoder"
        )
    if architectures and all(name.endswith(("Model", "ForMaskedLM", "ForPreTraining")) for name in architectures):
        raise WrongKindError(f"it is {named}, not a cross-encoder; choose a cross-encoder trained for relevance")


def _described(folder: Path) -> tuple[list[str], list[str]]:
    """What a model's own files say of it: its architectures, and the types of its modules."""
    config, modules = folder / "config.json", folder / "modules.json"
    settings = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    parts = json.loads(modules.read_text(encoding="utf-8")) if modules.is_file() else []
    if not isinstance(settings, dict) or not isinstance(parts, list):
        raise ValueError("config.json or modules.json is not what a model's is")
    architectures = [str(name) for name in settings.get("architectures") or ()]
    return architectures, [str(part.get("type", "")) for part in parts if isinstance(part, dict)]


def _pooled(kinds: list[str]) -> bool:
    return any(kind.endswith((".Pooling", ".StaticEmbedding")) for kind in kinds)


_TOKENIZERS = (
    "tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip


def refuse_without_tokenizer(folder: Path) -> None:
    """Refuse a folder without a tokenizer's files: transformers would make one up that knows no word.

    Raises:
        ValueError: there is none.
    """
    if not any(path.name in _TOKENIZERS for path in folder.rglob("*")):
        raise ValueError("it has no tokenizer (tokenizer.json or vocab.txt)")


@contextlib.contextmanager
def naming(label: str) -> Iterator[None]:
    """Turn a model's failure on texts into an InputError that names it, or into a MemoryError if it is that."""
    try:
        yield
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        if _starved(error):
            raise MemoryError(str(error)) from error
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"model {label}: fails on the texts ({first}); choose another model") from error


def halving(label: str, size: int, unit: str, work: Callable[[int], T], least: int = 1) -> tuple[T, int]:
    """What `work(batch size)` returns, with the size at which it went through: halved whenever memory runs out.

    Args:
        label: the model, in messages.
        size: of a batch.
        unit: what the size counts.
        work: does it all in batches of that size.
        least: a size below which batches do not get smaller.

    Raises:
        InputError: not even one item fits, or the model fails on the texts.
    """
    while True:
        try:
            with naming(label):
                return work(size), size
        except MemoryError as error:
            if size <= least:
                raise InputError(
                    f"model {label}: memory is too small for a single text; lower max_length, or choose a smaller model"
                ) from error.__cause__ or error
            size = max(least, size // 2)
            logger.warning("model %s: out of memory, on with batches of %d %s", label, size, unit)


def _starved(error: Exception) -> bool:
    """Whether an error says that memory ran out."""
    import torch

    words = ("allocate memory", "alloc_failed", "out of memory", "failed to allocate", "bad allocation", "bad_alloc")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error).lower() for word in words)


def device() -> str:
    """The device to run on: a GPU when there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


SAFE: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
SAFE_WEIGHTS: dict[str, Any] = {"use_safetensors": True}
