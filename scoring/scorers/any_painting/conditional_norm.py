"""Conditional instance normalization: how a style controls the transformer during a forward pass.

A style is one vector: the scales of all norms, their shifts, and offsets of the kernels before the norms. The style
that is predicted for a painting has no kernel offsets; a style that was fitted to one (`training.tune`) has. Styles
are mixed by weighted sums. The order of norms is that of the network, from input to output.

A convolution before a norm may have its output in polyphase form (see `space_to_depth`): each channel is then stored as
several phases, which are normalized together.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)
from torch import nn

from scoring.scorers.any_painting.predictor import STYLE_SIZE

NORM_CHANNELS: Final = 5 * 2 * 32 + 16 + 8 + 3
"""Number of channels of all norms together."""
KERNEL_PARAMETERS: Final = 5 * 2 * 32 * 32 * 9 + 16 * 32 * 9 + 8 * 16 * 9 + 3 * 8 * 81
"""Number of parameters of all kernels before a norm."""
STYLE_PARAMETERS: Final = 2 * NORM_CHANNELS + KERNEL_PARAMETERS
"""Length of a style."""

_EPSILON: Final = 1e-5
KernelTransform: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Converts a kernel to the form in which it is applied."""
Moments: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""The mean and the variance of each channel, (C,) each."""


class ConditionalInstanceNorm(nn.Module):
    """A norm whose scale and shift of each channel are linear in the style vector."""

    channels: slice
    """Its channels among those of all norms; set by the transformer."""
    kernel_offsets: slice
    """The offsets of its convolution's kernel in a style; set by the transformer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Linear(STYLE_SIZE, channels)
        self.beta = nn.Linear(STYLE_SIZE, channels)


def assemble_style(scales_and_shifts: torch.Tensor, kernel_offsets: torch.Tensor | None = None) -> torch.Tensor:
    """Return the style (`STYLE_PARAMETERS`,) of scales and shifts, (2, `NORM_CHANNELS`), and kernel offsets.

    `kernel_offsets` is (`KERNEL_PARAMETERS`,); None stands for zeros.
    """
    offsets = scales_and_shifts.new_zeros(KERNEL_PARAMETERS) if kernel_offsets is None else kernel_offsets
    return torch.cat([scales_and_shifts.flatten(), offsets])


