"""The scorer `gatys`: each frame is optimised until VGG16 sees the frame's content and the painting's texture in it.

Gatys et al. 2015 (https://arxiv.org/abs/1508.06576). Adam, because for equal work it comes further than L-BFGS: after
60 evaluations on a frame of 256x144 the loss is 1.92, with L-BFGS 2.30. A frame begins where the one before ended,
moved along with the picture (Ruder et al. 2016, https://arxiv.org/abs/1604.08610), so frames come in order; the first
one of a task begins as the frame in the painting's colours.
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
from frame_tools.media import images
from scoring.inference.tensors import best_device, check_finite, check_frames, device_label, to_pictures, to_tensor
from scoring.inference.tiling import is_out_of_memory
from scoring.inference.weight_files import VGG
from scoring.perception.losses import CONTENT_TAP, STYLE_TAPS, content_loss, grams, style_loss
from scoring.perception.vgg import CHANNELS, TAPS, Vgg, load_vgg
from scoring.temporal.flow import estimate_motion
from scoring.types import FramePositions, Picture, Pictures, Prepared, RunInputs, Score

STEPS: Final = 60
"""Of a frame that begins anew, unless the run's argument `steps` says another number."""
MAX_STEPS: Final = 2000
FOLLOWING: Final = 3
"""A frame that begins where another ended takes this fraction of the steps."""
RATE, FOLLOWING_RATE = 0.05, 0.02
"""Adam's learning rate at the first step, for pictures in 0..1; it falls to 0 in a straight line."""
STYLE_WEIGHT: Final = 10.0
SMOOTHNESS_WEIGHT: Final = 30.0
"""Of the mean squared difference of neighbouring pixels, which keeps noise down."""
MARGIN: Final = 16
"""Pixels painted beyond the borders and cut off: the zeros that VGG16 pads with leave dark bars there."""
SMALLEST_PAINTING: Final = 32  # pixels

_COLOURS = "colours"
_SHAPES: Final = {tap: (CHANNELS[i], CHANNELS[i]) for i, tap in TAPS.items()} | {_COLOURS: (2, 3)}


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
        """Load VGG16 from the folder `weights`; raises MissingError, or DamagedError for other weights, too."""
        device, path = best_device(), weights / VGG
        vgg = load_vgg(path, device)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != VGG_WEIGHTS:
            raise DamagedError(f"{path} has sha256 {found}, not {VGG_WEIGHTS}", "Make it with: python -m scoring vgg")
        return cls(vgg, device)

    @property
    def device(self) -> str:
        """The device in words."""
        return device_label(self._device)

    def prepare(self, run: RunInputs) -> Prepared:
        """Give the painting's Gram matrix at each of `STYLE_TAPS`, (C, C), and its colours' mean and deviation, (2, 3).

        The painting is seen at the size of the frames, so that strokes have the size in the video that they have there.
        """
        _steps(run.options)
        if len(run.styles) != 1:
            raise InternalError(f"The scorer gatys got {len(run.styles)} style files", "Plan it with one painting")
        painting = _at_side(np.array(images.read_rgb(run.styles[0].data)), min(run.sample()[0].shape[:2]))
        with torch.no_grad():
            found = grams(self._vgg(to_tensor(painting[None], self._device) / 255))
        prepared: dict[str, NDArray[np.float32]] = {tap: gram[0].cpu().numpy() for tap, gram in found.items()}
        return prepared | {_COLOURS: np.stack(_colours(painting))}

    def open(self, run: RunInputs, prepared: Prepared) -> Score:
        """Give the function that paints frames."""
        if {name: values.shape for name, values in prepared.items()} != _SHAPES:
            raise InternalError(
                "What was prepared for this run does not describe a painting",
                "Start the run anew",
                next_step=NextStep.START_NEW_RUN,
            )
        return _Painter(self._vgg, self._device, prepared, steps=_steps(run.options))


