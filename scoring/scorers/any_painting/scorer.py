"""The scorers `any` and `tuned`: repaint frames in the hand of any painting, on the GPU if there is one.

On a CPU each frame goes through the network alone, in float32, on one thread; several threads paint several frames.
So no core waits for another within a frame, and a frame's bytes depend neither on its neighbours nor on the number of
cores. On a GPU whole batches run in half precision, if the first frame shows that nobody can see the difference.
"""

import math
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)
from numpy.typing import NDArray

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InternalError, NextStep
from frame_tools.media import images
from scoring.inference.allocator import keep_freed_memory
from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.device import DeviceScorer
from scoring.inference.mixed_precision import CheckedHalfPrecision, NetworkFunction, disable_tf32
from scoring.inference.tensors import best_device, check_finite, check_frames, concatenate, to_pictures
from scoring.inference.tiling import CPU_PIXELS, MemoryBoundedRunner
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.network import SMALLEST_SIDE, STRIDE, StyleTransferNet
from scoring.scorers.any_painting.predictor import PAINTING_SIDE
from scoring.scorers.any_painting.tiled_statistics import RECEPTIVE_FIELD, localised
from scoring.scorers.any_painting.tuned import load_style
from scoring.scorers.any_painting.weights import Networks, load_networks
from scoring.scorers.sampling import subsample
from scoring.types import FramePositions, Picture, Pictures, Prepared, RunInputs, Score, StyleFile, StyleMix

GPU_FRAMES = 8
"""Frames in one forward on a GPU."""
GPU_PIXELS = 2**26
"""Most pixels in one forward on a GPU, unless one frame has more: eight frames of 3840x2160. PyTorch's padding takes no
tensor of 2^31 values, of which the network has 8 a pixel, and the frames themselves take memory beside it."""

TUNED_SUFFIX = ".safetensors"

_REMEDY = "Check the style and the weights: python -m scoring weights"


