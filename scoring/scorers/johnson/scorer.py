"""The scorer `johnson`: paints frames with an uploaded network that was trained for one painting.

On a CPU each frame passes through the network alone on one thread, several frames side by side, so that the bytes of a
frame depend neither on its neighbors nor on the number of cores. On a GPU whole batches run in half precision, if the
first frame shows that the difference is invisible.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InputError, InternalError, NextStep, TemporaryError
from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.device import DeviceScorer
from scoring.inference.malloc import keep_freed_memory
from scoring.inference.mixed_precision import CheckedHalfPrecision, NetworkFunction, disable_tf32
from scoring.inference.padding import pad_to_stride
from scoring.inference.tensors import best_device, check_finite, check_frames, concatenate, to_pictures, to_tensor
from scoring.inference.tiling import ForwardFunction, MemoryBoundedRunner, ReceptiveField, TileAdapter, TileGrid
from scoring.scorers.johnson.checkpoint import read_checkpoint
from scoring.scorers.johnson.layers import MIN_SIDE, NORMS, STRIDE
from scoring.scorers.johnson.network import Network
from scoring.scorers.sampling import subsample
from scoring.types import FramePositions, Pictures, Prepared, RunInputs, Score, StyleFile

GPU_FRAMES: Final = 4
"""Frames in one forward pass on a GPU."""
GPU_PIXELS: Final = 2**26 - 1
"""Maximum number of pixels in one forward pass on a GPU: PyTorch's padding accepts no tensor of 2^31 values, and a
pixel has 32."""
RECEPTIVE_FIELD: Final = ReceptiveField(reach=56, stride=STRIDE)
"""With given statistics a color depends on up to 55 pixels around it."""

_REMEDY: Final = "Train the network again or use another checkpoint, then upload the trigger file again"
_STATISTICS_SHAPES: Final = {name: (2, channels) for name, channels in NORMS.items()}


class Johnson(DeviceScorer):
    """See `scoring.types.Scorer`. The network comes with the run, so loading the scorer reads no file."""

    makes: Makes = "pictures"
    in_order: bool = False

    def __init__(self, device: torch.device | None = None) -> None:
        super().__init__(device or best_device(), gpu_frames=GPU_FRAMES)
        if self._device.type == "cpu":
            keep_freed_memory()
        else:
            disable_tf32()

    def prepare(self, run: RunInputs) -> Prepared:
        """Return the joint mean and variance of each norm's input over the run's sample, (2, C) by the norm's name.

        Empty if each frame is normalized by its own statistics. Raises InputError for a file that is not the network.
        """
        checkpoint = _checkpoint(run)
        tensors = read_checkpoint(checkpoint.data, checkpoint.name)
        if run.options.statistics == "frame":
            return {}
        frames = [to_tensor(_pad(frame[None]), self._device) for frame in subsample(run.sample())]
        with torch.inference_mode():
            statistics = Network(tensors, self._device).measure(frames, self._workers.map)
        if not all(np.isfinite(values).all() for values in statistics.values()):
            raise InputError(
                f"The checkpoint {checkpoint.name} paints NaN or infinity", _REMEDY, next_step=NextStep.START_NEW_RUN
            )
        return statistics

    def open(self, run: RunInputs, prepared: Prepared) -> Score:
        """Return the function that paints frames with the run's network."""
        checkpoint = _checkpoint(run)
        tensors = read_checkpoint(checkpoint.data, checkpoint.name)
        shared = run.options.statistics == "shared"
        if shared and {name: values.shape for name, values in prepared.items()} != _STATISTICS_SHAPES:
            raise InternalError(
                "The prepared values are not the statistics of the run's network",
                "Resubmit the run",
                next_step=NextStep.RESUBMIT,
            )
        network = Network(tensors, self._device, prepared if shared else None)
        return _Painter(network, self._device, self._workers, tile_adapter=None if shared else _refuse_tiles)


class _Painter:
    """The `Score` of `Johnson`."""

    def __init__(
        self, network: Network, device: torch.device, workers: CpuWorkers, *, tile_adapter: TileAdapter | None
    ) -> None:
        self._full_precision = network
        self._half_precision = CheckedHalfPrecision(network, span=255) if device.type == "cuda" else None
        self._runner = MemoryBoundedRunner(RECEPTIVE_FIELD, limit=GPU_PIXELS if device.type == "cuda" else None)
        self._tile_adapter = tile_adapter
        self._device = device
        self._workers = workers

    def __call__(self, frames: Pictures, _positions: FramePositions) -> Pictures:
        """Paint (B, H, W, 3) uint8 of any size; raises NonFiniteOutputError for NaN or infinity."""
        return self._paint(self._half_precision or self._full_precision, frames)

    def score_full_precision(self, frames: Pictures, _positions: FramePositions) -> Pictures:
        """Paint in float32 on any device."""
        return self._paint(self._full_precision, frames)

    @property
    def device(self) -> torch.device:
        """The device that paints."""
        return self._device

    def score_tensors(
        self, frames: torch.Tensor, _positions: FramePositions, *, full_precision: bool = False
    ) -> torch.Tensor:
        """Paint frames on the device; see `scoring.types.TensorScore`."""
        x = pad_to_stride(frames.permute(0, 3, 1, 2).to(torch.float32), STRIDE, MIN_SIDE)
        network: NetworkFunction = self._full_precision
        if self._half_precision is not None and not full_precision:
            network = self._half_precision.unchecked
        return self._forward(network, x, frames.shape[1:3])

    def _paint(self, network: NetworkFunction, frames: Pictures) -> Pictures:
        check_frames(frames)
        group_size = len(frames) if self._device.type == "cuda" else 1
        starts = range(0, len(frames), group_size)
        return concatenate(
            self._workers.map(lambda i: self._paint_group(network, frames[i : i + group_size], first=i), starts)
        )

    def _paint_group(self, network: NetworkFunction, frames: Pictures, *, first: int) -> Pictures:
        """Paint frames in one forward pass; `first` is the index of the first of them in its batch."""
        y = self._forward(network, to_tensor(_pad(frames), self._device), frames.shape[1:3])
        check_finite(y, first=first, remedy=_REMEDY, fault=InputError, next_step=NextStep.START_NEW_RUN)
        return to_pictures(y)

    def _forward(self, network: NetworkFunction, x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Map padded frames (B, 3, h, w) to pictures (B, 3, H, W) of a `size`."""
        height, width = size
        return self._runner(network, x, tile_adapter=self._tile_adapter)[:, :, :height, :width]


def _checkpoint(run: RunInputs) -> StyleFile:
    """Return the run's only style file."""
    if len(run.styles) != 1:
        raise InternalError(f"The scorer johnson got {len(run.styles)} style files", "Plan it with one checkpoint")
    return run.styles[0]


def _refuse_tiles(frame: torch.Tensor, _tiles: TileGrid) -> ForwardFunction:
    """Raise TemporaryError: a tile has other statistics than its frame."""
    raise TemporaryError(
        f"A whole frame of {frame.shape[3]}x{frame.shape[2]} pixels does not fit into memory",
        "Upload the trigger file again with statistics: shared or a smaller size, or use a device with more memory",
        next_step=NextStep.START_NEW_RUN,
    )


def _pad(frames: Pictures) -> Pictures:
    """Pad (B, H, W, 3) by reflection at right and bottom to multiples of 4, at least 8."""
    bottom, right = (max(MIN_SIDE, -(-side // STRIDE) * STRIDE) - side for side in frames.shape[1:3])
    if not (bottom or right):
        return frames
    return np.pad(frames, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="reflect")
