"""What runs a cross-encoder: ONNX Runtime and OpenVINO say what torch says, from the same weights."""

import hashlib
import re
import shutil
import sys

import pytest

from syneg_data.encoders.cross_encoder import CrossEncoder
from syneg_data.encoders.networks import NUMBERS
from syneg_data.errors import InputError
from syneg_data.references import PathModel
from tests.encoders.models import VOCABULARY, save_cross_encoder

pytest.importorskip("onnx", reason="needs the extra `onnx`")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
pytest.importorskip("onnxscript", reason="needs the extra `onnx`")
pytest.importorskip("openvino", reason="needs the extra `openvino`")

WORDS = VOCABULARY[5:]
# Of 6 to 64 tokens, one of them cut: batches of many shapes.
PAIRS = [(" ".join(WORDS[i % 5 : i % 5 + 3]), " ".join(WORDS[: i % 13] * (1 + i % 6))) for i in range(24)]
WITHIN = {"float32": 1e-4, "bfloat16": 0.02, "int8": 0.05}
COMBINATIONS = [(backend, dtype) for backend, dtypes in NUMBERS.items() for dtype in dtypes]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One store for all tests of this module, since a translation takes seconds."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def cache(home, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(home / "cache"))
    return home / "cache"


@pytest.fixture(scope="module")
def model(home):
    return PathModel(kind="path", path=str(save_cross_encoder(home / "model", 1))).resolve()


@pytest.fixture(scope="module")
def small(home):
    """A model whose tokenizer knows words that it has no vectors for."""
    return PathModel(kind="path", path=str(save_cross_encoder(home / "small", 1, vocab_size=10))).resolve()


@pytest.mark.parametrize(("backend", "dtype"), COMBINATIONS)
def test_every_backend_agrees_with_torch_and_its_scores_are_its_own(model, backend, dtype):
    expected = CrossEncoder(model, 64, 200).score(PAIRS)
    assert max(expected) - min(expected) > 0.1
    first = CrossEncoder(model, 64, 200, backend, dtype)
    scores = first.score(PAIRS)
    assert scores == pytest.approx(expected, abs=WITHIN[dtype])
    if (backend, dtype) != ("torch", "float32"):
        assert scores != expected
        assert first.scored == 24
    if dtype != "float32":  # it does compute in fewer digits
        assert max(abs(score - exact) for score, exact in zip(scores, expected, strict=True)) > 1e-4
    second = CrossEncoder(model, 64, 64, backend, dtype)
    assert second.score(PAIRS) == scores
    assert second.scored == 0


def assert_named_by_its_bytes(path):
    assert re.fullmatch(r"(float32|int8-\d[\w.]*)-[0-9a-f]{32}\.onnx", path.name)
    assert path.stem[-32:] == hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def test_weights_are_translated_once_for_all_backends_and_runs(model, cache):
    for backend, dtype in COMBINATIONS:
        CrossEncoder(model, 63, 200, backend, dtype).score(PAIRS[:2])
    (folder,) = (cache / "onnx").iterdir()
    assert re.fullmatch(r"[0-9a-f]{32}", folder.name)
    exact, rounded, lock = sorted(folder.iterdir())
    assert (exact.name.partition("-")[0], rounded.name.partition("-")[0], lock.name) == ("float32", "int8", "lock")
    assert_named_by_its_bytes(exact)
    assert_named_by_its_bytes(rounded)
    assert rounded.stat().st_size < exact.stat().st_size
    written = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (exact, rounded)}
    for backend, dtype in COMBINATIONS:
        again = CrossEncoder(model, 62, 200, backend, dtype)  # another limit: nothing is in the store
        again.score(PAIRS[:2])
        assert again.scored == 2
    assert sorted((cache / "onnx").rglob("*")) == [folder, exact, rounded, lock]
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in written} == written


