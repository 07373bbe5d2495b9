"""Languages are two-letter codes that exist."""

import pytest
from pydantic import TypeAdapter, ValidationError

from syneg_data.languages import CODES, Language


def test_codes():
    assert len(CODES) == 184
    assert {"en", "de", "zh", "no", "sw"} <= CODES
    assert all(len(code) == 2 and code.isascii() and code.islower() for code in CODES)


@pytest.mark.parametrize("name", ["EN", "eng", "english", "xx", "", "en-US"])
def test_others_are_refused(name):
    with pytest.raises(ValidationError, match=r"unknown language .*; use codes of ISO 639-1"):
        TypeAdapter(Language).validate_python(name)
