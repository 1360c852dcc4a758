"""The scorer `describe`: measures each frame in a few numbers, for search, sorting and scene detection.

Each frame is described alone, on one thread, from pictures of fixed sizes, so a record depends neither on other frames
(except for `distance`) nor on the number of cores. The vector is that of the painting predictor (Ghiasi et al. 2017,
arXiv:1705.06830), sharpness is the variance of the Laplacian, and colors are the result of a median cut.
"""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from frame_tools.contracts.choices import Makes
from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.device import DeviceScorer
from scoring.inference.malloc import keep_freed_memory
from scoring.inference.tensors import best_device, check_frames, to_tensor
from scoring.opencv import resize, to_gray
from scoring.scorers.any_painting.predictor import PAINTING_SIDE, Predictor
from scoring.scorers.any_painting.weights import load_networks
from scoring.types import Describe, FramePositions, Picture, Pictures, Prepared, Record, RunInputs

COLORS: Final = 5
COLOR_SIDE: Final = 64
"""Pixels: side of the square to which a frame is scaled to count its colors."""
SHARPNESS_SIDE: Final = 480
"""Pixels: shorter side to which larger frames are scaled to measure sharpness, so that it is independent of the
resolution."""
GPU_FRAMES: Final = 16


class FrameDescriber(DeviceScorer):
    """See `scoring.types.Scorer`."""

    makes: Makes = "records"
    in_order: bool = True

    def __init__(self, predictor: Predictor, device: torch.device) -> None:
        super().__init__(device, gpu_frames=GPU_FRAMES)
        self._predictor = predictor

    @classmethod
    def load(cls, weights: Path) -> "FrameDescriber":
        """Load the painting predictor from the folder `weights`."""
        device = best_device()
        if device.type == "cpu":
            keep_freed_memory()
        return cls(load_networks(weights, device).predictor, device)

    def prepare(self, _run: RunInputs) -> Prepared:
        """Return an empty mapping."""
        return {}

    def open(self, _run: RunInputs, _prepared: Prepared) -> Describe:
        """Return the function that describes frames."""
        return _Describer(self._predictor, self._device, self._workers)


class _Describer:
    """The `Describe` of `FrameDescriber`; it keeps the last frame's vector for the distance to the next frame."""

    def __init__(self, predictor: Predictor, device: torch.device, workers: CpuWorkers) -> None:
        self._predictor = predictor
        self._device = device
        self._workers = workers
        self._last: tuple[int, NDArray[np.float32]] | None = None

    def __call__(self, frames: Pictures, positions: FramePositions) -> list[Record]:
        """Describe (B, H, W, 3) uint8, in the order of frames. `distance` is None after a gap and at the start."""
        check_frames(frames)
        measurements = self._workers.map(_measure, frames)
        records: list[Record] = []
        for position, measured, vector in zip(positions, measurements, self._vectors(frames), strict=True):
            distance = None
            if self._last is not None and self._last[0] == position.index - 1:
                distance = round(float(np.linalg.norm(vector - self._last[1])), 4)
            self._last = position.index, vector
            records.append(
                {
                    "frame": position.index,
                    "seconds": round(position.pts_seconds, 6),
                    **measured,
                    "distance": distance,
                    "vector": [round(float(value), 4) for value in vector],
                }
            )
        return records

    def _vectors(self, frames: Pictures) -> list[NDArray[np.float32]]:
        """Return the (100,) vector of each frame."""
        group_size = len(frames) if self._device.type == "cuda" else 1
        starts = range(0, len(frames), group_size)
        groups = self._workers.map(lambda i: self._predict(frames[i : i + group_size]), starts)
        return list(np.concatenate(groups))

    def _predict(self, frames: Pictures) -> NDArray[np.float32]:
        """Return the (B, 100) vectors of whole frames, each scaled to the square input of the predictor."""
        squares = np.stack([resize(frame, PAINTING_SIDE, PAINTING_SIDE, cv2.INTER_AREA) for frame in frames])
        x = (to_tensor(squares, self._device) / 255).contiguous()
        return np.asarray(self._predictor(x).cpu().numpy(), np.float32)


def _measure(frame: Picture) -> dict[str, Any]:
    """Return what needs no network: brightness in 0..1, sharpness in square gray levels, the most frequent colors."""
    luma = to_gray(frame)
    return {
        "brightness": round(float(luma.mean()) / 255, 4),
        "sharpness": round(float(cv2.Laplacian(_downscale(luma, SHARPNESS_SIDE), cv2.CV_64F).var()), 2),
        "colors": _colors(frame),
    }


def _downscale(luma: NDArray[np.uint8], shorter_side: int) -> NDArray[np.uint8]:
    """Scale (H, W) down so that its shorter side is at most `shorter_side`."""
    height, width = luma.shape
    scale = shorter_side / min(height, width)
    if scale >= 1:
        return luma
    return resize(luma, max(1, round(width * scale)), max(1, round(height * scale)), cv2.INTER_AREA)


def _colors(frame: Picture) -> list[dict[str, Any]]:
    """Return up to five colors, the most frequent first, with their share of the picture."""
    small = Image.fromarray(resize(frame, COLOR_SIDE, COLOR_SIDE, cv2.INTER_AREA))
    indexed = small.quantize(COLORS, Image.Quantize.MEDIANCUT)
    palette = indexed.getpalette() or []
    shares = np.bincount(np.asarray(indexed).ravel(), minlength=COLORS) / indexed.width / indexed.height
    return [
        {
            "rgb": "#{:02x}{:02x}{:02x}".format(*palette[3 * index : 3 * index + 3]),
            "share": round(float(shares[index]), 4),
        }
        for index in sorted(range(COLORS), key=lambda index: (-shares[index], index))
        if shares[index] > 0
    ]
