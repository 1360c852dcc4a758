"""The file of a style that was fitted to one painting: two numbers for each channel of the network's norms."""

import json
import math

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from frame_tools.errors import InputError
from scoring.any_painting.network import NORM_CHANNELS

FORMAT = "impasto-style-1"
_KEY = "style"
_SHAPE = (2, NORM_CHANNELS)
_LARGEST = 1e4
_REMEDY = "Make it again (python -m scoring tune PAINTING -o FILE.safetensors), then put the trigger file again"


def dump_style(style: NDArray[np.float32], *, painting: str, painting_sha256: str) -> bytes:
    """Give the bytes of the file for a style, (2, `NORM_CHANNELS`), that was fitted to `painting`."""
    told = json.dumps({"format": FORMAT, "painting": painting, "sha256": painting_sha256}, sort_keys=True)
    data: bytes = safetensors.numpy.save({_KEY: np.ascontiguousarray(style, np.float32)}, metadata={"impasto": told})
    return data


def load_style(data: bytes, name: str) -> NDArray[np.float32]:
    """Read a style, (2, `NORM_CHANNELS`) float32; raises InputError if the file `name` holds none."""
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"The style {name} is not a safetensors file ({str(error)[:120]})", _REMEDY) from error
    found = tensors.get(_KEY)
    if found is None or set(tensors) != {_KEY} or found.shape != _SHAPE or found.dtype != np.float32:
        held = ", ".join(f"{key} {value.shape}" for key, value in sorted(tensors.items())[:5])
        raise InputError(f"The style {name} must hold one tensor {_KEY} {_SHAPE}, not {held or 'nothing'}", _REMEDY)
    if not math.isfinite(float(np.abs(found).max())) or np.abs(found).max() > _LARGEST:
        raise InputError(f"The style {name} holds values that are no sensible numbers", _REMEDY)
    style: NDArray[np.float32] = found
    return style
