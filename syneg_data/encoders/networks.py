"""What runs a cross-encoder: torch, ONNX Runtime or OpenVINO, all from the same safetensors weights."""

import contextlib
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from syneg_data.durable import cache_root, exclusive, replacing, sha256_file
from syneg_data.encoders.beginnings import pair_tokens
from syneg_data.errors import InputError
from syneg_data.loading import (
    SAFE,
    SAFE_WEIGHTS,
    device,
    limit_length,
    quiet_loading,
    refuse_bi_encoder,
    refuse_missing,
    refuse_without_tokenizer,
)
from syneg_data.references import Resolved
from syneg_data.spec import fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Backend = Literal["torch", "onnx", "openvino"]
Number = Literal["float32", "bfloat16", "int8"]
NUMBERS: Mapping[Backend, tuple[Number, ...]] = {
    "torch": ("float32", "bfloat16"),
    "onnx": ("float32", "int8"),
    "openvino": ("float32", "bfloat16"),
}
_OPSET = 18
Tokens = dict[str, list[list[int]]]


class PairNetwork(Protocol):
    """A network that is loaded."""

    def tokenise(self, pairs: Sequence[tuple[str, str]]) -> Tokens:
        """Inputs of the network by name, a list of tokens per pair, cut to what the model may read, not padded."""

    def logits(self, batch: Tokens) -> "NDArray[np.float32]":
        """The network's outputs, shape (pairs, outputs)."""


def open_network(model: Resolved, max_length: int, backend: Backend, dtype: Number) -> PairNetwork:
    """Load the weights, and for other backends than torch translate them once.

    Raises:
        InputError: it cannot be loaded or translated, has more than one output, or a package is missing.
    """
    loaded = _load(model, max_length, dtype if backend == "torch" else "float32")
    if loaded.num_labels != 1:
        raise InputError(
            f"model {model.label}: {loaded.num_labels} outputs, a reranker has one; "
            "choose a cross-encoder trained for relevance"
        )
    known, rows = len(loaded.tokenizer), loaded[0].model.get_input_embeddings().num_embeddings
    if known > rows:
        raise InputError(
            f"model {model.label}: its tokenizer knows {known} tokens, the network {rows}; they are not of one model"
        )
    torch_network = _TorchNetwork(loaded)
    if backend == "torch":
        return torch_network
    with quiet_loading(f"{model.label} as {backend}"):
        path = _translated(model, torch_network, dtype)
        return _OnnxNetwork(torch_network, path) if backend == "onnx" else _OpenVinoNetwork(torch_network, path, dtype)


def _load(model: Resolved, max_length: int, dtype: Number) -> Any:  # noqa: ANN401
    with quiet_loading(model.label):
        from sentence_transformers import CrossEncoder as Model

        logger.info("loading cross-encoder %s", model.label)
        refuse_bi_encoder(model.path)
        refuse_without_tokenizer(model.path)
        loaded = Model(str(model.path), device=device(), model_kwargs={"dtype": dtype, **SAFE_WEIGHTS}, **SAFE)
        refuse_missing(loaded[0].model, model.path)
        limit_length(loaded, max_length)
    return loaded


class _TorchNetwork:
    def __init__(self, loaded: Any) -> None:  # noqa: ANN401
        self.module = loaded[0].model.eval()
        self._tokenizer = loaded.tokenizer
        self._most = loaded.max_seq_length

    def tokenise(self, pairs: Sequence[tuple[str, str]]) -> Tokens:
        return pair_tokens(self._tokenizer, pairs, self._most)

    def padded(self, batch: Tokens) -> dict[str, Any]:
        """Tensors of one shape, with an attention mask."""
        padded: dict[str, Any] = dict(self._tokenizer.pad(batch, return_tensors="pt"))
        return padded

    def logits(self, batch: Tokens) -> "NDArray[np.float32]":
        import numpy as np
        import torch

        with torch.inference_mode():
            inputs = {name: tensor.to(self.module.device) for name, tensor in self.padded(batch).items()}
            found: NDArray[np.float32] = self.module(**inputs).logits.float().cpu().numpy()
            return found


