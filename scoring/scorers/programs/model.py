"""The scorer `model`: an image-to-image network as its file has it, TorchScript or an exported program of PyTorch.

It maps a float32 tensor (1, 3, H, W), RGB in 0..1, to one of the same shape, which is clamped. Frames go through one
by one; several side by side on a CPU, each on one thread.
https://docs.pytorch.org/docs/stable/generated/torch.jit.load.html, .../torch.export.html#serialization
"""

import io
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch.export.passes import move_to_device_pass

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InputError, InternalError, NextStep
from scoring.inference.allocator import keep_freed_memory
from scoring.inference.device import DeviceScorer
from scoring.inference.tensors import check_finite, check_frames, to_pictures, to_tensor
from scoring.types import PictureError, Pictures, Prepared, RunInputs, Score

_OF_THE_MACHINE: Final = (MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)
"""Errors that say nothing of the file."""


class _Model(DeviceScorer):
    """What both kinds share; see `scoring.types.Scorer`."""

    makes: Makes = "pictures"
    in_order: bool = False
    form: str
    """What the file must be, in words."""

    def __init__(self, name: str, data: bytes, device: str) -> None:
        """Load the model `name` from its file onto the device "cpu" or "cuda"; raises InputError for an unfit file.

        What a GPU or too little memory makes go wrong is raised as it is: another try, or another node, may have more.
        """
        super().__init__(torch.device(device), gpu_frames=1)
        self._name = name
        if self._device.type == "cpu":
            keep_freed_memory()
        try:
            self._network = self._load(io.BytesIO(data), self._device)
        except _OF_THE_MACHINE:
            raise
        except Exception as error:  # PyTorch's readers raise anything for a file that is something else
            raise InputError(
                f"The program {name} can't be loaded as {self.form} ({_in_short(error)})",
                f"Ask the operator to save it again with torch {torch.__version__} (docs/scorers.md), then put the"
                " trigger file again",
                next_step=NextStep.START_NEW_RUN,
            ) from error

    def prepare(self, _run: RunInputs) -> Prepared:
        """Give nothing: a model knows all it needs."""
        return {}

    def open(self, _run: RunInputs, _prepared: Prepared) -> Score:
        """Give the function that runs the model."""
        return self._score

    def _score(self, frames: Pictures, _moments: object) -> Pictures:
        """Score (B, H, W, 3) uint8. Raises PictureError for a frame that the model fails on or answers wrongly."""
        check_frames(frames)
        return np.concatenate(self._workers.map(lambda i: self._one(frames[i : i + 1], i), range(len(frames))))

    def _one(self, frame: Pictures, position: int) -> Pictures:
        x = (to_tensor(frame, self._device) / 255).contiguous()
        shape = tuple(x.shape)
        try:
            y: Any = self._run(x)
        except Exception as error:  # whatever the operator's code raises
            raise PictureError(
                position,
                f"The program {self._name} failed at {shape[3]}x{shape[2]} pixels: {_in_short(error)}",
                "Ask the operator whether the model takes this size; `size` changes it",
                fault=InternalError,
            ) from error
        if not isinstance(y, torch.Tensor) or tuple(y.shape) != shape or not y.dtype.is_floating_point:
            raise PictureError(
                position,
                f"The program {self._name} answered {_kind_of(y)} to float32 {shape}",
                "Ask the operator for a model that gives a picture of the size it got (docs/scorers.md), then put the"
                " trigger file again",
                fault=InputError,
                next_step=NextStep.START_NEW_RUN,
            )
        y = y.float()
        remedy = f"Ask the operator to mend the program {self._name}, then put the trigger file again"
        check_finite(y, first=position, remedy=remedy, fault=InputError, next_step=NextStep.START_NEW_RUN)
        return to_pictures(y * 255)

    def _run(self, x: torch.Tensor) -> Any:
        return self._network(x)

    @staticmethod
    def _load(file: io.BytesIO, device: torch.device) -> Callable[[torch.Tensor], Any]:
        raise NotImplementedError


class TorchScriptModel(_Model):
    """A file of torch.jit.save."""

    form = "TorchScript"

    @staticmethod
    def _load(file: io.BytesIO, device: torch.device) -> Callable[[torch.Tensor], Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit; its files are still about
            module = torch.jit.load(file, map_location=device)
        module.eval()
        network: Callable[[torch.Tensor], Any] = module
        return network

    def _run(self, x: torch.Tensor) -> Any:
        # The optimiser recompiles after the first calls: a frame's bytes would depend on how many came before it.
        with torch.jit.optimized_execution(should_optimize=False):
            return self._network(x)


class ExportedModel(_Model):
    """A file of torch.export.save (.pt2)."""

    form = "an exported program"

    @staticmethod
    def _load(file: io.BytesIO, device: torch.device) -> Callable[[torch.Tensor], Any]:
        network: Callable[[torch.Tensor], Any] = move_to_device_pass(torch.export.load(file), device).module()
        return network


def _in_short(error: Exception) -> str:
    """Give an error's kind and its last line, where PyTorch says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:200]}" if lines else type(error).__name__


def _kind_of(y: object) -> str:
    """Say what a model answered."""
    return (
        f"{str(y.dtype).removeprefix('torch.')} {tuple(y.shape)}" if isinstance(y, torch.Tensor) else type(y).__name__
    )
