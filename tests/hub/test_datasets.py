"""The plain `datasets` client against the loopback Hub."""

from pathlib import Path

import pytest

from tests.hub.conftest import run_script

pytest.importorskip("datasets")


def test_datasets_are_released_loaded_streamed_and_pushed(hub, tmp_path):
    token = hub.token()
    seen = run_script(Path(__file__).parent / "proof_datasets.py", hub, tmp_path, token, tmp_path)
    columns = "['query', 'positive', 'negative']"
    assert seen == [
        "missing DatasetNotFoundError",
        "configs triplet queries",
        f"loaded v1.0.0 {columns} ['a', 'b']",
        f"loaded v2.0.0 {columns} ['a', 'b', 'c']",
        f"loaded None {columns} ['a', 'b', 'c']",
        f"loaded commit {columns} ['a', 'b']",
        "streamed v1.0.0 ['a', 'b']",
        "streamed None ['a', 'b', 'c']",
        "pushed {'test': ['x', 'y'], 'train': ['x', 'y']}",
    ]
    assert hub.private("datasets/alice/pushed")
    head = hub.commits("datasets/alice/pushed")[0]
    assert sorted(head.files) == [
        ".gitattributes", "README.md", "pair/test-00000-of-00001.parquet", "pair/train-00000-of-00001.parquet",
    ]  # fmt: skip
    assert hub.file("datasets/alice/pushed", "main", "pair/test-00000-of-00001.parquet")[:4] == b"PAR1"
    assert {logged.headers["host"] for logged in hub.log} == {hub.url.removeprefix("http://")}
