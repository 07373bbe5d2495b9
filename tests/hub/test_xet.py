"""The Xet path, once: the stock library, with a folder of this machine for its store of chunks."""

import hashlib
from pathlib import Path

import pytest

from tests.hub.conftest import run_script
from tests.hub.server import LoopbackHub

pytest.importorskip("hf_xet", reason="hf_xet is not installed: huggingface_hub then uses LFS")

SCRIPT = Path(__file__).parent / "proof_xet.py"


def test_a_large_file_goes_through_xet_and_comes_back(tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    with LoopbackHub(xet=store) as hub:
        token, path = hub.token(), tmp_path / "x.parquet"
        (found,) = run_script(SCRIPT, hub, tmp_path / "home", token, "upload", path)
        oid = hashlib.sha256(path.read_bytes()).hexdigest()
        assert hub.commits("datasets/alice/ds")[0].files["x.parquet"] == oid
        assert hub.storage.get("datasets/alice/ds").objects == {}, "the bytes never came here"
        assert not [logged for logged in hub.log if logged.method == "PUT"]
        assert any(path.is_file() for path in store.rglob("*"))
        hub.xet_hashes[oid] = found
        assert run_script(SCRIPT, hub, tmp_path / "other home", token, "download", path) == [oid]
        assert [logged.status for logged in hub.log if "xet-read-token" in logged.path] == [200]
