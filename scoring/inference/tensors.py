"""Conversion between pictures and tensors, and checks of both, for every scorer with a network."""

import math

import numpy as np
import torch

from frame_tools.contracts.errors import ImpastoError, InternalError, NextStep
from scoring.types import NonFiniteOutputError, Pictures


def best_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_label(device: torch.device) -> str:
    """Return the label of a device for receipts and logs: "cpu", "cuda (NVIDIA A10)"."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def check_frames(frames: Pictures) -> None:
    """Raise InternalError unless `frames` are uint8 (B, H, W, 3) with at least one pixel each."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape[1:]:
        raise InternalError(
            f"Frames must be uint8 (B, H, W, 3), not {frames.dtype} {frames.shape}", "Decode them as RGB"
        )


def to_tensor(frames: Pictures, device: torch.device) -> torch.Tensor:
    """Convert uint8 (B, H, W, 3) to float32 (B, 3, H, W) in 0..255, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(frames)).to(device).permute(0, 3, 1, 2).to(torch.float32)


def to_pictures(y: torch.Tensor) -> Pictures:
    """Convert float (B, 3, H, W) to uint8 (B, H, W, 3): clamped to 0..255, rounded to the nearest level."""
    pictures: Pictures = to_uint8(y).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return pictures


def to_uint8(y: torch.Tensor) -> torch.Tensor:
    """Convert float values to uint8: clamped to 0..255, rounded to the nearest level."""
    return y.clamp(0, 255).round_().to(torch.uint8)


def concatenate(parts: list[Pictures]) -> Pictures:
    """Concatenate parts of a batch; a single part, as on a GPU, is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def check_finite(
    y: torch.Tensor, *, first: int, remedy: str, fault: type[ImpastoError], next_step: NextStep | None = None
) -> None:
    """Raise NonFiniteOutputError for the first of (B, ...) with NaN or infinity.

    `first` is the place of y[0] in its batch; the other arguments are those of the error.
    """
    if not math.isfinite(y.sum()):
        bad = [i for i in range(len(y)) if not bool(y[i].isfinite().all())]
        if bad:
            raise NonFiniteOutputError(
                first + bad[0],
                "The output of the network contains NaN or infinity",
                remedy,
                fault=fault,
                next_step=next_step,
            )
