"""How any model is loaded: from local files only, safetensors only, no code of the model's own, quietly."""

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Any

from syneg_data.errors import InputError


@contextlib.contextmanager
def quiet_loading(label: str) -> Iterator[None]:
    """Silence the libraries' loading bars and turn their failures into an InputError that names the model."""
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
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"model {label}: cannot be loaded ({first}); check that its folder is whole") from error
    finally:
        transformers_logging.set_verbosity(verbosity)


def device() -> str:
    """The device to run on: a GPU when there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


SAFE: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
SAFE_WEIGHTS: dict[str, Any] = {"use_safetensors": True}
