"""Measure the statistics of several pictures at once on a CPU: each on a thread of its own, and all meet at every norm.

What a picture adds to the statistics is computed on one core, and is added in the order of the pictures: the result
does not depend on the number of cores.
"""

import threading
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from scoring.inference.cpu_workers import map_together
from scoring.scorers.any_painting.conditional_norm import (
    ConditionalInstanceNorm,
    KernelTransform,
    Moments,
    StatisticsRecorder,
    StyleCondition,
    joint_moments,
    scaled_and_shifted,
)
from scoring.scorers.any_painting.network import StyleTransferNet


def record_in_lockstep(
    network: StyleTransferNet, pictures: Sequence[torch.Tensor], recorder: StatisticsRecorder
) -> None:
    """Record the joint statistics of pictures of one size, (1, 3, H, W) each, as one pass with all of them does."""
    meeting = _Meeting(recorder, len(pictures))

    def paint(numbered: tuple[int, torch.Tensor]) -> None:
        number, picture = numbered
        network(picture, _OnePicture(recorder.style, meeting, number))

    map_together(paint, [*enumerate(pictures)], give_up=meeting.give_up)


class _Meeting:
    """Where the threads of all pictures wait at each norm for the statistics of all."""

    _norm: ConditionalInstanceNorm
    """The norm at which they meet."""
    _scale_and_shift: tuple[torch.Tensor, torch.Tensor]
    """Those of that norm, once all have met."""

    def __init__(self, recorder: StatisticsRecorder, size: int) -> None:
        self._recorder = recorder
        self._moments: dict[int, Moments] = {}
        self._barrier = threading.Barrier(size, self._record_all)

    def give_up(self) -> None:
        """Let those who wait fail: not all will come."""
        self._barrier.abort()

    def record(self, number: int, moments: Moments, norm: ConditionalInstanceNorm) -> tuple[torch.Tensor, torch.Tensor]:
        """Add a picture's moments; return scale and shift of the norm once all pictures have added theirs."""
        self._moments[number], self._norm = moments, norm
        self._barrier.wait()
        return self._scale_and_shift

    def _record_all(self) -> None:
        *own, last = (self._moments[number] for number in range(self._barrier.parties))
        with_reference = bool(self._recorder.reference_share)
        self._scale_and_shift = self._recorder.record(
            self._norm, _together(own if with_reference else [*own, last]), last if with_reference else None
        )


class _OnePicture(StyleCondition):
    """The condition of one picture's pass."""

    def __init__(self, style: torch.Tensor, meeting: _Meeting, number: int) -> None:
        super().__init__(style)
        self._meeting, self._number = meeting, number

    def convolve(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        norm: ConditionalInstanceNorm,
        *,
        phases: int = 1,
        transform: KernelTransform = lambda kernel: kernel,
    ) -> torch.Tensor:
        """Convolve, and normalize by the statistics of all pictures."""
        y = F.conv2d(x, transform(self.styled_kernel(weight, norm)))
        scale_and_shift = self._meeting.record(self._number, joint_moments(y, phases), norm)
        return scaled_and_shifted(y, *scale_and_shift, phases)


def _together(moments: Sequence[Moments]) -> Moments:
    """Return the moments of pictures of one size together."""
    means, variances = (torch.stack(column) for column in zip(*moments, strict=True))
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)
