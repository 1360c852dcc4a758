"""Scoring on a GPU from upload to download: motion, network, checks and smoothing share one copy of each frame.

A batch is uploaded once, and only its finished pictures come back. Between the two the host learns a few numbers per
frame, and from them decides on faults and scene cuts. It waits for those in the second of three steps, so that the
first step of the next batch is queued meanwhile and the device does not wait for the host.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from frame_tools.contracts.errors import TemporaryError
from scoring.inference.tensors import to_uint8
from scoring.inference.tiling import is_out_of_memory
from scoring.inference.transfers import Download, Transfers, transfers_for
from scoring.pipeline.frame_guard import NON_FINITE, Guard, Levels, blank_fault_of
from scoring.temporal.gpu.motion import SCENE_CUT_THRESHOLD, Motions, estimate_motions, flow_images
from scoring.temporal.gpu.smoother import as_tensor
from scoring.types import DecodedFrame, Picture, TensorScore

T = TypeVar("T")

SmoothTensor = Callable[[DecodedFrame, torch.Tensor, Motions | None], Any]
"""Takes a frame, its picture (1, 3, H, W) uint8 and its motion, in order; returns the picture to deliver."""


@dataclass(frozen=True)
class Begun:
    """A batch whose pictures are being painted."""

    frames: Sequence[DecodedFrame]
    uploaded: torch.Tensor
    pictures: torch.Tensor
    """(B, 3, H, W) uint8."""
    motions: Motions | None
    """Of the last frames of the batch: all, or all but the first."""
    facts: Download
    """Per frame, (B, 5): mean and deviation of its picture (NaN or infinity if that has any) and of its input, and the
    share of confident motion."""


class DeviceScoring:
    """Scores and smooths consecutive batches on a device; a `scoring.pipeline.types.SteppedScore`.

    `smooth` is the ordered stage of the run, on tensors. `cuts` are indices of frames that start new scenes.
    """

    def __init__(
        self,
        score: TensorScore,
        guard: Guard,
        smooth: SmoothTensor,
        *,
        with_motion: bool,
        cuts: Collection[int] = (),
        reject_blank: bool = True,
    ) -> None:
        self._score, self._guard, self._smooth = score, guard, smooth
        self._with_motion, self._cuts, self._reject_blank = with_motion, frozenset(cuts), reject_blank
        self._transfers: Transfers = transfers_for(score.device)
        self._before: tuple[int, torch.Tensor] | None = None

    def begin(self, frames: Sequence[DecodedFrame]) -> Begun:
        """Upload a batch, and queue its motion, its painting and the numbers that `follow` decides on."""
        return _within_memory(lambda: self._begin(frames))

    def follow(self, begun: Begun) -> Download:
        """Resolve faults, smooth in order, and queue the download."""
        return _within_memory(lambda: self._follow(begun))

    def result(self, download: Download) -> list[Picture]:
        """Wait for the pictures to deliver."""
        return list(download.wait().numpy())

    def _begin(self, frames: Sequence[DecodedFrame]) -> Begun:
        uploaded = self._transfers.upload([frame.working_picture for frame in frames])
        pictures = uploaded.permute(0, 3, 1, 2)
        motions, shares = self._motions(frames, pictures)
        painted = self._score.score_tensors(uploaded, tuple(frame.position for frame in frames))
        facts = self._transfers.download(torch.cat([_levels(painted), _levels(pictures), shares[:, None]], 1))
        return Begun(frames, uploaded, to_uint8(painted), motions, facts)

    def _motions(self, frames: Sequence[DecodedFrame], pictures: torch.Tensor) -> tuple[Motions | None, torch.Tensor]:
        """Return the motion of each frame that has a predecessor, and its share of confident pixels (else 0)."""
        shares = torch.zeros(len(frames), device=pictures.device)
        images = flow_images(pictures) if self._with_motion else None
        if images is None:
            return None, shares
        before, self._before = self._before, (frames[-1].position.index, images[-1:].clone())
        if before is not None and before[0] == frames[0].position.index - 1 and before[1].shape == images[:1].shape:
            images = torch.cat([before[1], images])
        if len(images) == 1:
            return None, shares
        motions, confident = estimate_motions(images)
        shares[len(frames) - len(confident) :] = confident
        return motions, shares

    def _follow(self, begun: Begun) -> Download:
        pictures, facts = begun.pictures, begun.facts.wait()
        if not bool(facts[:, 0].isfinite().all()):  # in half precision
            pictures, facts = self._painted_again(begun, slice(None))
        for place, row in enumerate(facts):
            self._check(begun, place, row, pictures)
        motions = (self._motion(begun, place, float(share)) for place, share in enumerate(facts[:, 4]))
        smoothed = [
            as_tensor(self._smooth(frame, picture, motion), picture.device)
            for frame, picture, motion in zip(begun.frames, pictures.split(1), motions, strict=True)
        ]
        return self._transfers.download(torch.cat(smoothed).permute(0, 2, 3, 1).contiguous())

    def _check(self, begun: Begun, place: int, facts: torch.Tensor, pictures: torch.Tensor) -> None:
        """Paint a faulty frame again in full precision, and record what was wrong."""
        what = self._fault(facts)
        if what is None:
            return
        picture, facts_again = self._painted_again(begun, slice(place, place + 1))
        pictures[place : place + 1] = picture
        self._guard.record(begun.frames[place].position.index, what, recovered=self._fault(facts_again[0]) is None)

    def _fault(self, facts: torch.Tensor) -> str | None:
        mean, deviation, input_mean, input_deviation, _ = facts.tolist()
        if not np.isfinite(mean):
            return NON_FINITE
        if not self._reject_blank:
            return None
        return blank_fault_of(Levels(mean, deviation), lambda: Levels(input_mean, input_deviation))

    def _painted_again(self, begun: Begun, places: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Paint frames of a batch in full precision; return their pictures and all numbers, on the host."""
        positions = tuple(frame.position for frame in begun.frames[places])
        painted = self._score.score_tensors(begun.uploaded[places], positions, full_precision=True)
        facts = begun.facts.wait()[places].clone()
        facts[:, :2] = self._transfers.download(_levels(painted)).wait()
        return to_uint8(painted), facts

    def _motion(self, begun: Begun, place: int, share: float) -> Motions | None:
        """Return the motion of a frame; None if it starts a new scene."""
        without = len(begun.frames) - len(begun.motions.backward) if begun.motions is not None else len(begun.frames)
        if place < without or begun.motions is None or begun.frames[place].position.index in self._cuts:
            return None
        return begun.motions[place - without] if share >= SCENE_CUT_THRESHOLD else None


def _levels(pictures: torch.Tensor) -> torch.Tensor:
    """Return the largest mean and the largest deviation of the channels of each picture: (B, 3, H, W) -> (B, 2)."""
    variance, mean = torch.var_mean(pictures.to(torch.float32), (2, 3), correction=0)
    return torch.stack([mean.amax(1), variance.sqrt().amax(1)], 1)


def _within_memory(call: Callable[[], T]) -> T:
    """Call without gradients; raises TemporaryError if memory runs out beside the network, whose own use adapts."""
    try:
        with torch.inference_mode():
            return call()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise TemporaryError(
            "The device does not have enough memory to smooth frames beside the network",
            "Check that no other program uses the device, or use one with more memory",
        ) from error