class _OnnxNetwork:
    def __init__(self, source: _TorchNetwork, path: Path) -> None:
        import onnxruntime
        import torch

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        with _as_runtime_errors():
            self._session = onnxruntime.InferenceSession(str(path), options, onnxruntime.get_available_providers())
        self._source = source
        self._names = [entry.name for entry in self._session.get_inputs()]

    def tokenise(self, pairs: Sequence[tuple[str, str]]) -> Tokens:
        return self._source.tokenise(pairs)

    def logits(self, batch: Tokens) -> "NDArray[np.float32]":
        padded = self._source.padded(batch)
        inputs = {name: padded[name].numpy() for name in self._names}
        with _as_runtime_errors():
            found: list[NDArray[np.float32]] = self._session.run(None, inputs)
        return found[0]


class _OpenVinoNetwork:
    def __init__(self, source: _TorchNetwork, path: Path, dtype: Number) -> None:
        import openvino

        hint = "f32" if dtype == "float32" else "bf16"
        self._compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": hint})
        self._source = source
        self._names = [entry.any_name for entry in self._compiled.inputs]

    def tokenise(self, pairs: Sequence[tuple[str, str]]) -> Tokens:
        return self._source.tokenise(pairs)

    def logits(self, batch: Tokens) -> "NDArray[np.float32]":
        padded = self._source.padded(batch)
        found = self._compiled({name: padded[name].numpy() for name in self._names})
        output: NDArray[np.float32] = next(iter(found.values()))
        return output


@contextlib.contextmanager
def _as_runtime_errors() -> Iterator[None]:
    """Errors of ONNX Runtime, which are of no type that anybody expects, as RuntimeError."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise RuntimeError(str(error)) from error


def _translated(model: Resolved, network: _TorchNetwork, dtype: Number) -> Path:
    """The weights as an ONNX file in the cache, made once per model; int8 weights are rounded per channel.

    A file's name ends in the digest of its bytes; one that is damaged is made again.
    """
    versions = [metadata.version(name) for name in ("torch", "onnx", "onnxscript")]
    folder = cache_root() / "onnx" / fingerprint(model.digest, versions)[:32]
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / "lock"):
        exact = _made_once(folder, "float32", lambda path: _export(network, path))
        if dtype != "int8":
            return exact
        name = f"int8-{metadata.version('onnxruntime')}"
        return _made_once(folder, name, lambda path: _round_to_int8(exact, path))


def _made_once(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The intact file of this name, or a new one."""
    for path in sorted(folder.glob(f"{name}-*.onnx")):
        if sha256_file(path)[:32] == path.stem.rpartition("-")[2]:
            return path
        path.unlink()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        draft = Path(scratch) / "model.onnx"
        make(draft)
        path = folder / f"{name}-{sha256_file(draft)[:32]}.onnx"
        with replacing(path) as temporary:
            shutil.copyfile(draft, temporary)
    return path


def _export(network: _TorchNetwork, path: Path) -> None:
    import onnx
    import torch

    sample = network.padded(network.tokenise([("which one", "a text"), ("what", "another, longer text")]))
    names = list(sample)

    class Positional(torch.nn.Module):
        def __init__(self, module: torch.nn.Module) -> None:
            super().__init__()
            self.module = module

        def forward(self, *tensors: torch.Tensor) -> Any:  # noqa: ANN401
            return self.module(**dict(zip(names, tensors, strict=True))).logits

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of libraries that are not there
    dims = {0: torch.export.Dim("pairs", min=1), 1: torch.export.Dim("tokens", min=2)}
    inputs = tuple(sample[name].cpu() for name in names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Positional(network.module.cpu()).eval(), inputs, str(path), input_names=names, output_names=["logits"],
            opset_version=_OPSET, dynamo=True, dynamic_shapes=((dims,) * len(names),), external_data=False,
            verbose=False,
        )  # fmt: skip
    translated = onnx.load(str(path))
    translated.graph.ClearField("value_info")  # shapes that the quantiser infers otherwise, and then refuses
    onnx.save(translated, str(path))


def _round_to_int8(source: Path, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _as_runtime_errors():
        quantize_dynamic(str(source), str(path), weight_type=QuantType.QInt8, per_channel=True)
