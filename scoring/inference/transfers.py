"""Copies between host and device that run beside computation: page-locked memory and a stream for each direction.

After https://docs.pytorch.org/tutorials/intermediate/pinmem_nonblock.html and `torch.Tensor.record_stream`. Only a CUDA
device has streams; on a CPU nothing is copied that need not be.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from scoring.types import Picture


class Download(Protocol):
    """A copy to the host that may still be running."""

    def wait(self) -> torch.Tensor:
        """Return the copy once it is complete. Callable on any thread."""


class Transfers(Protocol):
    """Copies of one task; each method is called on one thread at a time."""

    def upload(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """Return pictures of one size on the device, (B, H, W, 3) uint8, for the calling thread's stream."""

    def download(self, tensor: torch.Tensor) -> Download:
        """Begin to copy what the calling thread's stream computes."""


def transfers_for(device: torch.device) -> Transfers:
    """Return the way to copy to and from `device`."""
    return CudaTransfers(device) if device.type == "cuda" else DirectTransfers(device)


class DirectTransfers:
    """Copies in the order of computation, which for a CPU are none."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def upload(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """Stack pictures."""
        return torch.from_numpy(np.stack(pictures)).to(self._device)

    def download(self, tensor: torch.Tensor) -> "_Complete":
        """Return the tensor itself."""
        return _Complete(tensor.cpu())


class _Complete:
    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def wait(self) -> torch.Tensor:
        """Return the tensor."""
        return self._tensor


class CudaTransfers:
    """Copies on two streams of their own."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._uploads, self._downloads = torch.cuda.Stream(device), torch.cuda.Stream(device)

    def upload(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """Stack pictures in page-locked memory and copy them; the calling thread's stream waits for the copy.

        PyTorch keeps the page-locked memory until the copy has read it.
        """
        host = torch.empty((len(pictures), *pictures[0].shape), dtype=torch.uint8, pin_memory=True)
        np.stack(pictures, out=host.numpy())
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._uploads):
            uploaded = host.to(self._device, non_blocking=True)
        computing.wait_stream(self._uploads)
        uploaded.record_stream(computing)
        return uploaded

    def download(self, tensor: torch.Tensor) -> "_CudaDownload":
        """Copy to page-locked memory once the calling thread's stream has computed `tensor`."""
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self._downloads.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._downloads):
            host.copy_(tensor, non_blocking=True)
            done = torch.cuda.Event(blocking=True)  # a waiting thread sleeps: the cores have other work
            done.record()
        tensor.record_stream(self._downloads)
        return _CudaDownload(host, done)


class _CudaDownload:
    def __init__(self, host: torch.Tensor, done: torch.cuda.Event) -> None:
        self._host, self._done = host, done

    def wait(self) -> torch.Tensor:
        """Wait for the event that follows the copy."""
        self._done.synchronize()
        return self._host
