"""The file of a style that was fitted to one painting: scales and shifts of the norms, and kernel offsets."""

import json
import math
from typing import Final

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from frame_tools.contracts.errors import InputError, NextStep
from scoring.scorers.any_painting.conditional_norm import KERNEL_PARAMETERS, NORM_CHANNELS

FORMAT: Final = "impasto-style-2"
_SHAPES: Final = {"kernels": (KERNEL_PARAMETERS,), "norms": (2, NORM_CHANNELS)}
_MAX_VALUE: Final = 1e4
_REMEDY: Final = (
    "Create it again (python -m scoring tune PAINTING -o FILE.safetensors), then upload the trigger file again"
)


def dump_style(style: NDArray[np.float32], *, painting: str, painting_sha256: str) -> bytes:
    """Return the file of a style, (`STYLE_PARAMETERS`,), that was fitted to `painting`."""
    metadata = json.dumps({"format": FORMAT, "painting": painting, "sha256": painting_sha256}, sort_keys=True)
    norms, kernels = np.split(np.ascontiguousarray(style, np.float32), [2 * NORM_CHANNELS])
    tensors = {"norms": norms.reshape(2, NORM_CHANNELS), "kernels": kernels}
    return safetensors.numpy.save(tensors, metadata={"impasto": metadata})


def load_style(data: bytes, name: str) -> NDArray[np.float32]:
    """Read a style, (`STYLE_PARAMETERS`,) float32; raises InputError if the file `name` is not one."""
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise _invalid(f"The style {name} is not a safetensors file ({str(error)[:120]})") from error
    is_float32 = all(tensor.dtype == np.float32 for tensor in tensors.values())
    if not is_float32 or {key: tensor.shape for key, tensor in tensors.items()} != _SHAPES:
        actual = ", ".join(f"{key} {tensor.dtype} {tensor.shape}" for key, tensor in sorted(tensors.items())[:5])
        expected = " and ".join(f"{key} float32 {shape}" for key, shape in _SHAPES.items())
        raise _invalid(f"The style {name} must hold {expected}, not {actual or 'nothing'}")
    style = np.concatenate([tensors["norms"].ravel(), tensors["kernels"]])
    largest = float(np.abs(style).max())
    if not math.isfinite(largest) or largest > _MAX_VALUE:
        raise _invalid(f"The style {name} has values that are not finite or above {_MAX_VALUE:g}")
    return style


def _invalid(what: str) -> InputError:
    """Return the error for a style that cannot be used."""
    return InputError(what, _REMEDY, next_step=NextStep.START_NEW_RUN)