def test_other_weights_are_translated_to_a_folder_of_their_own(model, cache, tmp_path, monkeypatch):
    shutil.copytree(cache / "onnx", tmp_path / "onnx")
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path))
    other = PathModel(kind="path", path=str(save_cross_encoder(tmp_path / "model", 2))).resolve()
    scores = CrossEncoder(other, 64, 200, "onnx").score(PAIRS)
    assert scores == pytest.approx(CrossEncoder(other, 64, 200).score(PAIRS), abs=1e-4)
    assert scores != pytest.approx(CrossEncoder(model, 64, 200).score(PAIRS), abs=1e-3)
    assert len(list(tmp_path.glob("onnx/*/float32-*.onnx"))) == 2
    assert len(list((tmp_path / "onnx").iterdir())) == 2


def test_nothing_is_translated_when_all_scores_are_known(model, monkeypatch, home):
    monkeypatch.setenv("SYNEG_CACHE", str(home / "other"))
    CrossEncoder(model, 64, 200).score(PAIRS[:1])
    assert not (home / "other" / "onnx").exists()


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_package_that_is_missing_is_named(model, backend, monkeypatch):
    package = {"onnx": "onnxruntime", "openvino": "openvino"}[backend]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError) as caught:
        CrossEncoder(model, 61, 200, backend).score(PAIRS[:1])
    message = str(caught.value)
    assert message.startswith(f"model model as {backend}: cannot be loaded (")
    assert package in message
    assert message.endswith("); install what it names")


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_a_tokenizer_that_knows_more_words_than_the_network_is_refused(small, cache, backend):
    before = sorted(cache.glob("onnx/*"))
    with pytest.raises(InputError) as caught:
        CrossEncoder(small, 64, 200, backend).score([("does apple help", "plum quince")])
    assert str(caught.value) == "model small: its tokenizer knows 18 tokens, the network 10; they are not of one model"
    assert sorted(cache.glob("onnx/*")) == before


def cut_short(data):
    return data[: len(data) // 2]


def with_a_byte_flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x40]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_short, with_a_byte_flipped])
@pytest.mark.parametrize(
    ("backend", "dtype", "kind"),
    [
        ("onnx", "float32", "float32"),
        ("onnx", "int8", "int8"),
        ("openvino", "float32", "float32"),
    ],
)
def test_a_translation_that_is_damaged_is_made_again(model, cache, backend, dtype, kind, damage, monkeypatch, tmp_path):
    scores = CrossEncoder(model, 64, 200, backend, dtype).score(PAIRS)
    shutil.copytree(cache / "onnx", tmp_path / "onnx")
    kept = {path: path.read_bytes() for path in tmp_path.glob("onnx/*/*.onnx") if not path.name.startswith(kind)}
    (file,) = tmp_path.glob(f"onnx/*/{kind}-*.onnx")
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path))
    again = CrossEncoder(model, 64, 200, backend, dtype)
    assert again.score(PAIRS) == pytest.approx(scores, abs=1e-6)
    assert again.scored == 24
    (made,) = tmp_path.glob(f"onnx/*/{kind}-*.onnx")
    assert made.read_bytes() != damaged
    assert_named_by_its_bytes(made)
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_translation_under_the_name_of_another_is_made_again(model, cache, monkeypatch, tmp_path):
    """A file whose name belongs to other bytes is not even opened, be it a sound model."""
    (score,) = CrossEncoder(model, 64, 200, "onnx").score(PAIRS[5:6])
    CrossEncoder(model, 64, 200, "onnx", "int8").score(PAIRS[5:6])
    shutil.copytree(cache / "onnx", tmp_path / "onnx")
    (exact,) = tmp_path.glob("onnx/*/float32-*.onnx")
    (rounded,) = tmp_path.glob("onnx/*/int8-*.onnx")
    shutil.copyfile(rounded, exact)
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path))
    assert CrossEncoder(model, 64, 200, "onnx").score(PAIRS[5:6]) == [pytest.approx(score, abs=1e-6)]


def test_threads_for_nested_regions_are_no_fault_of_the_models(model, monkeypatch):
    expected = CrossEncoder(model, 64, 200).score(PAIRS[:1])
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert CrossEncoder(model, 59, 200, "onnx").score(PAIRS[:1]) == pytest.approx(expected, abs=1e-4)
