"""The operator's allow-list of programs: the only files besides our own that nodes execute, each pinned by its hash.

A trigger file names a program of the list; the setting ALLOWED_PROGRAMS has its file and hash.
"""

from difflib import get_close_matches

from pydantic import RootModel, ValidationError, model_validator

from frame_tools.contracts.base import Document, explain_validation_error
from frame_tools.contracts.choices import Makes, ProgramKind
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import Options, ProgramName
from frame_tools.contracts.plan import PlannedProgram, Sha256
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.trigger import FileName


class AllowedProgram(Document):
    """One program: its file in the container `scripts` of the ops account, the file's hash, and its kind."""

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
    """The programs by name: {"posterize": {"file": "posterize.py", "sha256": "…", "kind": "script"}}."""

    @classmethod
    def parse_input(cls, text: str) -> "AllowedPrograms":
        """Parse the setting, which may be empty. Raises InputError if it is invalid."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError as error:
            raise InputError(*explain_validation_error(error, "list of allowed programs", AllowedProgram)) from None

    def find(self, options: Options) -> AllowedProgram | None:
        """Return the program that the options name, or None. Raises InputError if it is not allowed."""
        if options.program is None:
            return None
        program = self.root.get(options.program)
        if program is None:
            raise InputError(
                f"The program {options.program!r} is not on this deployment's list{_hint(options.program, self.root)}",
                f"Use one of: {', '.join(self.root)}"
                if self.root
                else "Ask the operator to add it to ALLOWED_PROGRAMS",
            )
        required_scorer = "script" if program.kind == "script" else "model"
        if options.scorer != required_scorer:
            raise InputError(
                f"The program {options.program!r} is a {program.kind}, not for the scorer {options.scorer!r}",
                f"Set the scorer to {required_scorer}",
            )
        return program


def plan_program(options: Options, allowed: AllowedPrograms) -> tuple[PlannedProgram | None, Makes]:
    """Return the run's program, or None, and what the run makes. Raises InputError if the program is not allowed."""
    program = allowed.find(options)
    if program is None:
        return None, SCORERS[options.scorer].makes or "pictures"
    planned = PlannedProgram(name=str(options.program), file=program.file, sha256=program.sha256, kind=program.kind)
    return planned, program.makes


def _hint(name: str, programs: dict[str, AllowedProgram]) -> str:
    matches = get_close_matches(name, programs, n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
