"""Where a result is written on this machine: checked before any work, so that nothing is lost afterwards."""

from pathlib import Path
from typing import Final, Literal

from frame_tools.contracts.choices import VideoContainer
from frame_tools.contracts.errors import InputError

RecordsFormat = Literal["jsonl", "csv", "parquet"]
"""How records are written on this machine; in storage they are JSON lines."""
RECORDS_SUFFIX: Final = ".jsonl"
RECORDS_FORMATS: Final[dict[str, RecordsFormat]] = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}
CONTAINERS: Final[dict[str, VideoContainer]] = {".mp4": "mp4", ".mov": "mov", ".mkv": "mkv"}


def container_of(out: Path) -> VideoContainer:
    """Return the container that a file's suffix names; raises InputError for any other suffix."""
    container = CONTAINERS.get(out.suffix.lower())
    if container is None:
        raise InputError(
            f"The output {out.name!r} has the suffix {out.suffix or 'none'}; videos are written as"
            f" {', '.join(CONTAINERS)}",
            f"Give a name like {out.stem or 'video'}.mp4.",
        )
    return container


def records_format(out: Path, chosen: RecordsFormat | None = None) -> RecordsFormat:
    """Return the format for records in `out`: `chosen`, else that of the suffix, else JSON lines."""
    return chosen or RECORDS_FORMATS.get(out.suffix.lower(), "jsonl")


def records_target(out: Path, chosen: RecordsFormat | None = None) -> Path:
    """Return the file for records: `out`, with the format's suffix in place of that of a video or of another format."""
    suffix = f".{records_format(out, chosen)}"
    is_replaced = out.suffix.lower() in CONTAINERS or out.suffix.lower() in RECORDS_FORMATS
    return out.with_suffix(suffix) if is_replaced and out.suffix.lower() != suffix else out


def check_target(target: Path, *, sources: tuple[Path, ...] = (), overwrite: bool) -> None:
    """Raise InputError if writing `target` would replace one of the `sources`, or another file without `overwrite`.

    Hard and symbolic links to a source count as the source.
    """
    for source in sources:
        if target.exists() and source.exists() and target.samefile(source):
            raise InputError(f"The output {target} is the input {source}", "Give another name for the output.")
    if target.is_dir():
        raise InputError(f"The output {target} is a folder", "Give the name of a file.")
    if target.exists() and not overwrite:
        raise InputError(f"The output {target} exists", "Give another name, or add --overwrite to replace it.")
