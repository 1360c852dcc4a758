"""The scorer `script`: a Python file of the operator, run in this process; docs/scorers.md describes the protocol.

The bytes that were hashed are compiled and executed; no path is opened again. The code is trusted, like everything that
the operator deploys. Its results are checked, because even trusted code has mistakes.
"""

import json
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import numpy as np
import torch

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InputError, InternalError, NextStep, ProgramError
from frame_tools.contracts.plan import MAX_FRAMES_PER_CALL, PlannedProgram
from scoring.inference.tensors import check_frames, device_label
from scoring.scorers.programs.context import ProgramContext
from scoring.scorers.programs.tracebacks import own_traceback, register_source
from scoring.types import (
    Describe,
    FramePositions,
    PictureError,
    Pictures,
    Prepared,
    Record,
    RunInputs,
    Score,
    scaled_shape,
)

MAX_RECORD_BYTES: Final = 64 * 2**10
METHODS: Final[Mapping[Makes, str]] = {"pictures": "score", "records": "describe"}
"""What the program makes -> the name of the method that makes it."""

# A script that calls sys.exit must not end the task as if it were complete.
_ANY_ERROR: Final = (Exception, SystemExit)

_MACHINE_ERRORS: Final = (MemoryError, OSError, torch.OutOfMemoryError, torch.AcceleratorError)
"""Errors of the machine: the same one twice says nothing about the script."""

_REMEDY: Final = (
    "Ask the operator to fix the script and to put its new hash on the list (docs/scorers.md), then upload the trigger"
    " file again"
)


