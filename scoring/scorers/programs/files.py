"""Files beside a script, such as weights: copied from the ops account to the node, and compared with their hashes."""

from pathlib import Path
from typing import Final

from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.plan import PlannedProgram
from frame_tools.contracts.programs import file_blob, missing_file, sha256_of_file
from frame_tools.storage.ports import BlobContainer

MAX_FILE_BYTES: Final = 8 * 2**30
"""Maximum size of all files beside one script; a node has room for them on its temporary disk."""


def fetch_files(program: PlannedProgram, scripts: BlobContainer, folder: Path) -> dict[str, Path]:
    """Copy the program's files from the container `scripts` to `folder`; return the path of each by name.

    Raises InputError, which is permanent, if one does not exist, has another hash than planned, or if they are larger
    than MAX_FILE_BYTES together: their sizes are asked for before anything is copied.
    """
    _check_sizes(program, scripts)
    folder.mkdir(exist_ok=True)
    return {name: _fetch(program, name, sha256, scripts, folder / name) for name, sha256 in program.files.items()}


def _check_sizes(program: PlannedProgram, scripts: BlobContainer) -> None:
    total = 0
    for name, sha256 in program.files.items():
        info = scripts.info(file_blob(sha256))
        if info is None:
            raise missing_file(program.name, f"file {name!r} ({file_blob(sha256)})", scripts.name)
        total += info.size
        if total > MAX_FILE_BYTES:
            raise InputError(
                f"The files of the program {program.name} are larger than {MAX_FILE_BYTES} bytes together",
                "Ask the operator for smaller ones, then upload the trigger file again",
                next_step=NextStep.START_NEW_RUN,
            )


def _fetch(program: PlannedProgram, name: str, sha256: str, scripts: BlobContainer, path: Path) -> Path:
    """Copy one file, read-only."""
    with path.open("xb") as target:
        etag = scripts.download_to(file_blob(sha256), target)  # in several parts at once, so the hash comes afterwards
    if etag is None:
        raise missing_file(program.name, f"file {name!r} ({file_blob(sha256)})", scripts.name)
    if (actual := sha256_of_file(path)) != sha256:
        path.unlink()
        raise InputError(
            f"The file {name!r} of the program {program.name} has sha256 {actual}, not the planned {sha256}",
            "Ask the operator to add the program again: impasto scorer allow (docs/scorers.md); then resubmit the run",
            next_step=NextStep.RESUBMIT,
        )
    path.chmod(0o444)
    return path
