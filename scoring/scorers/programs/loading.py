"""Loading of the plan's program. A file is not parsed before its hash is compared with the planned one."""

import hashlib
from typing import Final

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.plan import PlannedProgram
from frame_tools.contracts.programs import missing_file
from frame_tools.storage.ports import BlobContainer
from scoring.scorers.programs.context import ProgramContext
from scoring.scorers.programs.model import ExportedModel, TorchScriptModel
from scoring.scorers.programs.script import Script
from scoring.types import Scorer

MAX_PROGRAM_BYTES: Final = 2**30
"""Maximum size of a program's file, which is held in memory as a whole."""


def read_program(program: PlannedProgram, scripts: BlobContainer) -> bytes:
    """Read the program's file from the ops account's container `scripts`, at most MAX_PROGRAM_BYTES.

    Raises InputError if it does not exist or is larger. `load_program` compares its hash.
    """
    blob = scripts.read(program.file, limit=MAX_PROGRAM_BYTES)
    if blob is None:
        raise missing_file(program.name, f"file {program.file!r}", scripts.name)
    if len(blob.data) > MAX_PROGRAM_BYTES:
        raise InputError(
            f"The program {program.name} is larger than {MAX_PROGRAM_BYTES} bytes",
            "Use a smaller model, then upload the trigger file again",
            next_step=NextStep.START_NEW_RUN,
        )
    return blob.data


def load_program(program: PlannedProgram, data: bytes, context: ProgramContext, *, makes: Makes) -> Scorer:
    """Load the program from the bytes of its file, which must have the planned sha256.

    Raises InputError, which is permanent, for another file or a file of another kind than the operator's list says.
    Raises InternalError if a script's own code fails.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != program.sha256:
        raise InputError(
            f"The file of the program {program.name} has sha256 {sha256}, not the planned {program.sha256}",
            "Restore the planned file and resubmit the run, or upload the trigger file again once the operator's list"
            " has the new hash",
            next_step=NextStep.RESUBMIT,
        )
    if program.kind == "script":
        return Script(program, data, context, makes=makes)
    if makes != "pictures":
        raise InputError(
            f"The program {program.name} is a model, which makes pictures, not {makes}",
            "Ask the operator to set makes: pictures or to use a script, then upload the trigger file again",
            next_step=NextStep.START_NEW_RUN,
        )
    model = TorchScriptModel if program.kind == "torchscript" else ExportedModel
    return model(program, data, context.device)
