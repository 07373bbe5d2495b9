"""What the loopback Hub finds wrong with a card."""

import pytest

from tests.hub.cards import card_data, findings


def card(text):
    return f"---\n{text}\n---\n# Title\n"


@pytest.mark.parametrize(
    "text",
    [
        "license: mit",
        "license: [mit, apache-2.0]\nlanguage: en\ntags: [a, b]",
        "license: other\nlicense_name: own",
        "rai:anything: goes\nunknown_key: {a: 1}",
        "size_categories: [1K<n<10K]",
        "configs:\n- config_name: triplet\n  default: true\n  data_files:\n  - split: train\n    path: triplet/train-*",
        "configs:\n- config_name: triplet\n  data_files: triplet/*.parquet",
    ],
)
def test_good_cards(text):
    assert findings(card(text), "dataset") == ([], [])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("license: [mit", "invalid yaml metadata"),
        ("a: b: c", "invalid yaml metadata"),
        ("when: !!python/object/apply:os.getcwd []", "invalid yaml metadata"),
        ("- mit", "must be a mapping"),
        ("language: [en, no]", '"language" must be a string or an array of strings'),
        ("license: 4", '"license" must be'),
        ("license: other", '"license_name" is required'),
        ("size_categories: [many]", "'many' is unknown"),
        ("configs: triplet", '"configs" must be an array'),
        ("configs:\n- data_files: x", '"configs[0].config_name" is required'),
        (
            "configs:\n- config_name: a\n  data_files:\n  - {split: hard-train, path: x}",
            "'hard-train' is no name of a split",
        ),
        ("configs:\n- config_name: a\n- config_name: a", "stands twice"),
    ],
)
def test_bad_cards(text, error):
    (found,), _ = findings(card(text), "dataset")
    assert error in found


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("model-index:\n- name: m\n  results:\n  - {task: {type: x}, dataset: {name: d, type: d}, metrics: []}", 0),
        ("model-index:\n- name: m\n  results:\n  - {task: {type: x}, metrics: []}", 1),
        ("model-index:\n- results: []", 1),
        ("model-index: m", 1),
    ],
)
def test_cards_of_models(text, errors):
    assert len(findings(card(text), "model")[0]) == errors


def test_a_card_without_metadata_is_a_warning():
    for text in ("# Title\n", "", "---\nno end\n", "---\n\n---\n"):
        assert findings(text, "dataset") == ([], ["empty or missing yaml metadata in repo card"])
    assert card_data(card("license: [mit")) is None
    assert card_data(card("license: mit")) == {"license": "mit"}
