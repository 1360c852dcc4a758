"""The scorer `model`: an image-to-image network from a file, TorchScript or an exported program of PyTorch.

It maps a float32 tensor (B, 3, H, W), RGB in 0..1, to one of the same shape, with `scale` to one of so many times the
height and width, which is clamped. B is 1 unless the operator's list says `frames_per_call`; on a CPU several calls run
side by side, each on one thread.
https://docs.pytorch.org/docs/stable/generated/torch.jit.load.html, .../torch.export.html#serialization
"""

import io
import warnings
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import torch
from torch.export.passes import move_to_device_pass

from frame_tools.contracts.choices import Makes, Precision
from frame_tools.contracts.errors import InputError, InternalError, NextStep, ProgramError
from frame_tools.contracts.plan import PlannedProgram
from scoring.inference.device import DeviceScorer
from scoring.inference.malloc import keep_freed_memory
from scoring.inference.mixed_precision import CheckedHalfPrecision
from scoring.inference.tensors import check_finite, check_frames, concatenate, to_pictures, to_tensor
from scoring.types import FramePositions, PictureError, Pictures, Prepared, RunInputs, Score

ModelFunction: TypeAlias = Callable[[torch.Tensor], Any]
"""A loaded model; what it returns is checked."""

_MACHINE_ERRORS: Final = (MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)
"""Errors of the machine, which say nothing about the file."""

_jit: Any = torch.jit  # its type hints do not export optimized_execution


class _Model(DeviceScorer):
    """The common part of both kinds of model; see `scoring.types.Scorer`."""

    makes: Makes = "pictures"
    in_order: bool = False
    format_name: str
    """The expected format of the file, for messages."""

    def __init__(self, program: PlannedProgram, data: bytes, device: str) -> None:
        """Load the model from its file onto the device "cpu" or "cuda"; raises InputError for an invalid file.

        Errors of a GPU and a lack of memory are raised unchanged: another attempt, or another node, may succeed.
        """
        super().__init__(torch.device(device), gpu_frames=1)
        self._name = name = program.name
        self._scale = program.scale
        self._frames_per_call = program.frames_per_call or 1
        self._batch_size *= self._frames_per_call
        if self._device.type == "cpu":
            keep_freed_memory()
        try:
            self._network = self._load(io.BytesIO(data), self._device)
            self._call = self._in_precision(program.precision)
        except _MACHINE_ERRORS:
            raise
        except Exception as error:  # PyTorch's readers raise any type for another kind of file
            raise InputError(
                f"The program {name} cannot be loaded as {self.format_name} ({_summary(error)})",
                f"Ask the operator to save it again with torch {torch.__version__} (docs/scorers.md), then upload the"
                " trigger file again",
                next_step=NextStep.START_NEW_RUN,
            ) from error

    def prepare(self, _run: RunInputs) -> Prepared:
        """Return an empty mapping."""
        return {}

    def open(self, _run: RunInputs, _prepared: Prepared) -> Score:
        """Return the function that runs the model."""
        return self._score

    def _score(self, frames: Pictures, _positions: FramePositions) -> Pictures:
        """Score (B, H, W, 3) uint8. Raises PictureError if the model fails on a frame or returns an invalid result."""
        check_frames(frames)
        count = self._frames_per_call
        return concatenate(
            self._workers.map(lambda i: self._score_frames(frames[i : i + count], i), range(0, len(frames), count))
        )

    def _score_frames(self, frames: Pictures, position: int) -> Pictures:
        """Score the frames of one call, which are those from `position` on in their batch."""
        x = (to_tensor(frames, self._device) / 255).contiguous()
        shape = tuple(x.shape)
        expected = (*shape[:2], shape[2] * self._scale, shape[3] * self._scale)
        try:
            y: Any = self._call(x)
        except Exception as error:  # the operator's code may raise any type
            raise PictureError(
                position,
                f"The program {self._name} failed at {shape[3]}x{shape[2]} pixels: {_summary(error)}",
                "Ask the operator whether the model accepts this size; the option `size` changes it",
                fault=InternalError if isinstance(error, _MACHINE_ERRORS) else ProgramError,
            ) from error
        if not isinstance(y, torch.Tensor) or tuple(y.shape) != expected or not y.dtype.is_floating_point:
            raise PictureError(
                position,
                f"The program {self._name} returned {_type_label(y)} for float32 {shape}, not float {expected}",
                f"Ask the operator for a model whose result has {self._scale} times the size of its input, or to"
                " correct its scale on the list (docs/scorers.md), then upload the trigger file again",
                fault=InputError,
                next_step=NextStep.START_NEW_RUN,
            )
        y = y.float()
        remedy = f"Ask the operator to fix the program {self._name}, then upload the trigger file again"
        check_finite(y, first=position, remedy=remedy, fault=InputError, next_step=NextStep.START_NEW_RUN)
        return to_pictures(y * 255)

    def _run(self, x: torch.Tensor) -> Any:
        return self._network(x)

    def _in_precision(self, precision: Precision) -> ModelFunction:
        """Return the function to call: in half precision on a GPU if it is asked for and comes out the same."""
        if precision == "float16" and self._device.type == "cuda":
            return CheckedHalfPrecision(self._run, span=1.0)
        return self._run

    @staticmethod
    def _load(file: io.BytesIO, device: torch.device) -> ModelFunction:
        raise NotImplementedError


class TorchScriptModel(_Model):
    """A file of torch.jit.save."""

    format_name = "TorchScript"

    @staticmethod
    def _load(file: io.BytesIO, device: torch.device) -> ModelFunction:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit, whose files are still in use
            module: torch.nn.Module = _jit.load(file, map_location=device)
        return module.eval()

    def _run(self, x: torch.Tensor) -> Any:
        # The optimizer recompiles after the first calls: the bytes of a frame would depend on the number of calls.
        with _jit.optimized_execution(should_optimize=False):
            return self._network(x)


class ExportedModel(_Model):
    """A file of torch.export.save (.pt2)."""

    format_name = "an exported program"

    @staticmethod
    def _load(file: io.BytesIO, device: torch.device) -> ModelFunction:
        return move_to_device_pass(torch.export.load(file), device).module()


def _summary(error: Exception) -> str:
    """Return an error's type and its last line, in which PyTorch gives the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:200]}" if lines else type(error).__name__


def _type_label(y: object) -> str:
    """Return dtype and shape of a tensor, or the type of another object."""
    return (
        f"{str(y.dtype).removeprefix('torch.')} {tuple(y.shape)}" if isinstance(y, torch.Tensor) else type(y).__name__
    )
