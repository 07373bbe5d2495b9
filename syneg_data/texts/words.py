"""Words: a text as the sequence of its normalised words."""

import re

from syneg_data.collection import normalise

# Chinese, Japanese, Thai, Lao, Burmese and Khmer.
_UNSPACED = re.compile(r"[\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def words_of(text: str) -> list[str]:
    """Normalised words; in scripts that put no spaces between words, each character counts as one."""
    return _UNSPACED.sub(r" \g<0> ", normalise(text)).split()
