"""The scorer `describe`: a few numbers about each frame, for search, sorting and finding cuts. It paints nothing.

Each frame is described alone, on one thread, from pictures of fixed sizes, so a record depends neither on the other
frames (but for `distance`) nor on the number of cores. Ways to measure: the vector is the painting predictor's (Ghiasi
et al. 2017, arXiv:1705.06830), sharpness the variance of the Laplacian, colours a median cut.
"""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from frame_tools.contracts.choices import Makes
from scoring.inference.allocator import keep_freed_memory
from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.device import DeviceScorer
from scoring.inference.tensors import best_device, check_frames, to_tensor
from scoring.scorers.any_painting.predictor import PAINTING_SIDE, Predictor
from scoring.scorers.any_painting.weights import load_networks
from scoring.types import Describe, FramePositions, Picture, Pictures, Prepared, Record, RunInputs

COLOURS: Final = 5
COLOUR_SIDE: Final = 64
"""Pixels: colours are counted in a picture scaled to a square of this side."""
SHARP_SIDE: Final = 480
"""Pixels: sharpness is measured where the shorter side is at most this, so that it does not follow the resolution."""
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
        """Give nothing."""
        return {}

    def open(self, _run: RunInputs, _prepared: Prepared) -> Describe:
        """Give the function that describes frames."""
        return _Describer(self._predictor, self._device, self._workers)


class _Describer:
    """The `Describe` of `ReceptiveField`; it remembers the last frame's vector for the distance to the next."""

    def __init__(self, predictor: Predictor, device: torch.device, lanes: CpuWorkers) -> None:
        self._predictor = predictor
        self._device = device
        self._workers = lanes
        self._last: tuple[int, NDArray[np.float32]] | None = None

    def __call__(self, frames: Pictures, moments: FramePositions) -> list[Record]:
        """Describe (B, H, W, 3) uint8, in the order of frames. `distance` is None behind a gap and at the start."""
        check_frames(frames)
        seen = self._workers.map(_simple, frames)
        records: list[Record] = []
        for moment, simple, vector in zip(moments, seen, self._vectors(frames), strict=True):
            distance = None
            if self._last is not None and self._last[0] == moment.index - 1:
                distance = round(float(np.linalg.norm(vector - self._last[1])), 4)
            self._last = moment.index, vector
            records.append(
                {
                    "frame": moment.index,
                    "seconds": round(moment.pts_seconds, 6),
                    **simple,
                    "distance": distance,
                    "vector": [round(float(value), 4) for value in vector],
                }
            )
        return records

    def _vectors(self, frames: Pictures) -> list[NDArray[np.float32]]:
        """Give each frame's (100,) vector."""
        together = len(frames) if self._device.type == "cuda" else 1
        parts = self._workers.map(lambda i: self._predict(frames[i : i + together]), range(0, len(frames), together))
        return list(np.concatenate(parts))

    def _predict(self, frames: Pictures) -> NDArray[np.float32]:
        """Give the (B, 100) vectors of whole frames, each squeezed into the square that the predictor knows."""
        side = (PAINTING_SIDE, PAINTING_SIDE)
        squares = np.stack([cv2.resize(frame, side, interpolation=cv2.INTER_AREA) for frame in frames])
        x = (to_tensor(squares, self._device) / 255).contiguous()
        vectors: NDArray[np.float32] = self._predictor(x).cpu().numpy()
        return vectors


def _simple(frame: Picture) -> dict[str, Any]:
    """Give what needs no network: brightness in 0..1, sharpness in squared grey levels, the most frequent colours."""
    luma = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return {
        "brightness": round(float(luma.mean()) / 255, 4),
        "sharpness": round(float(cv2.Laplacian(_at_most(luma, SHARP_SIDE), cv2.CV_64F).var()), 2),
        "colors": _colours(frame),
    }


def _at_most(luma: NDArray[np.uint8], shorter_side: int) -> NDArray[np.uint8]:
    """Shrink (H, W) so that its shorter side is `shorter_side`, if it is longer."""
    height, width = luma.shape
    scale = shorter_side / min(height, width)
    if scale >= 1:
        return luma
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk: NDArray[np.uint8] = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    return shrunk


def _colours(frame: Picture) -> list[dict[str, Any]]:
    """Give up to five colours, the most frequent first, with their share of the picture."""
    small = cv2.resize(frame, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA)
    painted = Image.fromarray(small).quantize(COLOURS, Image.Quantize.MEDIANCUT)
    palette = painted.getpalette() or []
    normalized_weights = np.bincount(np.asarray(painted).ravel(), minlength=COLOURS) / painted.width / painted.height
    return [
        {
            "rgb": "#{:02x}{:02x}{:02x}".format(*palette[3 * place : 3 * place + 3]),
            "share": round(float(normalized_weights[place]), 4),
        }
        for place in sorted(range(COLOURS), key=lambda place: (-normalized_weights[place], place))
        if normalized_weights[place] > 0
    ]
