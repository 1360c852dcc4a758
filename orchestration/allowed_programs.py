"""The operator's list of programs: the only files besides our own that a node ever runs, each fixed by its hash.

A trigger says a name on the list; which file that is, and what may be in it, stands in the setting ALLOWED_PROGRAMS.
"""

from difflib import get_close_matches

from pydantic import RootModel, ValidationError, model_validator

from frame_tools.contracts.base import Document, explain_validation_error
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import Options, ProgramName
from frame_tools.contracts.plan import PlannedProgram, ProgramKind, Sha256
from frame_tools.contracts.scorers import SCORERS, Makes
from frame_tools.contracts.trigger import FileName


class AllowedProgram(Document):
    """One program: its file in the container `scripts` of the ops account, that file's hash, and what it is."""

    file: FileName
    sha256: Sha256
    kind: ProgramKind
    makes: Makes = "pictures"

    @model_validator(mode="after")
    def _models_make_pictures(self) -> "AllowedProgram":
        if self.kind != "script" and self.makes != "pictures":
            raise ValueError(f"a program of kind {self.kind} makes pictures; only a script can make records")
        return self


class AllowedPrograms(RootModel[dict[ProgramName, AllowedProgram]]):
    """The list by name, {"posterise": {"file": "posterise.py", "sha256": "…", "kind": "script"}}."""

    @classmethod
    def parse_input(cls, text: str) -> "AllowedPrograms":
        """Read the setting's text, which may be empty; raises InputError in words."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError as error:
            raise InputError(*explain_validation_error(error, "list of allowed programs", AllowedProgram)) from None

    def find(self, options: Options) -> AllowedProgram | None:
        """Return the program that the options name, None if they name none; raises InputError if it may not run."""
        if options.program is None:
            return None
        program = self.root.get(options.program)
        if program is None:
            raise InputError(
                f"The program {options.program!r} is not on this deployment's list{_meant(options.program, self.root)}",
                f"Take one of: {', '.join(self.root)}"
                if self.root
                else "Ask the operator to put it on ALLOWED_PROGRAMS",
            )
        wanted = "script" if program.kind == "script" else "model"
        if options.scorer != wanted:
            raise InputError(
                f"The program {options.program!r} is of the kind {program.kind}, not for the scorer {options.scorer!r}",
                f"Set the scorer to {wanted}",
            )
        return program


def planned(options: Options, allowed: AllowedPrograms) -> tuple[PlannedProgram | None, Makes]:
    """Return the run's program, if it has one, and what the run makes; raises InputError if it may not run."""
    program = allowed.find(options)
    if program is None:
        return None, SCORERS[options.scorer].makes or "pictures"
    fixed = PlannedProgram(name=str(options.program), file=program.file, sha256=program.sha256, kind=program.kind)
    return fixed, program.makes


def _meant(name: str, names: dict[str, AllowedProgram]) -> str:
    near = get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
