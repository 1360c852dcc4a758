"""The published network in polyphase form: the same numbers with fewer memory accesses.

All tensors are float32 (B, C, h, w), channels last; pictures are RGB in 0..255 in and out, as the network was trained.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)
from numpy.typing import NDArray

from scoring.inference.padding import depth_to_space, pad
from scoring.inference.space_to_depth import polyphase_kernel, reflect_pad_polyphase
from scoring.scorers.johnson.layers import CONTRACT, EXPAND, LAST, LAYERS, NORMS, RESIDUALS, Layer
from scoring.types import Prepared

EPSILON: Final = 1e-5
"""The epsilon of torch.nn.InstanceNorm2d."""

TensorFunction: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
MapFunction: TypeAlias = Callable[[TensorFunction, list[torch.Tensor]], list[torch.Tensor]]
"""Calls a function for each tensor and returns the results in order: `map_sequentially`, or `CpuWorkers.map`."""
NormalizeFunction: TypeAlias = Callable[[Layer, list[torch.Tensor]], list[torch.Tensor]]
"""Normalizes the output of a layer for each frame."""


def map_sequentially(call: TensorFunction, xs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Call for one tensor after the other."""
    return [call(x) for x in xs]


@dataclass(frozen=True)
class _Norm:
    gamma: torch.Tensor
    beta: torch.Tensor


class Network:
    """A checkpoint's network on one device. Norms use each picture's own statistics, or given ones."""

    def __init__(
        self, tensors: Mapping[str, torch.Tensor], device: torch.device, statistics: Prepared | None = None
    ) -> None:
        """`tensors` are those of `layers.expected_shapes`; `statistics` are a result of `measure`, or None."""
        placed = {name: tensor.to(device) for name, tensor in tensors.items()}
        self._norms = {norm: _Norm(placed[f"{norm}.weight"], placed[f"{norm}.bias"]) for norm in NORMS}
        self._statistics = statistics
        self._kernels = {
            layer.conv: self._kernel(layer, placed[f"{layer.conv}.conv2d.weight"], placed[f"{layer.conv}.conv2d.bias"])
            for layer in LAYERS
        }

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Paint (B, 3, H, W), H and W multiples of 4 and at least 8; the result may exceed 0..255."""
        return self._run([x], self._normalize, map_sequentially)[0]

    def measure(self, frames: list[torch.Tensor], map_frames: MapFunction) -> dict[str, NDArray[np.float32]]:
        """Return the joint mean and variance of each norm's input over all `frames`, (2, C) by the norm's name.

        Proceeds layer by layer over all frames, so that each layer gets the input that it will get when these
        statistics are used. Memory: 32 float32 values per pixel of all frames.
        """
        statistics: dict[str, NDArray[np.float32]] = {}

        def normalize(layer: Layer, ys: list[torch.Tensor]) -> list[torch.Tensor]:
            if layer.norm is None:
                return ys
            moments = map_frames(lambda y: _moments(y, layer.phases), ys)
            statistics[layer.norm] = _joint_moments(moments, [y[0, 0].numel() for y in ys])
            scale, shift = _scale_and_shift(self._norms[layer.norm], statistics[layer.norm])
            scale, shift = (v.repeat_interleave(layer.phases).view(1, -1, 1, 1) for v in (scale, shift))
            return map_frames(lambda y: y.mul_(scale).add_(shift), ys)

        self._run(frames, normalize, map_frames)
        return statistics

    def _run(self, xs: list[torch.Tensor], normalize: NormalizeFunction, map_frames: MapFunction) -> list[torch.Tensor]:
        def block(layer: Layer, xs: list[torch.Tensor]) -> list[torch.Tensor]:
            return normalize(layer, map_frames(lambda x: self._convolve(layer, x), xs))

        for layer in CONTRACT:
            xs = map_frames(torch.relu_, block(layer, xs))
        for first, second in RESIDUALS:
            ys = block(second, map_frames(torch.relu_, block(first, xs)))
            xs = [x.add_(y) for x, y in zip(xs, ys, strict=True)]
        half, full = EXPAND
        xs = map_frames(lambda y: depth_to_space(torch.relu_(y)), block(half, xs))
        xs = map_frames(torch.relu_, block(full, xs))
        return map_frames(lambda y: depth_to_space(y), block(LAST, xs))

    def _convolve(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        """Pad by reflection and convolve. A doubled layer has a polyphase output, the last layer a polyphase input."""
        kernel, bias = self._kernels[layer.conv]
        if layer is LAST:
            padded = reflect_pad_polyphase(x, 2)
        elif layer.doubled:
            # The pixel next to the border of a doubled picture equals the border pixel, so reflection repeats the edge.
            padded = pad(x, (1, 1, 1, 1), "replicate")
        else:
            margin = layer.size // 2
            padded = pad(x, (margin, margin, margin, margin), "reflect")
        return F.conv2d(padded, kernel, bias, layer.stride)

    def _kernel(self, layer: Layer, weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return kernel and bias in the form that `_convolve` uses, with given statistics folded in."""
        if layer.norm is not None and self._statistics is not None:
            scale, shift = _scale_and_shift(self._norms[layer.norm], self._statistics[layer.norm])
            weight, bias = weight * scale.view(-1, 1, 1, 1), bias * scale + shift
        if layer is LAST:
            weight, bias = polyphase_kernel(weight, outputs=2, inputs=2), bias.repeat_interleave(4)
        elif layer.doubled:
            weight, bias = polyphase_kernel(weight, outputs=2, inputs=1), bias.repeat_interleave(4)
        return weight.contiguous(memory_format=torch.channels_last), bias

    def _normalize(self, layer: Layer, ys: list[torch.Tensor]) -> list[torch.Tensor]:
        """Normalize each picture by its own statistics; given statistics are part of the kernels."""
        if layer.norm is None or self._statistics is not None:
            return ys
        norm = self._norms[layer.norm]
        gamma, beta = (v.repeat_interleave(layer.phases) for v in (norm.gamma, norm.beta))
        return [F.group_norm(y, layer.outputs, gamma, beta, eps=EPSILON) for y in ys]


def _scale_and_shift(norm: _Norm, statistics: NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the (C,) scale and shift of a norm with these statistics, (2, C): mean, variance."""
    mean, variance = torch.from_numpy(statistics.copy()).to(norm.gamma)
    scale = norm.gamma * torch.rsqrt(variance + EPSILON)
    return scale, norm.beta - mean * scale


def _moments(y: torch.Tensor, phases: int) -> torch.Tensor:
    """Return mean and variance of each channel of a (1, C * phases, h, w), over all phases: (2, C) float64."""
    values = y[0].unflatten(0, (-1, phases)).flatten(1)
    variance, mean = torch.var_mean(values, 1, correction=0)
    return torch.stack((mean, variance)).double().cpu()


def _joint_moments(moments: list[torch.Tensor], pixels: list[int]) -> NDArray[np.float32]:
    """Combine the mean and variance of each frame, (2, C), weighted by its number of pixels."""
    weights = torch.tensor(pixels, dtype=torch.float64).view(-1, 1) / sum(pixels)
    means, variances = (torch.stack([m[i] for m in moments]) for i in (0, 1))
    mean = (weights * means).sum(0)
    variance = (weights * (variances + (means - mean).square())).sum(0)
    return np.asarray(torch.stack((mean, variance)).float().numpy(), np.float32)
