"""The published network, computed in phases: the same numbers in fewer memory accesses.

All tensors are float32 (B, C, h, w), channels last; pictures are RGB in 0..255, in and out, as the network was trained.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)

from scoring.scorers.any_painting.space_to_depth import phase_kernel, reflect_phases
from scoring.scorers.johnson.layers import CONTRACT, EXPAND, LAST, LAYERS, NORMS, RESIDUALS, Layer
from scoring.types import Prepared

EPSILON: Final = 1e-5
"""Of torch.nn.InstanceNorm2d."""

Each = Callable[[Callable[[torch.Tensor], torch.Tensor], list[torch.Tensor]], list[torch.Tensor]]
"""Calls a function for each tensor, in order: `each`, or lanes."""


def each(call: Callable[[torch.Tensor], torch.Tensor], xs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Call for one after the other."""
    return [call(x) for x in xs]


@dataclass(frozen=True)
class _Norm:
    gamma: torch.Tensor
    beta: torch.Tensor


class Network:
    """A checkpoint's network on one device. Norms refer to each picture by itself, or to given statistics."""

    def __init__(
        self, tensors: Mapping[str, torch.Tensor], device: torch.device, statistics: Prepared | None = None
    ) -> None:
        """Take the tensors of `layers.expected_shapes`, and what `measure` gave, or None."""
        ours = {name: tensor.to(device) for name, tensor in tensors.items()}
        self._norms = {norm: _Norm(ours[f"{norm}.weight"], ours[f"{norm}.bias"]) for norm in NORMS}
        self._statistics = statistics
        self._kernels = {
            layer.conv: self._kernel(layer, ours[f"{layer.conv}.conv2d.weight"], ours[f"{layer.conv}.conv2d.bias"])
            for layer in LAYERS
        }

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Paint (B, 3, H, W), H and W multiples of 4 and at least 8; the result may leave 0..255."""
        return self._run([x], self._normalise, each)[0]

    def measure(self, frames: list[torch.Tensor], each: Each) -> dict[str, np.ndarray]:
        """Give the joint mean and variance of each norm's input over all `frames`, (2, C) float32 by its name.

        Layer by layer over all frames, so that each layer is fed as it will be when these statistics are used. Memory:
        32 float32 values a pixel of all frames.
        """
        found: dict[str, np.ndarray] = {}

        def normalise(layer: Layer, ys: list[torch.Tensor]) -> list[torch.Tensor]:
            if layer.norm is None:
                return ys
            found[layer.norm] = _joint(each(lambda y: _moments(y, layer.phases), ys), [y[0, 0].numel() for y in ys])
            scale, shift = _affine(self._norms[layer.norm], found[layer.norm])
            scale, shift = (v.repeat_interleave(layer.phases).view(1, -1, 1, 1) for v in (scale, shift))
            return each(lambda y: y.mul_(scale).add_(shift), ys)

        self._run(frames, normalise, each)
        return found

    def _run(
        self,
        xs: list[torch.Tensor],
        normalise: Callable[[Layer, list[torch.Tensor]], list[torch.Tensor]],
        each: Each,
    ) -> list[torch.Tensor]:
        def block(layer: Layer, xs: list[torch.Tensor]) -> list[torch.Tensor]:
            return normalise(layer, each(lambda x: self._convolve(layer, x), xs))

        for layer in CONTRACT:
            xs = each(torch.relu_, block(layer, xs))
        for first, second in RESIDUALS:
            ys = block(second, each(torch.relu_, block(first, xs)))
            xs = [x.add_(y) for x, y in zip(xs, ys, strict=True)]
        half, full = EXPAND
        xs = each(lambda y: F.pixel_shuffle(torch.relu_(y), 2), block(half, xs))
        xs = each(torch.relu_, block(full, xs))
        return each(lambda y: F.pixel_shuffle(y, 2), block(LAST, xs))

    def _convolve(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        """Convolve, mirrored at the borders; a layer that doubles gives its output in phases, the last takes phases."""
        kernel, bias = self._kernels[layer.conv]
        if layer is LAST:
            padded = reflect_phases(x, 2)
        elif layer.doubled:
            # The pixel beside the border of a doubled picture equals the border pixel: reflecting it repeats the edge.
            padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        else:
            padded = F.pad(x, (layer.size // 2,) * 4, mode="reflect")
        return F.conv2d(padded, kernel, bias, layer.stride)

    def _kernel(self, layer: Layer, weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give kernel and bias in the form that `_convolve` uses; given statistics are folded into them."""
        if layer.norm is not None and self._statistics is not None:
            scale, shift = _affine(self._norms[layer.norm], self._statistics[layer.norm])
            weight, bias = weight * scale.view(-1, 1, 1, 1), bias * scale + shift
        if layer is LAST:
            weight, bias = phase_kernel(weight, outputs=2, inputs=2), bias.repeat_interleave(4)
        elif layer.doubled:
            weight, bias = phase_kernel(weight, outputs=2, inputs=1), bias.repeat_interleave(4)
        return weight.contiguous(memory_format=torch.channels_last), bias

    def _normalise(self, layer: Layer, ys: list[torch.Tensor]) -> list[torch.Tensor]:
        """Normalise each picture by itself, over all phases of a channel; given statistics are in the kernels."""
        if layer.norm is None or self._statistics is not None:
            return ys
        norm = self._norms[layer.norm]
        gamma, beta = (v.repeat_interleave(layer.phases) for v in (norm.gamma, norm.beta))
        return [F.group_norm(y, layer.outputs, gamma, beta, eps=EPSILON) for y in ys]


def _affine(norm: _Norm, statistics: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the (C,) factor and shift that the norm comes to with these statistics, (2, C): mean, variance."""
    mean, variance = torch.from_numpy(statistics.copy()).to(norm.gamma)
    scale = norm.gamma * torch.rsqrt(variance + EPSILON)
    return scale, norm.beta - mean * scale


def _moments(y: torch.Tensor, phases: int) -> torch.Tensor:
    """Give mean and variance of each channel of a (1, C * phases, h, w), over all phases: (2, C) float64."""
    values = y[0].unflatten(0, (-1, phases)).flatten(1)
    variance, mean = torch.var_mean(values, 1, correction=0)
    return torch.stack((mean, variance)).double().cpu()


def _joint(moments: list[torch.Tensor], pixels: list[int]) -> np.ndarray:
    """Join each frame's (2, C) mean and variance, weighted by its pixels; float32."""
    weights = torch.tensor(pixels, dtype=torch.float64).view(-1, 1) / sum(pixels)
    means, variances = (torch.stack([m[i] for m in moments]) for i in (0, 1))
    mean = (weights * means).sum(0)
    variance = (weights * (variances + (means - mean).square())).sum(0)
    concatenate: np.ndarray = torch.stack((mean, variance)).float().numpy()
    return concatenate
