"""Which program of the operator's list a run may use: the only files besides our own that nodes execute.

The list is a blob that is read for each run that names a program. The setting ALLOWED_PROGRAMS takes its place if it is
set: then only a deployment can change the list.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from frame_tools.contracts.choices import Makes, ProgramSource
from frame_tools.contracts.errors import InputError, NextStep, TemporaryError
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import PlannedProgram
from frame_tools.contracts.programs import (
    LIST_BLOB,
    LIST_NAME,
    MAX_LIST_BYTES,
    AllowedProgram,
    AllowedPrograms,
)
from frame_tools.contracts.scorers import SCORERS
from frame_tools.storage.ports import BlobContainer

_ADD: Final[dict[ProgramSource, str]] = {
    "setting": "Ask the operator to add it to ALLOWED_PROGRAMS",
    "blob": "Ask the operator to add it: impasto scorer allow (docs/scorers.md)",
}


@dataclass(frozen=True, kw_only=True)
class ProgramList:
    """The list in effect, and where it comes from."""

    source: ProgramSource
    programs: AllowedPrograms


def source_of(setting: str) -> ProgramSource:
    """Return where the list comes from; `setting` is ALLOWED_PROGRAMS."""
    return "setting" if setting else "blob"


def read_list(setting: str, scripts: BlobContainer) -> ProgramList:
    """Return the list in effect: the setting if it is set, else the blob; a missing blob is an empty list.

    Raises InputError that names the list if it is damaged or too large.
    """
    source = source_of(setting)
    if source == "setting":
        return ProgramList(source=source, programs=AllowedPrograms.parse_input(setting))
    blob = scripts.read(LIST_BLOB, limit=MAX_LIST_BYTES)
    data = blob.data if blob is not None else b""
    return ProgramList(source=source, programs=AllowedPrograms.parse_input(data, LIST_NAME))


def plan_program(options: Options, setting: str, scripts: BlobContainer) -> tuple[PlannedProgram | None, Makes]:
    """Return the run's program, or None, and what the run makes; reads the list only for a run with a program.

    Raises InputError if the program is not allowed, TemporaryError if the list cannot be used: that is no fault of the
    run, which waits until the operator has mended it.
    """
    if options.program is None:
        return None, SCORERS[options.scorer].makes or "pictures"
    try:
        allowed = read_list(setting, scripts)
    except InputError as error:
        raise TemporaryError(error.what, error.remedy, next_step=NextStep.ASK_OPERATOR) from error
    program = _find(options, options.program, allowed)
    return program.planned(options.program), program.makes


def _find(options: Options, name: str, allowed: ProgramList) -> AllowedProgram:
    """Return the program that the options name. Raises InputError if it is not allowed, or for another scorer."""
    programs = allowed.programs.root
    program = programs.get(name)
    if program is None:
        raise InputError(
            f"The program {name!r} is not on this deployment's list{_hint(name, programs)}",
            f"Use one of: {', '.join(programs)}" if programs else _ADD[allowed.source],
        )
    required_scorer = "script" if program.kind == "script" else "model"
    if options.scorer != required_scorer:
        raise InputError(
            f"The program {name!r} is a {program.kind}, not for the scorer {options.scorer!r}",
            f"Set the scorer to {required_scorer}",
        )
    return program


def _hint(name: str, programs: dict[str, AllowedProgram]) -> str:
    matches = get_close_matches(name, programs, n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
