"""The operator's allow-list of programs: files pinned by hash, and how each program is called."""

import ast
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, RootModel, ValidationError, model_validator

from frame_tools.contracts.base import explain_validation_error
from frame_tools.contracts.choices import Makes, ProgramKind
from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.options import ProgramName
from frame_tools.contracts.plan import PlannedProgram, ProgramCall, Sha256
from frame_tools.contracts.trigger_values import FileName

LIST_BLOB: Final = "allowed.json"
"""The list, in the ops account's container `scripts`, where nodes can only read."""
MAX_LIST_BYTES: Final = 128 * 2**10
"""Several hundred programs. A parser takes up to a kilobyte for each byte of hostile JSON."""
MAX_FILES: Final = 16
"""Files beside one script."""
LIST_NAME: Final = f"list of allowed programs scripts/{LIST_BLOB}"
"""The list's name in messages."""
SETTING_NAME: Final = "list of allowed programs"
"""The name of the setting ALLOWED_PROGRAMS in messages."""
PROGRAM_KINDS: Final[Mapping[str, ProgramKind]] = {
    ".py": "script",
    ".pt": "torchscript",
    ".ts": "torchscript",
    ".pt2": "exported",
}
"""Suffix of a program's file -> its kind."""


class AllowedProgram(ProgramCall):
    """One program: its file in the container `scripts` of the ops account, the file's hash, and how it is called."""

    file: FileName
    sha256: Sha256
    kind: ProgramKind
    makes: Makes = "pictures"
    files: Annotated[dict[FileName, Sha256], Field(max_length=MAX_FILES)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.kind != "script":
            if self.makes != "pictures":
                raise ValueError(f"a program of kind {self.kind} makes pictures; only a script can make records")
            if self.files:
                raise ValueError(f"a program of kind {self.kind} has no files beside it; only a script has")
        elif self.precision != "float32":
            raise ValueError("a script chooses its own precision; the field is for models")
        if self.makes == "records" and self.scale != 1:
            raise ValueError("records have no size; scale is for pictures")
        return self

    def planned(self, name: str) -> PlannedProgram:
        """Return the program as a plan records it."""
        return PlannedProgram(name=name, **self.model_dump(exclude={"makes"}))


class AllowedPrograms(RootModel[dict[ProgramName, AllowedProgram]]):
    """The programs by name: {"posterize": {"file": "posterize.py", "sha256": "…", "kind": "script"}}."""

    @classmethod
    def parse_input(cls, text: str | bytes, what: str = SETTING_NAME) -> Self:
        """Parse the list, which may be empty; `what` is its name in messages. Raises InputError if it is invalid."""
        if len(text) > MAX_LIST_BYTES:
            raise InputError(
                f"The {what} has more than {MAX_LIST_BYTES} bytes", "Remove programs: impasto scorer remove NAME"
            )
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError as error:
            raise InputError(*explain_validation_error(error, what, AllowedProgram)) from None

    def dumps(self) -> bytes:
        """Return the list as JSON, sorted by name, without defaults. Raises InputError if it is too long to be read."""
        fields = {name: entry.model_dump(exclude_defaults=True) for name, entry in sorted(self.root.items())}
        data = (json.dumps(fields, indent=1, ensure_ascii=False) + "\n").encode()
        self.parse_input(data, LIST_NAME)
        return data

    def with_program(self, name: str, program: AllowedProgram) -> Self:
        """Return the list with one program added or replaced."""
        return type(self)({**self.root, name: program})

    def without(self, name: str) -> Self:
        """Return the list without a program."""
        return type(self)({key: entry for key, entry in self.root.items() if key != name})


def made_by(file: Path, kind: ProgramKind) -> Makes:
    """Return what a program makes that no list describes: records, if a script defines `describe` and no `score`."""
    if kind != "script":
        return "pictures"
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return "pictures"  # loading it says what is wrong
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return "records" if "describe" in names and "score" not in names else "pictures"


def kind_of(file: Path) -> ProgramKind:
    """Return the kind of program that a file's suffix names; raises InputError for other suffixes."""
    kind = PROGRAM_KINDS.get(file.suffix.lower())
    if kind is None:
        raise InputError(f"The program {file.name!r} has an unknown suffix", f"Use one of: {', '.join(PROGRAM_KINDS)}.")
    return kind


def file_blob(sha256: str) -> str:
    """Return the blob in `scripts` with a file beside a script. It is named by its hash, so it never changes."""
    return f"files/{sha256}"


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scaled_size(width: int, height: int, scale: int) -> tuple[int, int]:
    """Return (width, height) of the pictures that a scorer of this `scale` makes of frames of `width` by `height`."""
    return width * scale, height * scale


def missing_file(program: str, what: str, container: str) -> InputError:
    """Return the error for a file of a program that does not exist in the ops account."""
    return InputError(
        f"The {what} of the program {program} does not exist in the container {container}",
        "Ask the operator to add the program again: impasto scorer allow (docs/scorers.md); then resubmit the run",
        next_step=NextStep.RESUBMIT,
    )
