"""The scorer `script`: a Python file of the operator's, run in this process; its protocol stands in docs/scorers.md.

What is run is what was hashed: the file's bytes are compiled and executed, no path is opened again. The code is
trusted, as is all that the operator deploys; its answers are checked, for mistakes are not.
"""

import json
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import numpy as np
import torch

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InputError, InternalError, NextStep
from frame_tools.contracts.plan import PlannedProgram
from scoring.inference.tensors import check_frames, device_label
from scoring.scorers.programs.context import ProgramContext
from scoring.types import Describe, FramePositions, PictureError, Pictures, Prepared, Record, RunInputs, Score

MAX_FRAMES_PER_CALL: Final = 64
MAX_RECORD_BYTES: Final = 64 * 2**10
METHODS: Final[Mapping[Makes, str]] = {"pictures": "score", "records": "describe"}
"""What the program makes -> the method that makes it."""

# A script that calls sys.exit must not end the task as if it were done.
_ANY_ERROR = (Exception, SystemExit)


class Script:
    """See `scoring.types.Scorer`. Its frames come in order, on one thread."""

    in_order: bool = True

    def __init__(self, program: PlannedProgram, data: bytes, context: ProgramContext, *, makes: Makes) -> None:
        """Run the file and its `load`; raises InputError or InternalError that says what is wrong with it."""
        self.makes = makes
        self._program = program
        self._device = context.device
        load = getattr(self._module(data), "load", None)
        if not callable(load):
            self._refuse("has no function load(context)")
        try:
            loaded = load(context)
        except _ANY_ERROR as error:
            raise InternalError(
                f"The program {program.name} failed to load: {self._where(error)}",
                _MEND,
                next_step=NextStep.START_NEW_RUN,
            ) from error
        self._method: Callable[..., Any] = self._method_of(loaded)
        self._frames_per_call = getattr(loaded, "frames_per_call", 1)
        if self._frames_per_call not in range(1, MAX_FRAMES_PER_CALL + 1):
            self._refuse(f"has frames_per_call {self._frames_per_call!r}, not a whole number to {MAX_FRAMES_PER_CALL}")

    @property
    def device(self) -> str:
        """The device in words."""
        return device_label(torch.device(self._device))

    @property
    def frames_per_forward(self) -> int:
        """As many as the script asks for."""
        return int(self._frames_per_call)

    def prepare(self, _run: RunInputs) -> Prepared:
        """Give nothing: a script keeps to itself what it knows."""
        return {}

    def open(self, _run: RunInputs, _prepared: Prepared) -> Score | Describe:
        """Give the function that calls the script."""
        return self._describe if self.makes == "records" else self._score

    def _score(self, frames: Pictures, moments: FramePositions) -> Pictures:
        """Raise PictureError if the script fails or does not give uint8 of the same shape."""
        answer = self._call(frames, moments)
        if not isinstance(answer, np.ndarray) or answer.dtype != np.uint8 or answer.shape != frames.shape:
            kind = f"{answer.dtype} {answer.shape}" if isinstance(answer, np.ndarray) else type(answer).__name__
            self._wrong(0, f"answered {kind}, not uint8 {frames.shape}")
        pictures: Pictures = np.ascontiguousarray(answer)
        return pictures

    def _describe(self, frames: Pictures, moments: FramePositions) -> list[Record]:
        """Raise PictureError if the script fails or does not give one JSON object for each frame."""
        answer = self._call(frames, moments)
        if not isinstance(answer, list) or len(answer) != len(frames):
            kind = f"{len(answer)} records" if isinstance(answer, list) else type(answer).__name__
            self._wrong(0, f"answered {kind}, not a list of {len(frames)} records")
        return [
            {"frame": moment.index, "seconds": round(moment.pts_seconds, 6), **self._record(position, record)}
            for position, (record, moment) in enumerate(zip(answer, moments, strict=True))
        ]

    def _record(self, position: int, record: object) -> Record:
        """Give a plain copy of a record, as JSON will have it."""
        if not isinstance(record, dict) or not all(isinstance(key, str) for key in record):
            self._wrong(position, f"answered {type(record).__name__}, not a dict with words as keys")
        if taken := {"frame", "seconds"} & record.keys():
            self._wrong(position, f"answered a record with its own {sorted(taken)[0]!r}")
        try:
            text = json.dumps(record, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            self._wrong(position, f"answered a record that is no JSON ({error})")
        if len(text) > MAX_RECORD_BYTES:
            self._wrong(position, f"answered a record of {len(text)} bytes, more than {MAX_RECORD_BYTES}")
        copy: Record = json.loads(text)
        return copy

    def _call(self, frames: Pictures, moments: FramePositions) -> Any:
        """Call the script with a copy: what it writes into its frames must not reach ours."""
        check_frames(frames)
        try:
            return self._method(frames.copy(), moments)
        except _ANY_ERROR as error:
            what = f"The program {self._program.name} failed: {self._where(error)}"
            raise PictureError(0, what, _MEND, fault=InternalError, next_step=NextStep.START_NEW_RUN) from error

    def _method_of(self, loaded: object) -> Callable[..., Any]:
        name = METHODS[self.makes]
        method: Callable[..., Any] | None = getattr(loaded, name, None)
        if not callable(method):
            self._refuse(f"makes {self.makes}, but what its load gives has no method {name}(frames, moments)")
        return method

    def _module(self, data: bytes) -> types.ModuleType:
        """Execute the file as a module of its own."""
        module = types.ModuleType(f"impasto_program_{self._program.sha256[:16]}")
        try:
            code = compile(data, self._program.file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            self._refuse(f"is no Python file ({error})", error)
        sys.modules[module.__name__] = module  # dataclasses and pickle look a class's module up there
        try:
            exec(code, module.__dict__)  # noqa: S102 - the operator's code, its hash compared
        except _ANY_ERROR as error:
            raise InternalError(
                f"The program {self._program.name} failed: {self._where(error)}",
                _MEND,
                next_step=NextStep.START_NEW_RUN,
            ) from error
        return module

    def _where(self, error: BaseException) -> str:
        """Say which error it is, and at which line of the script."""
        lines = []
        step = error.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename == self._program.file:
                lines.append(f"line {step.tb_lineno}: ")
            step = step.tb_next
        return f"{lines[-1] if lines else ''}{type(error).__name__}: {' '.join(str(error).split())[:200]}"

    def _refuse(self, what: str, cause: Exception | None = None) -> NoReturn:
        raise InputError(f"The program {self._program.name} {what}", _MEND, next_step=NextStep.START_NEW_RUN) from cause

    def _wrong(self, position: int, what: str) -> NoReturn:
        raise PictureError(
            position,
            f"The program {self._program.name} {what}",
            _MEND,
            fault=InputError,
            next_step=NextStep.START_NEW_RUN,
        )


_MEND = (
    "Ask the operator to mend the script and to put its new hash on the list (docs/scorers.md), then put the trigger"
    " file again"
)
