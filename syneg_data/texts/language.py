"""Which language a text is in, as far as it can be told."""

import functools
from typing import Any

_SURE = 0.98
_MOST = 2000  # characters; more do not change the answer


@functools.cache
def _identifier() -> Any:  # noqa: ANN401
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@functools.lru_cache(maxsize=4096)
def language_of(text: str) -> str | None:
    """ISO 639 code of the language that `text` is in (langid.py: Lui & Baldwin 2012); None where that is not certain.

    Formulae, lists of names and texts of a few words are certain in no language.
    """
    label, confidence = _identifier().classify(text[:_MOST])
    return str(label) if confidence >= _SURE else None
