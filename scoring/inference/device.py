"""Base class of scorers with a network: a GPU takes several frames in one forward pass, a CPU one in each worker."""

from typing import Final

import torch

from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.tensors import device_label
from scoring.thread_pools import available_cores

MAX_CPU_WORKERS: Final = 8
"""Maximum number of frames at once on a CPU. At 1920x1080 one takes about 0.5 GB with the any-painting network, 1.0 to
1.6 GB with Johnson's; the memory of an operator's model is unknown."""


class DeviceScorer:
    """Device and batch size of a `scoring.types.Scorer`."""

    def __init__(self, device: torch.device, *, gpu_frames: int) -> None:
        self._device = device
        self._workers = CpuWorkers(1 if device.type == "cuda" else min(available_cores(), MAX_CPU_WORKERS))
        self._batch_size = gpu_frames if device.type == "cuda" else self._workers.size

    @property
    def device(self) -> str:
        """Device label for receipts and logs."""
        return device_label(self._device)

    @property
    def frames_per_forward(self) -> int:
        """Number of frames that the device computes at once."""
        return self._batch_size
