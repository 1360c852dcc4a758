"""What scorers with a network share: a GPU takes several frames in one forward, a CPU a frame in each lane."""

from typing import Final

import torch

from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.tensors import in_words
from scoring.thread_pools import cores

MAX_LANES: Final = 8
"""Most frames at once on a CPU. At 1920x1080 one takes about 0.5 GB with the any-painting network, 1.0 to 1.6 with
Johnson's; of a person's model nobody knows."""


class DeviceScorer:
    """The part of a `scoring.types.Scorer` that says where it computes, and how many frames at once suit that."""

    def __init__(self, device: torch.device, *, gpu_frames: int) -> None:
        self._device = device
        self._lanes = CpuWorkers(1 if device.type == "cuda" else min(cores(), MAX_LANES))
        self._together = gpu_frames if device.type == "cuda" else self._lanes.size

    @property
    def device(self) -> str:
        """The device in words."""
        return in_words(self._device)

    @property
    def frames_per_forward(self) -> int:
        """As many as the device computes side by side."""
        return self._together
