"""The scorer `any`: repaint frames in the hand of any painting, on the GPU if there is one, else on the CPU.

On a CPU each frame goes through the network alone, in float32, on one thread; several threads paint several frames.
So no core waits for another within a frame, and a frame's bytes depend neither on its neighbours nor on the number of
cores. On a GPU whole batches run in half precision, if the first frame shows that nobody can see the difference.
"""

import logging
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)

from frame_tools.errors import InternalError
from scoring.allocator import keep_freed_memory
from scoring.any_painting.network import PAINTING_SIDE, SMALLEST_SIDE, STRIDE, STYLE_SIZE, Transformer
from scoring.any_painting.weights import Networks, load_networks
from scoring.lanes import Lanes, cores
from scoring.protocol import Picture, PictureError, Pictures, Score, StyleVector

FAITHFUL_DB = 38.0
"""Least PSNR, in dB, of half precision against float32: above it the eye finds no difference in a painting."""

MAX_LANES = 8
"""Most frames painted at once on a CPU: each takes about 0.5 GB at 1920x1080."""

GPU_FRAMES = 8
"""Frames in one forward on a GPU."""

_LOG = logging.getLogger(__name__)


class AnyPainting:
    """The any-painting network on one device; see `scoring.protocol.Scorer`."""

    def __init__(self, networks: Networks, device: torch.device) -> None:
        self._networks = networks
        self._device = device
        self._lanes = Lanes(1 if device.type == "cuda" else min(cores(), MAX_LANES))

    @classmethod
    def load(cls, weights: Path) -> "AnyPainting":
        """Load the network from the folder `weights` onto the GPU, or onto the CPU if there is none."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if device.type == "cpu":
            keep_freed_memory()
        return cls(load_networks(weights, device), device)

    @property
    def device(self) -> str:
        """The device in words."""
        if self._device.type == "cuda":
            return f"cuda ({torch.cuda.get_device_name(self._device)})"
        return "cpu"

    @property
    def frames_per_forward(self) -> int:
        """As many as the device paints side by side."""
        return GPU_FRAMES if self._device.type == "cuda" else self._lanes.size

    def style_vector(self, painting: Picture) -> StyleVector:
        """Give the (100,) style vector of the painting's centre square, scaled to 256x256 without aliasing."""
        side = min(painting.shape[:2])
        top, left = (painting.shape[0] - side) // 2, (painting.shape[1] - side) // 2
        square = np.ascontiguousarray(painting[top : top + side, left : left + side])
        return self._lanes.map(self._predict, [square])[0]

    def _predict(self, square: Picture) -> StyleVector:
        """Give the style vector of a square painting."""
        x = _to_float(torch.from_numpy(square[None]).to(self._device))
        x = F.interpolate(x, (PAINTING_SIDE, PAINTING_SIDE), mode="bilinear", antialias=True)
        vector: StyleVector = self._networks.predictor(x)[0].cpu().numpy()
        return vector

    def prepare(self, style: StyleVector | None, *, strength: float = 1.0) -> Score:
        """Give the function that paints frames in this style.

        `strength` blends pixels, not style vectors: a painting's vector mixed with the frame's own never gives the
        frame back. 0 gives exactly the frame, 1 exactly the network's picture.
        """
        if style is None or style.shape != (STYLE_SIZE,) or not np.isfinite(style).all():
            raise InternalError(
                f"A style vector must be {STYLE_SIZE} finite numbers, not {style if style is None else style.shape}",
                "Compute it again from the painting",
            )
        if not 0 <= strength <= 1:
            raise InternalError(f"A strength of {strength} means nothing", "Use a number from 0 to 1")
        vector = torch.from_numpy(style.astype(np.float32)).to(self._device)
        return Painter(self._networks.transformer, vector, self._lanes, strength=strength)


class Painter:
    """Paints frames with one style vector, on the vector's device; the `Score` of `AnyPainting`."""

    def __init__(self, transformer: Transformer, vector: torch.Tensor, lanes: Lanes, *, strength: float) -> None:
        self._transformer = transformer
        self._vector = vector
        self._lanes = lanes
        self._strength = strength
        self._half: bool | None = None if vector.device.type == "cuda" else False

    def __call__(self, frames: Pictures) -> Pictures:
        """Paint (B, H, W, 3) uint8 of any size. Raises PictureError for a frame that comes out as no numbers."""
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            raise InternalError(
                f"Frames must be uint8 (B, H, W, 3), not {frames.dtype} {frames.shape}", "Decode them as RGB"
            )
        if self._strength == 0 or not frames.size:
            return frames
        together = len(frames) if self._vector.device.type == "cuda" else 1
        starts = range(0, len(frames), together)
        return np.concatenate(self._lanes.map(lambda i: self._paint(frames[i : i + together], first=i), starts))

    def _paint(self, frames: Pictures, *, first: int) -> Pictures:
        """Paint frames in one forward; `first` is the place of the first in its batch."""
        height, width = frames.shape[1:3]
        x = pad(_to_float(torch.from_numpy(np.ascontiguousarray(frames)).to(self._vector.device)))
        if self._half is None:
            self._half = half_is_faithful(self._transformer, x[:1], self._vector)
        y = _forward(self._transformer, x, self._vector, half=self._half)[:, :, :height, :width]
        if not math.isfinite(y.sum()):
            at = next(i for i in range(len(y)) if not math.isfinite(y[i].sum()))
            raise PictureError(
                first + at,
                "The network gave values that are no numbers",
                "Check the style vector and the weights: python -m scoring weights",
            )
        if self._strength < 1:
            y = torch.lerp(x[:, :, :height, :width], y, self._strength)
        painted: Pictures = (y * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return painted


def pad(x: torch.Tensor) -> torch.Tensor:
    """Pad (B, C, H, W) at right and bottom to multiples of 4, at least 8: by reflection where the picture suffices."""
    for axis in (2, 3):
        size = x.shape[axis]
        more = max(SMALLEST_SIDE, math.ceil(size / STRIDE) * STRIDE) - size
        if more:
            pads = (0, 0, 0, more) if axis == 2 else (0, more, 0, 0)
            x = F.pad(x, pads, mode="reflect" if more < size else "replicate")
    return x


def half_is_faithful(transformer: Transformer, frame: torch.Tensor, vector: torch.Tensor) -> bool:
    """Paint (1, 3, H, W) in half and in full precision and tell if they agree to `FAITHFUL_DB`."""
    full = _forward(transformer, frame, vector, half=False)
    error = (_forward(transformer, frame, vector, half=True) - full).square().mean().item()
    decibels = math.inf if error == 0 else -10 * math.log10(error)
    faithful = decibels >= FAITHFUL_DB  # not a number, too, is not
    _LOG.info("Half precision agrees with full precision to %.1f dB: %s.", decibels, "used" if faithful else "not used")
    return faithful


def _forward(transformer: Transformer, x: torch.Tensor, vector: torch.Tensor, *, half: bool) -> torch.Tensor:
    """Run the network; in half precision with the memory layout that half-precision units want."""
    if not half:
        return transformer(x, vector)
    with torch.autocast(x.device.type, torch.float16):
        return transformer(x.contiguous(memory_format=torch.channels_last), vector).float()


def _to_float(frames: torch.Tensor) -> torch.Tensor:
    """Turn uint8 (B, H, W, 3) into float32 (B, 3, H, W) in 0..1."""
    return frames.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)
