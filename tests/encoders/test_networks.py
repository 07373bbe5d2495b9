"""What runs a cross-encoder: ONNX Runtime and OpenVINO say what torch says, from the same weights."""

import math
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


def test_weights_are_translated_once_for_all_backends_and_runs(model, cache):
    for backend, dtype in COMBINATIONS:
        CrossEncoder(model, 63, 200, backend, dtype).score(PAIRS[:2])
    files = {path: path.stat().st_mtime_ns for path in (cache / "onnx").iterdir() if model.digest in path.name}
    kinds = sorted(path.name.removeprefix(model.digest).split("-")[1] for path in files if path.suffix == ".onnx")
    assert kinds == ["float32", "int8"]
    assert {path.suffix for path in files} == {".onnx", ".lock"}
    for backend, dtype in COMBINATIONS:
        again = CrossEncoder(model, 62, 200, backend, dtype)  # another limit: nothing is in the store
        again.score(PAIRS[:2])
        assert again.scored == 2
    assert {path: path.stat().st_mtime_ns for path in (cache / "onnx").iterdir() if model.digest in path.name} == files


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


@pytest.mark.parametrize(
    "backend",
    [
        "torch",
        pytest.param(
            "onnx", marks=pytest.mark.xfail(strict=True, reason="errors of ONNX Runtime are Exceptions alone")
        ),
        pytest.param("openvino", marks=pytest.mark.xfail(strict=True, reason="OpenVINO reads what is not there")),
    ],
)
def test_a_word_that_a_model_has_no_vector_for_is_refused(small, backend):
    with pytest.raises(InputError, match="model small"):
        CrossEncoder(small, 64, 200, backend).score([("does apple help", "plum quince")])


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(
            "onnx", marks=pytest.mark.xfail(strict=True, reason="errors of ONNX Runtime are Exceptions alone")
        ),
        pytest.param("openvino", marks=pytest.mark.xfail(strict=True, reason="says to mend the model, not the cache")),
    ],
)
def test_a_translation_that_is_damaged_is_made_again(model, cache, backend, monkeypatch, tmp_path):
    (score,) = CrossEncoder(model, 64, 200, backend).score(PAIRS[5:6])
    shutil.copytree(cache / "onnx", tmp_path / "onnx")
    for file in (tmp_path / "onnx").glob(f"{model.digest}-float32-*.onnx"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path))
    assert CrossEncoder(model, 60, 200, backend).score(PAIRS[5:6]) == [pytest.approx(score, abs=1e-6)]


@pytest.mark.xfail(strict=True, reason="read as one number")
def test_threads_for_nested_regions_are_no_fault_of_the_models(model, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    (score,) = CrossEncoder(model, 59, 200, "onnx").score(PAIRS[:1])
    assert not math.isnan(score)