@dataclass(frozen=True)
class _Before:
    """The frame before."""

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
        self._colours = prepared[_COLOURS]
        self._steps = steps
        self._before: _Before | None = None

    def __call__(self, frames: Pictures, moments: FramePositions) -> Pictures:
        """Paint (B, H, W, 3) uint8, one after the other."""
        check_frames(frames)
        return np.stack([self._paint(frame, moments[i].index, i) for i, frame in enumerate(frames)])

    def _paint(self, frame: Picture, index: int, position: int) -> Picture:
        start, follows = self._start(frame, index)
        steps = max(1, self._steps // FOLLOWING) if follows else self._steps
        try:
            y = self._optimised(frame, start, steps=steps, rate=FOLLOWING_RATE if follows else RATE)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise TemporaryError(
                f"The memory does not take VGG16's view of a frame of {frame.shape[1]}x{frame.shape[0]} pixels",
                "Put the trigger file again with a smaller size, or use a device with more memory",
                next_step=NextStep.START_NEW_RUN,
            ) from error
        check_finite(y, first=position, remedy="Choose another painting, or fewer steps", fault=InputError)
        self._before = _Before(index, frame.copy(), y[0].permute(1, 2, 0).cpu().numpy())
        painted: Picture = to_pictures(y)[0]
        return painted

    def _start(self, frame: Picture, index: int) -> tuple[NDArray[np.float32], bool]:
        """Give where to begin, (H, W, 3), and whether that is where the frame before ended."""
        mean, deviation = _colours(frame)
        fresh: NDArray[np.float32] = (frame - mean) / np.maximum(deviation, 1) * self._colours[1] + self._colours[0]
        before = self._before
        if before is None or before.index != index - 1 or before.frame.shape != frame.shape:
            return fresh, False
        motion = estimate_motion(before.frame, frame)
        if motion is None:
            return fresh, False
        height, width = frame.shape[:2]
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        places = motion.full_resolution(height, width) + np.stack([columns, rows], axis=-1)
        moved = cv2.remap(before.painted, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return fresh + motion.full_resolution_confidence(height, width)[..., None] * (moved - fresh), True

    def _optimised(self, frame: Picture, start: NDArray[np.float32], *, steps: int, rate: float) -> torch.Tensor:
        """Give (1, 3, H, W) in 0..255."""
        edges = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
        x = (to_tensor(np.pad(frame, edges, mode="reflect")[None], self._device) / 255).contiguous()
        canvas = np.pad(start, edges, mode="reflect").transpose(2, 0, 1)[None].clip(0, 255) / 255
        y = torch.from_numpy(np.ascontiguousarray(canvas)).to(self._device).requires_grad_()
        with torch.no_grad():
            content = {CONTENT_TAP: self._vgg(x, CONTENT_TAP)[CONTENT_TAP]}
        adam = torch.optim.Adam([y], rate)
        falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, steps)
        with torch.enable_grad():
            for _ in range(steps):
                adam.zero_grad()
                self._loss(y, content).backward()
                adam.step()
                falling.step()
        return y.detach()[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN].clamp(0, 1) * 255

    def _loss(self, y: torch.Tensor, content: dict[str, torch.Tensor]) -> torch.Tensor:
        seen = self._vgg(y)
        rough = y.diff(dim=2).square().mean() + y.diff(dim=3).square().mean()
        return (content_loss(seen, content) + STYLE_WEIGHT * style_loss(seen, self._target)).sum() + (
            SMOOTHNESS_WEIGHT * rough
        )


def _steps(options: Options) -> int:
    """Give the run's number of steps; raises InputError for an argument that is none."""
    steps = options.arguments.get("steps", STEPS)
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
        raise InputError(
            f"steps is {str(steps)[:40]!r}",
            f"Give a whole number from 1 to {MAX_STEPS}, then put the trigger file again",
            next_step=NextStep.START_NEW_RUN,
        )
    return steps


def _at_side(painting: Picture, side: int) -> Picture:
    """Scale so that the shorter side is `side`, at least SMALLEST_PAINTING; cut the longer to twice that, centred."""
    side = max(side, SMALLEST_PAINTING)
    height, width = painting.shape[:2]
    keep = [min(length, 2 * min(height, width)) for length in (height, width)]
    top, left = (height - keep[0]) // 2, (width - keep[1]) // 2
    scale = side / min(height, width)
    size = (round(keep[1] * scale), round(keep[0] * scale))
    kept = painting[top : top + keep[0], left : left + keep[1]]
    scaled: Picture = cv2.resize(kept, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return scaled


def _colours(picture: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give mean and standard deviation of each channel, (3,)."""
    mean, deviation = cv2.meanStdDev(picture)
    return mean[:, 0].astype(np.float32), deviation[:, 0].astype(np.float32)
