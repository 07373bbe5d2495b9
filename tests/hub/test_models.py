"""The plain `sentence-transformers` client against the loopback Hub."""

from pathlib import Path

import pytest

from tests.hub.conftest import run_script

pytestmark = pytest.mark.slow


def test_models_are_loaded_at_a_tag_and_pushed(hub, tmp_path):
    seen = run_script(Path(__file__).parent / "proof_models.py", hub, tmp_path, hub.token(), tmp_path)
    assert seen == ["loaded v1.0.0 help True", "loaded v2.0.0 help True", "pushed True"]
    head = hub.commits("models/alice/retriever")[0]
    assert {path for path, blob in head.tree.items() if blob.lfs} == {"model.safetensors"}
    assert "README.md" in hub.commits("models/alice/pushed")[0].files
    assert hub.private("models/alice/pushed")
