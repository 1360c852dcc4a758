"""From the plan's program to a loaded scorer. Nothing of a file is looked at before its hash is the planned one."""

import hashlib
from typing import Final

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.plan import PlannedProgram
from frame_tools.storage.blobs import Container
from scoring.scorers.programs.context import ProgramContext
from scoring.scorers.programs.model import ExportedModel, TorchScriptModel
from scoring.scorers.programs.script import Script
from scoring.types import Scorer

MAX_PROGRAM_BYTES: Final = 2**30
"""Of a program's file, which is held in memory as a whole."""


def read_program(program: PlannedProgram, scripts: Container) -> bytes:
    """Read the program's file from the ops account's container `scripts`, at most MAX_PROGRAM_BYTES.

    Raises InputError if it is not there or larger; its hash is for `load_program` to compare.
    """
    blob = scripts.read(program.file, limit=MAX_PROGRAM_BYTES)
    if blob is None:
        raise InputError(
            f"The program {program.name} has no file {program.file!r} in the container {scripts.name}",
            "Ask the operator to put it there (docs/scorers.md), then resubmit what is missing",
            next_step=NextStep.RESUBMIT,
        )
    if len(blob.data) > MAX_PROGRAM_BYTES:
        raise InputError(
            f"The program {program.name} has more than {MAX_PROGRAM_BYTES} bytes",
            "Use a smaller model, then put the trigger file again",
            next_step=NextStep.START_NEW_RUN,
        )
    return blob.data


def load_program(program: PlannedProgram, data: bytes, context: ProgramContext, *, makes: Makes) -> Scorer:
    """Load the program from its file's bytes, which must have the planned sha256.

    Raises InputError for another file, or one that is not what the operator's list calls it: an attempt more would
    find the same. Raises InternalError if a script's own code fails.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != program.sha256:
        raise InputError(
            f"The file of the program {program.name} has sha256 {found}, not the planned {program.sha256}",
            "Put the planned file back and resubmit what is missing, or put the trigger file again when the operator's"
            " list has the new hash",
            next_step=NextStep.RESUBMIT,
        )
    if program.kind == "script":
        return Script(program, data, context, makes=makes)
    if makes != "pictures":
        raise InputError(
            f"The program {program.name} is a model, which makes pictures, not {makes}",
            "Ask the operator to say makes: pictures, or to use a script, then put the trigger file again",
            next_step=NextStep.START_NEW_RUN,
        )
    model = TorchScriptModel if program.kind == "torchscript" else ExportedModel
    return model(program.name, data, context.device)
