"""The scorer `johnson`: repaint frames with a network trained for one painting, which the person uploads.

On a CPU each frame goes through the network alone on one thread, several side by side, so that a frame's bytes depend
neither on its neighbours nor on the number of cores. On a GPU whole batches run in half precision, if the first frame
shows that nobody can see the difference.
"""

from typing import Final

import numpy as np
import torch

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InputError, InternalError, NextStep, TemporaryError
from scoring.inference.allocator import keep_freed_memory
from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.device import DeviceScorer
from scoring.inference.mixed_precision import CheckedHalfPrecision, NetworkFunction, disable_tf32
from scoring.inference.tensors import best_device, check_finite, check_frames, concatenate, to_pictures, to_tensor
from scoring.inference.tiling import MemoryBoundedRunner, ReceptiveField, TileAdapter, TileGrid
from scoring.scorers.johnson.checkpoint import read_checkpoint
from scoring.scorers.johnson.layers import NORMS, SMALLEST_SIDE, STRIDE
from scoring.scorers.johnson.network import Network
from scoring.scorers.sampling import subsample
from scoring.types import FramePositions, Pictures, Prepared, RunInputs, Score, StyleFile

GPU_FRAMES: Final = 4
"""Frames in one forward on a GPU."""
GPU_PIXELS: Final = 2**26 - 1
"""Most pixels in one forward on a GPU: PyTorch's padding takes no tensor of 2^31 values, and a pixel has 32."""
RECEPTIVE_FIELD: Final = ReceptiveField(reach=56, stride=STRIDE)
"""A colour depends on up to 55 pixels around it, if statistics are given."""

_REMEDY = "Train the network again, or use another checkpoint, then put the trigger file again"


class Johnson(DeviceScorer):
    """See `scoring.types.Scorer`. The network comes with the run, so loading this takes no file."""

    makes: Makes = "pictures"
    in_order: bool = False

    def __init__(self, device: torch.device | None = None) -> None:
        super().__init__(device or best_device(), gpu_frames=GPU_FRAMES)
        if self._device.type == "cpu":
            keep_freed_memory()
        else:
            disable_tf32()

    def prepare(self, run: RunInputs) -> Prepared:
        """Give the joint mean and variance of each norm's input over the run's sample, (2, C) by the norm's name.

        Empty if each frame is to be normalised by itself. Raises InputError for a file that is not the network.
        """
        tensors = read_checkpoint(_checkpoint(run).data, _checkpoint(run).name)
        if run.options.statistics == "frame":
            return {}
        frames = [to_tensor(_padded(frame[None]), self._device) for frame in subsample(run.sample())]
        with torch.inference_mode():
            found = Network(tensors, self._device).measure(frames, self._workers.map)
        if not all(np.isfinite(values).all() for values in found.values()):
            raise InputError(
                f"{_checkpoint(run).name} paints values that are no numbers", _REMEDY, next_step=NextStep.START_NEW_RUN
            )
        return found

    def open(self, run: RunInputs, prepared: Prepared) -> Score:
        """Give the function that paints frames with the run's network."""
        tensors = read_checkpoint(_checkpoint(run).data, _checkpoint(run).name)
        shared = run.options.statistics == "shared"
        if shared and {name: values.shape for name, values in prepared.items()} != _SHAPES:
            raise InternalError(
                "What was prepared for this run are not the statistics of its network",
                "Resubmit it",
                next_step=NextStep.RESUBMIT,
            )
        network = Network(tensors, self._device, prepared if shared else None)
        return _Painter(network, self._device, self._workers, tile_adapter=None if shared else _whole_frames_only)


_SHAPES = {name: (2, channels) for name, channels in NORMS.items()}


class _Painter:
    """The `Score` of `Johnson`."""

    def __init__(
        self, network: Network, device: torch.device, lanes: CpuWorkers, *, tile_adapter: TileAdapter | None
    ) -> None:
        self._full = network
        self._runner = MemoryBoundedRunner(RECEPTIVE_FIELD, limit=GPU_PIXELS if device.type == "cuda" else None)
        self._localise = tile_adapter
        self._network: NetworkFunction = CheckedHalfPrecision(network, span=255) if device.type == "cuda" else network
        self._device = device
        self._workers = lanes

    def __call__(self, frames: Pictures, _moments: FramePositions) -> Pictures:
        """Paint (B, H, W, 3) uint8 of any size. Raises NonFiniteOutputError for NaN or infinity."""
        return self._painted(self._network, frames)

    def score_full_precision(self, frames: Pictures, _moments: FramePositions) -> Pictures:
        """Paint in full precision, whatever the device."""
        return self._painted(self._full, frames)

    def _painted(self, network: NetworkFunction, frames: Pictures) -> Pictures:
        check_frames(frames)
        together = len(frames) if self._device.type == "cuda" else 1
        starts = range(0, len(frames), together)
        parts = self._workers.map(lambda i: self._paint(network, frames[i : i + together], first=i), starts)
        return concatenate(parts)

    def _paint(self, network: NetworkFunction, frames: Pictures, *, first: int) -> Pictures:
        """Paint frames in one forward; `first` is the place of the first in its batch."""
        height, width = frames.shape[1:3]
        x = to_tensor(_padded(frames), self._device)
        y = self._runner(network, x, tile_adapter=self._localise)[:, :, :height, :width]
        check_finite(y, first=first, remedy=_REMEDY, fault=InputError, next_step=NextStep.START_NEW_RUN)
        return to_pictures(y)


def _checkpoint(run: RunInputs) -> StyleFile:
    """Give the run's one style file."""
    if len(run.styles) != 1:
        raise InternalError(f"The scorer johnson got {len(run.styles)} style files", "Plan it with one checkpoint")
    return run.styles[0]


def _whole_frames_only(frame: torch.Tensor, _tiles: TileGrid) -> NetworkFunction:
    """Raise TemporaryError: a tile by itself would have other statistics than its frame."""
    raise TemporaryError(
        f"The memory does not take a whole frame of {frame.shape[3]}x{frame.shape[2]} pixels",
        "Put the trigger file again with statistics shared or a smaller size, or use a device with more memory",
        next_step=NextStep.START_NEW_RUN,
    )


def _padded(frames: Pictures) -> Pictures:
    """Mirror (B, H, W, 3) at right and bottom to multiples of 4, at least 8."""
    more = [max(SMALLEST_SIDE, -(-side // STRIDE) * STRIDE) - side for side in frames.shape[1:3]]
    return np.pad(frames, ((0, 0), (0, more[0]), (0, more[1]), (0, 0)), mode="reflect") if any(more) else frames