class Script:
    """See `scoring.types.Scorer`. Frames are scored in order, on one thread."""

    in_order: bool = True

    def __init__(self, program: PlannedProgram, data: bytes, context: ProgramContext, *, makes: Makes) -> None:
        """Run the file and its `load`; raises InputError or InternalError with what is wrong with it."""
        self.makes = makes
        self._program = program
        self._device = context.device
        self._last_traceback = ""
        load = getattr(self._execute(data), "load", None)
        if not callable(load):
            self._refuse("has no function load(context)")
        try:
            loaded = load(context)
        except _ANY_ERROR as error:
            raise self._failure("failed to load", error) from error
        self._method: Callable[..., Any] = self._method_of(loaded)
        self._frames_per_call: Any = program.frames_per_call or getattr(loaded, "frames_per_call", 1)
        if self._frames_per_call not in range(1, MAX_FRAMES_PER_CALL + 1):
            self._refuse(
                f"has frames_per_call {self._frames_per_call!r}, not a whole number from 1 to {MAX_FRAMES_PER_CALL}"
            )

    @property
    def device(self) -> str:
        """Label of the device."""
        return device_label(torch.device(self._device))

    @property
    def frames_per_forward(self) -> int:
        """The program's `frames_per_call` on the operator's list, else the attribute of the script's object."""
        return int(self._frames_per_call)

    def prepare(self, _run: RunInputs) -> Prepared:
        """Return an empty mapping: tasks of a script share nothing."""
        return {}

    def open(self, _run: RunInputs, _prepared: Prepared) -> Score | Describe:
        """Return the function that calls the script."""
        return self._describe if self.makes == "records" else self._score

    def _score(self, frames: Pictures, positions: FramePositions) -> Pictures:
        """Return the script's pictures; raises PictureError if it fails or returns another dtype or shape."""
        result, expected = self._call(frames, positions), scaled_shape(frames, self._program.scale)
        if not isinstance(result, np.ndarray) or result.dtype != np.uint8 or result.shape != expected:
            label = f"{result.dtype} {result.shape}" if isinstance(result, np.ndarray) else type(result).__name__
            self._refuse_result(0, f"returned {label}, not uint8 {expected}")
        return np.ascontiguousarray(result)

    def _describe(self, frames: Pictures, positions: FramePositions) -> list[Record]:
        """Return the script's records; raises PictureError if it fails or does not return one JSON object per frame."""
        result = self._call(frames, positions)
        if not isinstance(result, list) or len(result) != len(frames):
            label = f"{len(result)} records" if isinstance(result, list) else type(result).__name__
            self._refuse_result(0, f"returned {label}, not a list of {len(frames)} records")
        return [
            {"frame": position.index, "seconds": round(position.pts_seconds, 6), **self._plain_record(i, record)}
            for i, (record, position) in enumerate(zip(result, positions, strict=True))
        ]

    def _plain_record(self, index: int, record: object) -> Record:
        """Return a copy of a record after a round trip through JSON; `index` is its place in the batch."""
        if not isinstance(record, dict) or not all(isinstance(key, str) for key in record):
            self._refuse_result(index, f"returned {type(record).__name__}, not a dict with strings as keys")
        if reserved := {"frame", "seconds"} & record.keys():
            self._refuse_result(index, f"returned a record with the reserved key {min(reserved)!r}")
        try:
            text = json.dumps(record, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            self._refuse_result(index, f"returned a record that is not JSON ({error})")
        if len(text) > MAX_RECORD_BYTES:
            self._refuse_result(index, f"returned a record of {len(text)} bytes, more than {MAX_RECORD_BYTES}")
        plain: Record = json.loads(text)
        return plain

    def _call(self, frames: Pictures, positions: FramePositions) -> Any:
        """Call the script with a copy of the frames, which it may change."""
        check_frames(frames)
        try:
            return self._method(frames.copy(), positions)
        except _ANY_ERROR as error:
            what = f"The program {self._program.name} failed: {self._location(error)}"
            raise PictureError(
                0, what, _REMEDY, fault=self._fault_of(error), next_step=NextStep.START_NEW_RUN
            ) from error

    def _method_of(self, loaded: object) -> Callable[..., Any]:
        name = METHODS[self.makes]
        method: Callable[..., Any] | None = getattr(loaded, name, None)
        if not callable(method):
            self._refuse(f"makes {self.makes}, but the result of its load has no method {name}(frames, positions)")
        return method

    def _execute(self, data: bytes) -> types.ModuleType:
        """Execute the file as a module of its own."""
        module = types.ModuleType(f"impasto_program_{self._program.sha256[:16]}")
        try:
            code = compile(data, self._program.file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            self._refuse(f"is not a Python file ({error})", error)
        register_source(self._program.file, data)
        sys.modules[module.__name__] = module  # dataclasses and pickle look up a class's module there
        try:
            exec(code, module.__dict__)  # noqa: S102 - the operator's code, its hash compared
        except _ANY_ERROR as error:
            raise self._failure("failed", error) from error
        return module

    def _location(self, error: BaseException) -> str:
        """Return the script's line, the type and the message of an error."""
        lines = []
        entry = error.__traceback__
        while entry is not None:
            if entry.tb_frame.f_code.co_filename == self._program.file:
                lines.append(f"line {entry.tb_lineno}: ")
            entry = entry.tb_next
        return f"{lines[-1] if lines else ''}{type(error).__name__}: {' '.join(str(error).split())[:200]}"

    def _fault_of(self, error: BaseException) -> type[InternalError]:
        """Write the script's own traceback to stderr; return the class of the error to report."""
        text = own_traceback(error, self._program.file)
        if text != self._last_traceback:
            sys.stderr.write(f"{text}\n")
        self._last_traceback = text
        return InternalError if isinstance(error, _MACHINE_ERRORS) else ProgramError

    def _failure(self, what: str, error: BaseException) -> InternalError:
        return self._fault_of(error)(
            f"The program {self._program.name} {what}: {self._location(error)}",
            _REMEDY,
            next_step=NextStep.START_NEW_RUN,
        )

    def _refuse(self, what: str, cause: Exception | None = None) -> NoReturn:
        raise InputError(
            f"The program {self._program.name} {what}", _REMEDY, next_step=NextStep.START_NEW_RUN
        ) from cause

    def _refuse_result(self, index: int, what: str) -> NoReturn:
        raise PictureError(
            index,
            f"The program {self._program.name} {what}",
            _REMEDY,
            fault=InputError,
            next_step=NextStep.START_NEW_RUN,
        )