class StyleCondition:
    """The style of a forward pass, and the statistics that its norms use.

    The network passes its convolutions to `convolve`, so that a condition can change kernels and norms together.

    `style` is (`STYLE_PARAMETERS`,). Without `statistics` each channel of each frame is normalized by its own mean and
    variance. With them, (2, `NORM_CHANNELS`), a norm is a constant scale and shift. It is folded into the convolution
    before it, and frames, or parts of a frame, no longer affect each other.
    """

    def __init__(self, style: torch.Tensor, statistics: torch.Tensor | None = None) -> None:
        self.style = style
        self.statistics = statistics
        self._scales_and_shifts = style[: 2 * NORM_CHANNELS].view(2, NORM_CHANNELS)
        self._folded: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def convolve(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        norm: ConditionalInstanceNorm,
        *,
        phases: int = 1,
        transform: KernelTransform = lambda kernel: kernel,
    ) -> torch.Tensor:
        """Convolve `x` with the styled kernel and normalize the result.

        `weight` is the kernel before styling; `transform` converts the styled kernel to the form in which it is
        applied. `phases` is the number of phases of each channel in the output.
        """
        if self.statistics is not None:
            return F.conv2d(x, *self._fold(weight, norm, phases, transform))
        y = F.conv2d(x, transform(self.styled_kernel(weight, norm)))
        scale, shift = self._scales_and_shifts[:, norm.channels].repeat_interleave(phases, 1)
        return F.group_norm(y, y.shape[1] // phases, scale, shift, eps=_EPSILON)

    def styled_kernel(self, weight: torch.Tensor, norm: ConditionalInstanceNorm) -> torch.Tensor:
        """Return the kernel (O, I, k, k) before a norm with the offsets of the style."""
        return weight + self.style[norm.kernel_offsets].view(weight.shape)

    def scale_and_shift(
        self, norm: ConditionalInstanceNorm, statistics: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scale and shift of each channel that normalize by `statistics`, (2, `NORM_CHANNELS`)."""
        mean, variance = statistics[:, norm.channels]
        return self.scale_and_shift_by(norm, mean, variance)

    def scale_and_shift_by(
        self, norm: ConditionalInstanceNorm, mean: torch.Tensor, variance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scale and shift of each channel of one norm that normalize by a mean and variance, (C,) each."""
        gamma, beta = self._scales_and_shifts[:, norm.channels]
        scale = gamma * (variance + _EPSILON).rsqrt()
        return scale, beta - mean * scale

    def folded(self, weight: torch.Tensor, norm: ConditionalInstanceNorm) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the kernel (O, I, k, k) and the bias that convolve and normalize by `statistics` in one step."""
        assert self.statistics is not None  # noqa: S101 - checked by the callers
        scale, shift = self.scale_and_shift(norm, self.statistics)
        return self.styled_kernel(weight, norm) * scale.view(-1, 1, 1, 1), shift

    def _fold(
        self, weight: torch.Tensor, norm: ConditionalInstanceNorm, phases: int, transform: KernelTransform
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the kernel and bias that convolve and normalize in one step; cached by the first thread to need it."""
        folded = self._folded.get(norm.channels.start)
        if folded is None:
            # In float32 in any case: it is cached for the next pass, which may have another precision.
            with torch.autocast(weight.device.type, enabled=False):
                kernel, shift = self.folded(weight, norm)
                kernel = transform(kernel)
                if kernel.device.type != "cpu":  # a CPU reorders kernels for itself
                    kernel = kernel.contiguous(memory_format=torch.channels_last)
                folded = kernel, shift.repeat_interleave(phases)
            self._folded[norm.channels.start] = folded
        return folded


class StatisticsRecorder(StyleCondition):
    """Normalizes by the joint statistics of all frames of a forward pass, and records them in `recorded`.

    With a `reference_share` above 0, the last frame of the pass is a reference picture. Its statistics are mixed with
    those of the others with this share, at every norm. The pictures then are normalized like pictures among natural
    ones, so a picture with hardly any contrast is amplified by `reference_share ** -0.5` at most, over all norms
    together. `own_contrast` is the share of their contrast that the other frames keep, 0 to about 1: their deviation
    over the mixed one, the median over the channels of the first norm.
    """

    def __init__(self, style: torch.Tensor, *, reference_share: float = 0.0) -> None:
        super().__init__(style)
        self.recorded = style.new_zeros(2, NORM_CHANNELS)
        self.own_contrast = 1.0
        self.reference_share = reference_share

    def convolve(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        norm: ConditionalInstanceNorm,
        *,
        phases: int = 1,
        transform: KernelTransform = lambda kernel: kernel,
    ) -> torch.Tensor:
        """Convolve, record the statistics, normalize by them."""
        y = F.conv2d(x, transform(self.styled_kernel(weight, norm)))
        if self.reference_share:
            own, reference = joint_moments(y[:-1], phases), joint_moments(y[-1:], phases)
        else:
            own, reference = joint_moments(y, phases), None
        return scaled_and_shifted(y, *self.record(norm, own, reference), phases)

    def record(
        self, norm: ConditionalInstanceNorm, own: Moments, reference: Moments | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Record the statistics of one norm; return the scale and shift of each channel that normalize by them."""
        mean, variance = own
        if reference is not None:
            mean, variance = self._mixed(own, reference)
            if norm.channels.start == 0:
                self.own_contrast = (own[1] / variance.clamp_min(_EPSILON)).sqrt().median().item()
        statistics = torch.stack([mean, variance]).to(self.recorded.dtype)
        self.recorded[:, norm.channels] = statistics.detach()
        return self.scale_and_shift_by(norm, *statistics)

    def _mixed(self, own: Moments, reference: Moments) -> Moments:
        share = self.reference_share
        between = share * (1 - share) * (reference[0] - own[0]).square()
        return torch.lerp(own[0], reference[0], share), torch.lerp(own[1], reference[1], share) + between


def joint_moments(y: torch.Tensor, phases: int) -> Moments:
    """Return the moments of (B, C * phases, h, w) over all but the channels.

    Sums over rows of pixels, (N, C * phases), take a twentieth of the time of torch.var_mean over the same values.
    """
    rows = y.permute(0, 2, 3, 1).flatten(0, 2).float()
    mean = _over_phases(rows.mean(0), phases)
    return mean, _over_phases((rows - mean.repeat_interleave(phases)).square().mean(0), phases)


def _over_phases(values: torch.Tensor, phases: int) -> torch.Tensor:
    return values.view(-1, phases).mean(1)


def scaled_and_shifted(y: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, phases: int) -> torch.Tensor:
    """Return (B, C * phases, h, w) with the scale and shift of each channel, (C,), applied to all of its phases."""
    return y * scale.repeat_interleave(phases).view(-1, 1, 1) + shift.repeat_interleave(phases).view(-1, 1, 1)
