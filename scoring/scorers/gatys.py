"""The scorer `gatys`: optimizes each frame until VGG16 sees the frame's content and the painting's texture in it.

Gatys et al. 2015 (https://arxiv.org/abs/1508.06576). The optimizer is Adam, which gets further than L-BFGS with equal
work: after 60 evaluations on a frame of 256x144 the loss is 1.92, with L-BFGS 2.30. A frame is initialized with the
result for the frame before, warped along the motion (Ruder et al. 2016, https://arxiv.org/abs/1604.08610), so frames
are scored in order. The first frame of a task is initialized with the frame in the painting's colors.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import DamagedError, InputError, InternalError, NextStep, TemporaryError
from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import VGG_WEIGHTS
from scoring.image_codec import decode_painting
from scoring.inference.tensors import best_device, check_finite, check_frames, device_label, to_pictures, to_tensor
from scoring.inference.tiling import is_out_of_memory
from scoring.inference.weight_files import VGG
from scoring.opencv import remap, resize
from scoring.perception.losses import CONTENT_TAP, STYLE_TAPS, content_loss, grams, style_loss
from scoring.perception.vgg import CHANNELS, TAPS, Vgg, load_vgg
from scoring.scorers.painting_parts import MAX_PARTS, covering_parts
from scoring.temporal.flow import estimate_motion, pixel_grid
from scoring.types import FramePositions, Picture, Pictures, Prepared, RunInputs, Score

STEPS: Final = 60
"""Default number of steps for a frame without a predecessor; the run's argument `steps` overrides it."""
MAX_STEPS: Final = 2000
WARM_START_DIVISOR: Final = 3
"""A frame that is initialized with the result for another takes this fraction of the steps."""
LEARNING_RATE: Final = 0.05
WARM_START_LEARNING_RATE: Final = 0.02
"""Adam's learning rates at the first step, for pictures in 0..1; they fall linearly to 0."""
STYLE_WEIGHT: Final = 10.0
SMOOTHNESS_WEIGHT: Final = 30.0
"""Weight of the mean squared difference of neighboring pixels, which keeps noise down."""
MARGIN: Final = 16
"""Pixels painted beyond the borders and cropped afterwards: VGG16's zero padding leaves dark bars there."""
MIN_PAINTING_SIDE: Final = 32  # pixels
_MAX_ASPECT: Final = 2
"""Longer paintings are measured in parts, so that they need no more memory than a frame."""

_COLORS: Final = "colours"
"""Key of the painting's colors among the prepared values. It is stored, so it keeps its spelling."""
_SHAPES: Final = {tap: (CHANNELS[i], CHANNELS[i]) for i, tap in TAPS.items()} | {_COLORS: (2, 3)}


class Gatys:
    """See `scoring.types.Scorer`. On a CPU all cores work on one frame; its bytes may depend on their number."""

    makes: Makes = "pictures"
    in_order: bool = True
    frames_per_forward: int = 1

    def __init__(self, vgg: Vgg, device: torch.device) -> None:
        self._vgg = vgg
        self._device = device

    @classmethod
    def load(cls, weights: Path) -> "Gatys":
        """Load VGG16 from the folder `weights`; raises MissingError, or DamagedError for other weights."""
        device, path = best_device(), weights / VGG
        vgg = load_vgg(path, device)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 != VGG_WEIGHTS:
            raise DamagedError(
                f"{path} has sha256 {sha256}, not {VGG_WEIGHTS}", "Create it again with: python -m scoring vgg"
            )
        return cls(vgg, device)

    @property
    def device(self) -> str:
        """Label of the device."""
        return device_label(self._device)

    def prepare(self, run: RunInputs) -> Prepared:
        """Return the painting's Gram matrices at `STYLE_TAPS`, (C, C), and mean and deviation of its colors, (2, 3).

        The painting is scaled to the size of the frames, so that strokes are as large in the video as in the painting.
        """
        _steps(run.options)
        if len(run.styles) != 1:
            raise InternalError(f"The scorer gatys got {len(run.styles)} style files", "Plan it with one painting")
        picture = decode_painting(run.styles[0].data, run.styles[0].name)
        painting = _scale(picture, min(run.sample()[0].shape[:2]))
        with torch.no_grad():
            parts = [
                grams(self._vgg(to_tensor(part[None], self._device) / 255))
                for part in covering_parts(painting, _MAX_ASPECT)
            ]
        prepared: dict[str, NDArray[np.float32]] = {
            tap: torch.cat([matrices[tap] for matrices in parts]).mean(0).cpu().numpy() for tap in parts[0]
        }
        return prepared | {_COLORS: np.stack(_mean_and_deviation(painting))}

    def open(self, run: RunInputs, prepared: Prepared) -> Score:
        """Return the function that paints frames."""
        if {name: values.shape for name, values in prepared.items()} != _SHAPES:
            raise InternalError(
                "The prepared values of the run do not describe a painting",
                "Start a new run",
                next_step=NextStep.START_NEW_RUN,
            )
        return _Painter(self._vgg, self._device, prepared, steps=_steps(run.options))


