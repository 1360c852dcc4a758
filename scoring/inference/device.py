"""What scorers with a network share: a GPU takes several frames in one forward, a CPU a frame in each lane."""

from typing import Final

import torch

from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.tensors import device_label
from scoring.thread_pools import available_cores

MAX_CPU_WORKERS: Final = 8
"""Most frames at once on a CPU. At 1920x1080 one takes about 0.5 GB with the any-painting network, 1.0 to 1.6 with
Johnson's; of a person's model nobody knows."""


class DeviceScorer:
    """The part of a `scoring.types.Scorer` that says where it computes, and how many frames at once suit that."""

    def __init__(self, device: torch.device, *, gpu_frames: int) -> None:
        self._device = device
        self._workers = CpuWorkers(1 if device.type == "cuda" else min(available_cores(), MAX_CPU_WORKERS))
        self._batch_size = gpu_frames if device.type == "cuda" else self._workers.size

    @property
    def device(self) -> str:
        """The device in words."""
        return device_label(self._device)

    @property
    def frames_per_forward(self) -> int:
        """As many as the device computes side by side."""
        return self._batch_size