class AnyPainting(DeviceScorer):
    """The any-painting network on one device; see `scoring.types.Scorer`."""

    makes: Makes = "pictures"
    in_order = False

    def __init__(self, networks: Networks, device: torch.device) -> None:
        super().__init__(device, gpu_frames=GPU_FRAMES)
        self._networks = networks

    @classmethod
    def load(cls, weights: Path) -> "AnyPainting":
        """Load the network from the folder `weights` onto the GPU, or onto the CPU if there is none."""
        device = best_device()
        if device.type == "cpu":
            keep_freed_memory()
        else:
            disable_tf32()
        return cls(load_networks(weights, device), device)

    def prepare(self, run: RunInputs) -> Prepared:
        """Give `styles`, (S, N), one for each style file; and `statistics`, (K, 2, C), for each key, if shared."""
        styles = np.stack([self._style(file) for file in run.styles])
        if run.options.statistics == "frame":
            return {"styles": styles}
        sample = subsample(run.sample())
        measured = [
            self._workers.map(lambda mix: self._measure(sample, mix), [_mixed(styles, key)])[0]
            for key in run.style_mixes
        ]
        return {"styles": styles, "statistics": np.stack(measured)}

    def open(self, run: RunInputs, prepared: Prepared) -> Score:
        """Give the function that paints the run's frames."""
        styles = prepared["styles"]
        if len(styles) != len(run.styles) or not all(np.isfinite(values).all() for values in prepared.values()):
            raise InternalError(
                "What was prepared for the run does not fit its styles",
                "Start the run anew",
                next_step=NextStep.START_NEW_RUN,
            )
        statistics = prepared.get("statistics")
        stops = tuple(
            Stop(
                key.seconds,
                torch.from_numpy(_mixed(styles, key)).to(self._device),
                None if statistics is None else torch.from_numpy(statistics[i]).to(self._device),
            )
            for i, key in enumerate(run.style_mixes)
        )
        return Painter(self._networks.transformer, stops, self._workers, self._device)

    def _style(self, file: StyleFile) -> NDArray[np.float32]:
        """Give a style file's style, (N,): a tuned one as it is, a painting's as the predictor sees it."""
        if file.name.lower().endswith(TUNED_SUFFIX):
            return load_style(file.data, file.name)
        painting = np.array(images.read_rgb(file.data))
        return self._workers.map(self._predict, [centre_square(painting)])[0]

    def _predict(self, square: Picture) -> NDArray[np.float32]:
        """Give the style of a square painting."""
        x = to_float(torch.from_numpy(square[None]).to(self._device))
        x = F.interpolate(x, (PAINTING_SIDE, PAINTING_SIDE), mode="bilinear", antialias=True)
        style: NDArray[np.float32] = self._networks.transformer.style(self._networks.predictor(x)[0]).cpu().numpy()
        return style

    def _measure(self, sample: list[Picture], style: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the statistics, (2, C), of the sample painted in this style."""
        x = pad(to_float(torch.from_numpy(np.stack(sample)).to(self._device)))
        measured = self._networks.transformer.measure(x, torch.from_numpy(style).to(self._device))
        statistics: NDArray[np.float32] = measured.cpu().numpy()
        return statistics


class Stop:
    """A point in time at which a style, and the statistics that go with it, hold as they are."""

    def __init__(self, seconds: float, style: torch.Tensor, statistics: torch.Tensor | None) -> None:
        self.seconds = seconds
        self.style = style
        self.statistics = statistics
        self.brush = StyleCondition(style, statistics)

    def towards(self, later: "Stop", share: float) -> StyleCondition:
        """Give the brush between this stop (share 0) and a later one (share 1)."""
        style = torch.lerp(self.style, later.style, share)
        if self.statistics is None or later.statistics is None:
            return StyleCondition(style)
        return StyleCondition(style, torch.lerp(self.statistics, later.statistics, share))


def style_at(stops: tuple[Stop, ...], seconds: float) -> StyleCondition:
    """Give the brush for a time: between two stops their mixture, before the first and after the last theirs."""
    later = next((i for i, stop in enumerate(stops) if stop.seconds > seconds), len(stops))
    if later == 0:
        return stops[0].brush
    before = stops[later - 1]
    if later == len(stops) or seconds == before.seconds:
        return before.brush
    return before.towards(stops[later], (seconds - before.seconds) / (stops[later].seconds - before.seconds))


class Painter:
    """Paints frames on one device, each with the brush of its time; the `Score` of `AnyPainting`."""

    def __init__(
        self, transformer: StyleTransferNet, stops: tuple[Stop, ...], lanes: CpuWorkers, device: torch.device
    ) -> None:
        self._full = transformer
        self._network = CheckedHalfPrecision(transformer, span=1) if device.type == "cuda" else transformer
        self._stops = stops
        self._workers = lanes
        self._device = device
        shared = all(stop.statistics is not None for stop in stops)
        self._runner = MemoryBoundedRunner(
            RECEPTIVE_FIELD, limit=CPU_PIXELS if shared and device.type == "cpu" else None
        )

    def __call__(self, frames: Pictures, moments: FramePositions) -> Pictures:
        """Paint (B, H, W, 3) uint8 of any size. Raises NonFiniteOutputError for NaN or infinity."""
        return self._painted(self._network, frames, moments)

    def score_full_precision(self, frames: Pictures, moments: FramePositions) -> Pictures:
        """Paint in full precision, whatever the device."""
        return self._painted(self._full, frames, moments)

    def _painted(self, network: NetworkFunction, frames: Pictures, moments: FramePositions) -> Pictures:
        check_frames(frames)
        brushes = [style_at(self._stops, moment.pts_seconds) for moment in moments]
        parts = self._parts(brushes, frames.shape[1] * frames.shape[2])
        return concatenate(self._workers.map(lambda part: self._paint(network, frames, part, brushes), parts))

    def _parts(self, brushes: list[StyleCondition], pixels: int) -> list[range]:
        """Give the places of frames that go through the network together: on a GPU those of one brush, else each one.

        `pixels`: of a frame.
        """
        if self._device.type != "cuda":
            return [range(i, i + 1) for i in range(len(brushes))]
        most = max(1, GPU_PIXELS // pixels)
        groups = [list(group) for _, group in groupby(range(len(brushes)), key=lambda i: id(brushes[i]))]
        return [
            range(start, min(start + most, group[-1] + 1))
            for group in groups
            for start in range(group[0], group[-1] + 1, most)
        ]

    def _paint(
        self, network: NetworkFunction, frames: Pictures, places: range, brushes: list[StyleCondition]
    ) -> Pictures:
        """Paint the frames at `places` in one forward."""
        height, width = frames.shape[1:3]
        part = torch.from_numpy(np.ascontiguousarray(frames[places.start : places.stop]))
        x, brush = pad(to_float(part.to(self._device))), brushes[places.start]
        tile_adapter = partial(localised, network, brush.style) if brush.statistics is None else None
        y = self._runner(lambda part: network(part, brush), x, tile_adapter=tile_adapter)[:, :, :height, :width]
        check_finite(y, first=places.start, remedy=_REMEDY, fault=InternalError)
        return to_pictures(y * 255)


def _mixed(styles: NDArray[np.float32], key: StyleMix) -> NDArray[np.float32]:
    """Give the weighted sum of (S, N) styles."""
    mixture: NDArray[np.float32] = np.tensordot(np.asarray(key.weights, np.float32), styles, 1).astype(np.float32)
    return mixture


def centre_square(painting: Picture) -> Picture:
    """Cut the largest square out of the middle."""
    side = min(painting.shape[:2])
    top, left = (painting.shape[0] - side) // 2, (painting.shape[1] - side) // 2
    return np.ascontiguousarray(painting[top : top + side, left : left + side])


def pad(x: torch.Tensor) -> torch.Tensor:
    """Pad (B, C, H, W) at right and bottom to multiples of 4, at least 8: by reflection where the picture suffices."""
    for axis in (2, 3):
        size = x.shape[axis]
        more = max(SMALLEST_SIDE, math.ceil(size / STRIDE) * STRIDE) - size
        if more:
            pads = (0, 0, 0, more) if axis == 2 else (0, more, 0, 0)
            x = F.pad(x, pads, mode="reflect" if more < size else "replicate")
    return x


def to_float(frames: torch.Tensor) -> torch.Tensor:
    """Turn uint8 (B, H, W, 3) into float32 (B, 3, H, W) in 0..1, channels last: an eighth faster on a CPU."""
    return frames.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last).div_(255)
