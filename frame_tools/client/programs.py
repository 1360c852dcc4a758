"""The operator's side of the list of programs: upload a program, and change the list without losing other changes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.plan import ProgramCall
from frame_tools.contracts.programs import (
    LIST_BLOB,
    LIST_NAME,
    MAX_LIST_BYTES,
    AllowedProgram,
    AllowedPrograms,
    file_blob,
    sha256_of_file,
)
from frame_tools.contracts.suggestions import did_you_mean
from frame_tools.storage.blobs import md5_of
from frame_tools.storage.ports import BlobContainer

MAX_TRIES: Final = 10
"""How often a change of the list is tried while others change it, too."""
HASH_CHARS: Final = 12
"""Digits of the hash in the name of a program's blob: another version is another blob, so open runs keep theirs."""


@dataclass(frozen=True, kw_only=True)
class LocalProgram:
    """A program on this machine: its file, the files beside it by name, and its entry on the list."""

    path: Path
    files: Mapping[str, Path]
    entry: AllowedProgram


def hashed_files(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of each file; raises MissingError for one that does not exist."""
    for path in files.values():
        if not path.is_file():
            raise MissingError(f"The file {path} does not exist", "Check the path.")
    return {name: sha256_of_file(path) for name, path in files.items()}


def blob_name(name: str, path: Path, sha256: str) -> str:
    """Return the blob in `scripts` for a version of a program."""
    return f"{name}-{sha256[:HASH_CHARS]}{path.suffix.lower()}"


def named_files(paths: list[Path]) -> dict[str, Path]:
    """Return files by the names that a script knows them by; raises InputError for two of one name."""
    files: dict[str, Path] = {}
    for path in paths:
        if files.setdefault(path.name, path) != path:
            raise InputError(f"{files[path.name]} and {path} have the same name", "Rename one of them.")
    return files


def call_fields(*, scale: int, frames_per_call: int | None, precision: str) -> dict[str, Any]:
    """Return the fields that say how a program is called, for a document that has them."""
    values = {"scale": scale, "frames_per_call": frames_per_call, "precision": precision}
    return {name: values[name] for name in ProgramCall.model_fields}


def upload_program(scripts: BlobContainer, program: LocalProgram) -> int:
    """Upload the program and its files unless they are there; returns the number of files that were sent."""
    blobs = {program.entry.file: program.path}
    blobs |= {file_blob(program.entry.files[name]): path for name, path in program.files.items()}
    sent = 0
    for blob, path in blobs.items():
        stored = scripts.info(blob)
        if stored is None or stored.size != path.stat().st_size or stored.md5 != md5_of(path):
            scripts.upload_file(blob, path)
            sent += 1
    return sent


def read_programs(scripts: BlobContainer) -> AllowedPrograms:
    """Return the list in the container; empty if there is none. Raises InputError that names a damaged list."""
    return _read(scripts)[0]


def add_program(scripts: BlobContainer, name: str, entry: AllowedProgram) -> None:
    """Add or replace a program on the list; raises TemporaryError if others keep changing it."""
    _change(scripts, lambda programs: programs.with_program(name, entry))


def remove_program(scripts: BlobContainer, name: str) -> None:
    """Remove a program from the list, not its files, which open runs may need. Raises MissingError if it has none."""

    def without(programs: AllowedPrograms) -> AllowedPrograms:
        if name not in programs.root:
            raise MissingError(
                f"The program {name!r} is not on the list{did_you_mean(name, programs.root)}",
                "See which are: impasto scorer list",
            )
        return programs.without(name)

    _change(scripts, without)


def _change(scripts: BlobContainer, change: Callable[[AllowedPrograms], AllowedPrograms]) -> None:
    """Write the changed list, on the condition that nobody has changed it since it was read; else read it again."""
    for _ in range(MAX_TRIES):
        programs, etag = _read(scripts)
        data = change(programs).dumps()
        is_written = bool(
            scripts.create(LIST_BLOB, data) if etag is None else scripts.replace(LIST_BLOB, data, etag=etag)
        )
        if is_written:
            return
    raise TemporaryError("Others are changing the list of programs at the same time", "Run the same command again.")


def _read(scripts: BlobContainer) -> tuple[AllowedPrograms, str | None]:
    """Return the list and its ETag, which is None if there is no list."""
    blob = scripts.read(LIST_BLOB, limit=MAX_LIST_BYTES)
    if blob is None:
        return AllowedPrograms({}), None
    return AllowedPrograms.parse_input(blob.data, LIST_NAME), blob.etag
