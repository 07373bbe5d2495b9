"""Words of texts."""

import pytest

from syneg_data.texts.words import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Vitamin D, twice!", ["vitamin", "d", "twice"]),
        ("维生素 D、x2日", ["维", "生", "素", "d", "x2", "日"]),
        ("テキスト", list("テキスト")),
        ("ภาษาไทย", list("ภาษาไทย")),
        ("한국어 문장입니다", ["한국어", "문장입니다"]),
        ("", []),
    ],
)
def test_words(text, words):
    assert words_of(text) == words