@dataclass(frozen=True)
class _PreviousFrame:
    index: int
    frame: Picture
    painted: NDArray[np.float32]
    """(H, W, 3) in 0..255, not rounded."""


class _Painter:
    """The `Score` of `Gatys`."""

    def __init__(self, vgg: Vgg, device: torch.device, prepared: Prepared, *, steps: int) -> None:
        self._vgg = vgg
        self._device = device
        self._target = {tap: torch.from_numpy(prepared[tap].copy()).to(device)[None] for tap in STYLE_TAPS}
        self._colors = prepared[_COLORS]
        self._steps = steps
        self._previous: _PreviousFrame | None = None

    def __call__(self, frames: Pictures, positions: FramePositions) -> Pictures:
        """Paint (B, H, W, 3) uint8, one after the other."""
        check_frames(frames)
        return np.stack([self._paint(frame, positions[i].index, i) for i, frame in enumerate(frames)])

    def _paint(self, frame: Picture, index: int, position: int) -> Picture:
        initial, is_warm_start = self._initialize(frame, index)
        steps = max(1, self._steps // WARM_START_DIVISOR) if is_warm_start else self._steps
        rate = WARM_START_LEARNING_RATE if is_warm_start else LEARNING_RATE
        try:
            y = self._optimize(frame, initial, steps=steps, rate=rate)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise TemporaryError(
                f"VGG16's features of a frame of {frame.shape[1]}x{frame.shape[0]} pixels do not fit into memory",
                "Upload the trigger file again with a smaller size, or use a device with more memory",
                next_step=NextStep.START_NEW_RUN,
            ) from error
        check_finite(y, first=position, remedy="Choose another painting or fewer steps", fault=InputError)
        self._previous = _PreviousFrame(index, frame.copy(), y[0].permute(1, 2, 0).cpu().numpy())
        return to_pictures(y).squeeze(0)

    def _initialize(self, frame: Picture, index: int) -> tuple[NDArray[np.float32], bool]:
        """Return the initial picture, (H, W, 3), and whether it is the result for the frame before."""
        mean, deviation = _mean_and_deviation(frame)
        recolored: NDArray[np.float32] = (frame - mean) / np.maximum(deviation, 1) * self._colors[1] + self._colors[0]
        previous = self._previous
        if previous is None or previous.index != index - 1 or previous.frame.shape != frame.shape:
            return recolored, False
        motion = estimate_motion(previous.frame, frame)
        if motion is None:
            return recolored, False
        height, width = frame.shape[:2]
        positions = motion.full_resolution(height, width) + pixel_grid(range(height), width)
        warped = remap(previous.painted, positions, cv2.INTER_LINEAR)
        confidence = motion.full_resolution_confidence(height, width)[..., None]
        return recolored + confidence * (warped - recolored), True

    def _optimize(self, frame: Picture, initial: NDArray[np.float32], *, steps: int, rate: float) -> torch.Tensor:
        """Return the optimized picture, (1, 3, H, W) in 0..255."""
        margins = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
        x = (to_tensor(np.pad(frame, margins, mode="reflect")[None], self._device) / 255).contiguous()
        canvas = np.pad(initial, margins, mode="reflect").transpose(2, 0, 1)[None].clip(0, 255) / 255
        y = torch.from_numpy(np.ascontiguousarray(canvas)).to(self._device).requires_grad_()
        with torch.no_grad():
            content = {CONTENT_TAP: self._vgg(x, CONTENT_TAP)[CONTENT_TAP]}
        adam = torch.optim.Adam([y], rate)
        linear_decay = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, steps)
        with torch.enable_grad():
            for _ in range(steps):
                adam.zero_grad()
                self._loss(y, content).backward()
                adam.step()
                linear_decay.step()
        return y.detach()[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN].clamp(0, 1) * 255

    def _loss(self, y: torch.Tensor, content: dict[str, torch.Tensor]) -> torch.Tensor:
        features = self._vgg(y)
        roughness = y.diff(dim=2).square().mean() + y.diff(dim=3).square().mean()
        return (content_loss(features, content) + STYLE_WEIGHT * style_loss(features, self._target)).sum() + (
            SMOOTHNESS_WEIGHT * roughness
        )


def _steps(options: Options) -> int:
    """Return the run's number of steps; raises InputError for an invalid argument."""
    steps = options.arguments.get("steps", STEPS)
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
        raise InputError(
            f"The argument steps is {str(steps)[:40]!r}",
            f"Set a whole number from 1 to {MAX_STEPS}, then upload the trigger file again",
            next_step=NextStep.START_NEW_RUN,
        )
    return steps


def _scale(painting: Picture, side: int) -> Picture:
    """Scale so that the shorter side is `side`, at least MIN_PAINTING_SIDE; the longest paintings are squeezed."""
    side = max(side, MIN_PAINTING_SIDE)
    scale = side / min(painting.shape[:2])
    height, width = (min(round(length * scale), _MAX_ASPECT * MAX_PARTS * side) for length in painting.shape[:2])
    return resize(painting, width, height, cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _mean_and_deviation(picture: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of each channel, (3,)."""
    mean, deviation = cv2.meanStdDev(picture)
    return mean[:, 0].astype(np.float32), deviation[:, 0].astype(np.float32)
