"""The file of a style that was fitted to one painting: what the norms are told, and what is added to the kernels."""

import json
import math
from typing import Final

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from frame_tools.contracts.errors import InputError, NextStep
from scoring.scorers.any_painting.conditional_norm import KERNEL_NUMBERS, NORM_CHANNELS

FORMAT: Final = "impasto-style-2"
_FORM: Final = {"kernels": ((KERNEL_NUMBERS,), np.float32), "norms": ((2, NORM_CHANNELS), np.float32)}
_LARGEST: Final = 1e4
_REMEDY: Final = "Make it again (python -m scoring tune PAINTING -o FILE.safetensors), then put the trigger file again"


def dump_style(style: NDArray[np.float32], *, painting: str, painting_sha256: str) -> bytes:
    """Give the bytes of the file for a style, (`STYLE_NUMBERS`,), that was fitted to `painting`."""
    told = json.dumps({"format": FORMAT, "painting": painting, "sha256": painting_sha256}, sort_keys=True)
    norms, kernels = np.split(np.ascontiguousarray(style, np.float32), [2 * NORM_CHANNELS])
    parts = {"norms": norms.reshape(2, NORM_CHANNELS), "kernels": kernels}
    data: bytes = safetensors.numpy.save(parts, metadata={"impasto": told})
    return data


def load_style(data: bytes, name: str) -> NDArray[np.float32]:
    """Read a style, (`STYLE_NUMBERS`,) float32; raises InputError if the file `name` holds none."""
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"The style {name} is not a safetensors file ({str(error)[:120]})",
            _REMEDY,
            next_step=NextStep.START_NEW_RUN,
        ) from error
    if {key: (value.shape, value.dtype) for key, value in tensors.items()} != _FORM:
        held = ", ".join(f"{key} {value.dtype} {value.shape}" for key, value in sorted(tensors.items())[:5])
        wanted = " and ".join(f"{key} float32 {shape}" for key, (shape, _) in _FORM.items())
        raise InputError(
            f"The style {name} must hold {wanted}, not {held or 'nothing'}", _REMEDY, next_step=NextStep.START_NEW_RUN
        )
    style: NDArray[np.float32] = np.concatenate([tensors["norms"].ravel(), tensors["kernels"]])
    largest = float(np.abs(style).max())
    if not math.isfinite(largest) or largest > _LARGEST:
        raise InputError(
            f"The style {name} holds values that are no sensible numbers", _REMEDY, next_step=NextStep.START_NEW_RUN
        )
    return style
