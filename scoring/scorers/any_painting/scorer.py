"""The scorers `any` and `tuned`: paint frames in the style of any painting, on the GPU if there is one.

On a CPU each frame passes through the network alone, in float32, on one thread; several threads paint several frames.
No core waits for another within a frame, and the bytes of a frame depend neither on its neighbors nor on the number of
cores. On a GPU whole batches run in half precision, if the first frame shows that the difference is invisible.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)
from numpy.typing import NDArray

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InternalError, NextStep
from frame_tools.contracts.tuning import TUNED_SUFFIX
from scoring.image_codec import decode_painting
from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.device import DeviceScorer
from scoring.inference.malloc import keep_freed_memory
from scoring.inference.mixed_precision import CheckedHalfPrecision, NetworkFunction, disable_tf32
from scoring.inference.padding import pad_to_stride
from scoring.inference.tensors import best_device, check_finite, check_frames, concatenate, to_pictures
from scoring.inference.tiling import CPU_PIXELS, MemoryBoundedRunner
from scoring.scorers.any_painting.conditional_norm import StatisticsRecorder, StyleCondition
from scoring.scorers.any_painting.folded_network import FoldedNetworks
from scoring.scorers.any_painting.lockstep import record_in_lockstep
from scoring.scorers.any_painting.network import MIN_SIDE, STRIDE, StyleTransferNet
from scoring.scorers.any_painting.predictor import PAINTING_SIDE
from scoring.scorers.any_painting.tiled_statistics import RECEPTIVE_FIELD, with_frame_statistics
from scoring.scorers.any_painting.tuned import load_style
from scoring.scorers.any_painting.weights import Networks, load_networks
from scoring.scorers.painting_parts import covering_parts
from scoring.scorers.sampling import reference_tile, repeated, subsample
from scoring.types import CONTRAST, FramePositions, Picture, Pictures, Prepared, RunInputs, Score, StyleFile, StyleMix

GPU_FRAMES: Final = 8
"""Frames in one forward pass on a GPU."""
GPU_PIXELS: Final = 2**26
"""Maximum number of pixels in one forward pass on a GPU, unless one frame has more: eight frames of 3840x2160.
PyTorch's padding accepts no tensor of 2^31 values; the network has 8 values per pixel, and the frames themselves take
memory, too."""

MAX_REFERENCE_SHARE: Final = 0.1
"""Share of a natural picture in the statistics if `calm` is 1. Chosen by looking: at half of it plain skies, fog and
noise are even surfaces, and ordinary clips look the same."""

_REMEDY: Final = "Check the style file; create the weights again with: python -m scoring weights"


class AnyPainting(DeviceScorer):
    """The any-painting network on one device; see `scoring.types.Scorer`."""

    makes: Makes = "pictures"
    in_order: bool = False

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
        """Return `styles`, (S, N), one per style file; if shared, for each style mix `statistics` and `contrast`.

        `statistics` are (M, 2, C); `contrast`, (M,), is the share of their contrast that frames keep (option `calm`).
        """
        if run.options.statistics == "frame":
            return {"styles": self._styles(run.styles)}
        share = MAX_REFERENCE_SHARE * run.options.calmness
        with ThreadPoolExecutor(2, "sample") as pool:
            reading, drawing = pool.submit(run.sample), pool.submit(reference_tile) if share else None
            styles = self._styles(run.styles)
            sample = subsample(reading.result())
        if drawing is not None:
            sample.append(repeated(drawing.result(), *sample[0].shape[:2]))
        measured = [self._measure(sample, _mix(styles, mix), share) for mix in run.style_mixes]
        return {
            "styles": styles,
            "statistics": np.stack([statistics for statistics, _ in measured]),
            CONTRAST: np.array([contrast for _, contrast in measured], np.float32),
        }

    def open(self, run: RunInputs, prepared: Prepared) -> Score:
        """Return the function that paints the frames of the run."""
        styles = prepared["styles"]
        if len(styles) != len(run.styles) or not all(np.isfinite(values).all() for values in prepared.values()):
            raise InternalError(
                "The prepared values do not match the styles of the run",
                "Start a new run",
                next_step=NextStep.START_NEW_RUN,
            )
        statistics = prepared.get("statistics")
        keyframes = tuple(
            ConditionKeyframe(
                mix.seconds,
                torch.from_numpy(_mix(styles, mix)).to(self._device),
                None if statistics is None else torch.from_numpy(statistics[i]).to(self._device),
            )
            for i, mix in enumerate(run.style_mixes)
        )
        return Painter(self._networks.transformer, keyframes, self._workers, self._device)

    def _styles(self, files: Sequence[StyleFile]) -> NDArray[np.float32]:
        """Return the styles of style files, (S, N)."""
        return np.stack([self._style(file) for file in files])

    def _style(self, file: StyleFile) -> NDArray[np.float32]:
        """Return the style of a style file, (N,): a tuned style as it is, or the predicted style of a painting."""
        if file.name.lower().endswith(TUNED_SUFFIX):
            return load_style(file.data, file.name)
        painting = decode_painting(file.data, file.name)
        vectors = self._workers.map(self._predict, covering_parts(painting))
        return self._workers.map(self._to_style, [torch.stack(vectors).mean(0)])[0]

    def _predict(self, square: Picture) -> torch.Tensor:
        """Return the style vector, (100,), of a square of a painting."""
        x = to_float(torch.from_numpy(square[None]).to(self._device))
        return self._networks.predictor(
            F.interpolate(x, (PAINTING_SIDE, PAINTING_SIDE), mode="bilinear", antialias=True)
        )[0]

    def _to_style(self, vector: torch.Tensor) -> NDArray[np.float32]:
        return np.asarray(self._networks.transformer.style(vector).cpu().numpy(), np.float32)

    def _measure(
        self, sample: list[Picture], style: NDArray[np.float32], reference_share: float
    ) -> tuple[NDArray[np.float32], float]:
        """Return the statistics, (2, C), of the sample painted in this style, and the contrast that it keeps."""
        recorder = StatisticsRecorder(torch.from_numpy(style).to(self._device), reference_share=reference_share)
        pictures = torch.from_numpy(np.stack(sample)).to(self._device)
        if self._device.type == "cpu":
            pictures_apart = [pad(to_float(picture)) for picture in pictures.split(1)]
            record_in_lockstep(self._networks.transformer, pictures_apart, recorder)
        else:
            with torch.inference_mode():
                self._networks.transformer(pad(to_float(pictures)), recorder)
        return np.asarray(recorder.recorded.cpu().numpy(), np.float32), recorder.own_contrast


class ConditionKeyframe:
    """A time at which a style, and the statistics that belong to it, are in full effect."""

    def __init__(self, seconds: float, style: torch.Tensor, statistics: torch.Tensor | None) -> None:
        self.seconds = seconds
        self.style = style
        self.statistics = statistics
        self.condition = StyleCondition(style, statistics)

    def interpolate(self, later: "ConditionKeyframe", share: float) -> StyleCondition:
        """Return the condition between this keyframe (`share` 0) and a later one (`share` 1)."""
        style = torch.lerp(self.style, later.style, share)
        if self.statistics is None or later.statistics is None:
            return StyleCondition(style)
        return StyleCondition(style, torch.lerp(self.statistics, later.statistics, share))


def style_at(keyframes: tuple[ConditionKeyframe, ...], seconds: float) -> StyleCondition:
    """Return the condition at a time: interpolated between two keyframes, constant before the first and after the last.

    Frames in a constant part get the same object.
    """
    later = next((i for i, keyframe in enumerate(keyframes) if keyframe.seconds > seconds), len(keyframes))
    if later == 0:
        return keyframes[0].condition
    before = keyframes[later - 1]
    if later == len(keyframes) or seconds == before.seconds:
        return before.condition
    after = keyframes[later]
    return before.interpolate(after, (seconds - before.seconds) / (after.seconds - before.seconds))


class Painter:
    """Paints frames on one device, each in the style of its time; the `Score` of `AnyPainting`."""

    def __init__(
        self,
        transformer: StyleTransferNet,
        keyframes: tuple[ConditionKeyframe, ...],
        workers: CpuWorkers,
        device: torch.device,
    ) -> None:
        self._full_precision = transformer
        self._half_precision = CheckedHalfPrecision(transformer, span=1) if device.type == "cuda" else None
        self._keyframes = keyframes
        self._workers = workers
        self._device = device
        shared = all(keyframe.statistics is not None for keyframe in keyframes)
        self._folded_networks = FoldedNetworks(transformer)
        self._runner = MemoryBoundedRunner(
            RECEPTIVE_FIELD, limit=CPU_PIXELS if shared and device.type == "cpu" else None
        )

    def __call__(self, frames: Pictures, positions: FramePositions) -> Pictures:
        """Paint (B, H, W, 3) uint8 of any size; raises NonFiniteOutputError for NaN or infinity."""
        return self._paint(self._half_precision or self._full_precision, frames, positions)

    def score_full_precision(self, frames: Pictures, positions: FramePositions) -> Pictures:
        """Paint in float32 on any device."""
        return self._paint(self._full_precision, frames, positions)

    @property
    def device(self) -> torch.device:
        """The device that paints."""
        return self._device

    def score_tensors(
        self, frames: torch.Tensor, positions: FramePositions, *, full_precision: bool = False
    ) -> torch.Tensor:
        """Paint frames on the device; see `scoring.types.TensorScore`."""
        network: NetworkFunction = self._full_precision
        if self._half_precision is not None and not full_precision:
            network = self._half_precision.unchecked
        conditions = [style_at(self._keyframes, position.pts_seconds) for position in positions]
        groups = self._groups(conditions, frames.shape[1] * frames.shape[2])
        painted = [
            self._forward(network, frames[group.start : group.stop], conditions[group.start]) for group in groups
        ]
        return painted[0] if len(painted) == 1 else torch.cat(painted)

    def _paint(self, network: NetworkFunction, frames: Pictures, positions: FramePositions) -> Pictures:
        check_frames(frames)
        conditions = [style_at(self._keyframes, position.pts_seconds) for position in positions]
        groups = self._groups(conditions, frames.shape[1] * frames.shape[2])
        return concatenate(
            self._workers.map(lambda group: self._paint_group(network, frames, group, conditions), groups)
        )

    def _groups(self, conditions: list[StyleCondition], pixels: int) -> list[range]:
        """Return the indices of frames that pass through the network together; `pixels` is the size of a frame.

        On a GPU they are consecutive frames of one condition, by identity (see `style_at`); on a CPU single frames.
        """
        if self._device.type != "cuda":
            return [range(i, i + 1) for i in range(len(conditions))]
        max_frames = max(1, GPU_PIXELS // pixels)
        runs = [list(run) for _, run in groupby(range(len(conditions)), key=lambda i: id(conditions[i]))]
        return [
            range(start, min(start + max_frames, run[-1] + 1))
            for run in runs
            for start in range(run[0], run[-1] + 1, max_frames)
        ]

    def _paint_group(
        self, network: NetworkFunction, frames: Pictures, group: range, conditions: list[StyleCondition]
    ) -> Pictures:
        """Paint the frames of a group in one forward pass."""
        batch = torch.from_numpy(np.ascontiguousarray(frames[group.start : group.stop])).to(self._device)
        y = self._forward(network, batch, conditions[group.start])
        check_finite(y, first=group.start, remedy=_REMEDY, fault=InternalError)
        return to_pictures(y)

    def _forward(self, network: NetworkFunction, frames: torch.Tensor, condition: StyleCondition) -> torch.Tensor:
        """Map frames of one style, (B, H, W, 3) uint8, to pictures (B, 3, H, W), 0 to 255."""
        height, width = frames.shape[1:3]
        x = pad(to_float(frames))
        if condition.statistics is None:
            tile_adapter = partial(with_frame_statistics, network, condition.style)
            y = self._runner(lambda part: network(part, condition), x, tile_adapter=tile_adapter)
        elif self._device.type == "cpu":
            y = self._runner(self._folded_networks(condition), x)
        else:
            y = self._runner(lambda part: network(part, condition), x)
        return y[:, :, :height, :width] * 255


def _mix(styles: NDArray[np.float32], mix: StyleMix) -> NDArray[np.float32]:
    """Return the weighted sum of (S, N) styles."""
    return np.tensordot(np.asarray(mix.weights, np.float32), styles, 1).astype(np.float32)


def pad(x: torch.Tensor) -> torch.Tensor:
    """Pad (B, C, H, W) at right and bottom to multiples of 4, at least 8; by reflection if the frame allows."""
    return pad_to_stride(x, STRIDE, MIN_SIDE)


def to_float(frames: torch.Tensor) -> torch.Tensor:
    """Convert uint8 (B, H, W, 3) to float32 (B, 3, H, W) in 0..1, channels last: an eighth faster on a CPU."""
    return frames.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last).div_(255)
