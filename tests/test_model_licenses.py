"""What a model says of its licence, on its card or in the metadata of its package; nonsense says nothing."""

import pytest

from syneg_data.model_licenses import in_metadata, on_card, together

CARDS = {
    "---\nlicense: apache-2.0\n---\n# x\n": "apache-2.0",
    "---\nlanguage: en\nlicense: [mit, cc-by-4.0]\n---\n": "mit, cc-by-4.0",
    "---\nlicense: other\nlicense_name: llama3.1-community\n---\n": "llama3.1-community",
    "---\nlicense: other\n---\n": "other",
    "---\nlicense: mit\nlicense_name: mine\n---\n": "mit",
    "\ufeff---\r\nlicense: mit\r\n---\r\n": "mit",
    "---\nlicense: MIT OR Apache-2.0\n---": "MIT OR Apache-2.0",
    "---\nlicense: unknown\n---\n": None,
    "---\nlicense: 'a | b'\n---\n": None,
    '---\nlicense: "two\\nlines"\n---\n': None,
    "---\nlicense: {a: b}\n---\n": None,
    "---\nlicense: []\n---\n": None,
    "---\nlicense: 1.0\n---\n": None,
    "---\n- license: mit\n---\n": None,
    "---\nlicense: mit\ndate: 2024-99-99\n---\n": None,
    "---\nlicense: [\n---\n": None,
    "---\n" + "[" * 5000 + "\n---\n": None,
    "---\na: &a [x, x]\nb: &b [*a, *a]\nlicense: mit\n---\n": "mit",
    "---\nlicense: !!python/object/apply:os.system [echo]\n---\n": None,
    "# x\n\nlicense: mit\n": None,
    "x\n---\nlicense: mit\n---\n": None,
    "": None,
}


@pytest.mark.parametrize(("text", "license"), CARDS.items(), ids=range(len(CARDS)))
def test_a_card(tmp_path, text, license):
    (tmp_path / "README.md").write_bytes(text.encode())
    assert on_card(tmp_path) == license


def test_no_card_and_no_text(tmp_path):
    assert on_card(tmp_path) is None
    (tmp_path / "README.md").write_bytes(b"---\nlicense: mit # \xff\n---\n")
    assert on_card(tmp_path) is None
    assert on_card(tmp_path / "nowhere") is None


METADATA = {
    "License-Expression: Apache-2.0\nLicense: MIT\n": "Apache-2.0",
    "License: MIT\nClassifier: License :: OSI Approved :: BSD License\n": "MIT",
    "License: MIT License\n        Copyright (c) somebody, and so on\n": None,
    "License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n": "MIT License",
    "Classifier: Topic :: Text\nClassifier: License :: Free for non-commercial use\n": "Free for non-commercial use",
    "Classifier: License :: A\nClassifier: License :: OSI Approved :: B\n": "A, B",
    "Name: x\n\nLicense: MIT\n": None,
    "": None,
}


@pytest.mark.parametrize(("text", "license"), METADATA.items(), ids=range(len(METADATA)))
def test_metadata(text, license):
    assert in_metadata(f"Metadata-Version: 2.4\n{text}") == license


def test_parts_of_one_model():
    assert together(["mit", "mit"]) == "mit"
    assert together(["mit", "apache-2.0"]) == "mit, apache-2.0"
    assert together(["mit", None]) is None
