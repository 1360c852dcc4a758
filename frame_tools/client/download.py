"""Download of a finished run's video or records from `output`."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from frame_tools.client.output_path import (
    RECORDS_SUFFIX,
    RecordsFormat,
    check_target,
    container_of,
    records_format,
    records_target,
)
from frame_tools.client.records import check_records_format, write_records
from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.paths import RunPaths
from frame_tools.media.files import atomic_output
from frame_tools.storage.deployment import DataStorage
from frame_tools.storage.ports import BlobContainer


def read_report(storage: DataStorage, run_id: str) -> dict[str, Any]:
    """Return the report of an ended run; raises MissingError if it has none (yet)."""
    blob = storage.output.read(RunPaths(ids.check_run_id(run_id)).report)
    if blob is None:
        raise MissingError(f"The run {run_id} has no report yet", f"Wait until it ends: impasto watch {run_id}")
    report: dict[str, Any] = json.loads(blob.data)
    return report


def product_of(report: Mapping[str, Any], run_id: str) -> str:
    """Return the blob of `output` that a run made; raises MissingError if it made none."""
    blob = report.get("video") or report.get("records")
    if blob is None:
        raise MissingError(f"The run {run_id} has no video or records", f"Find out why: impasto watch {run_id}")
    return str(blob)


def download_page(storage: DataStorage, run_id: str, target: Path) -> Path:
    """Write the run's page to `target`; returns the path. Raises MissingError if the run has none (yet)."""
    if not download_file(storage.output, RunPaths(ids.check_run_id(run_id)).page, target):
        raise MissingError(
            f"The run {run_id} has no page", f"A finished run has one; see how it is doing: impasto show {run_id}"
        )
    return target


def download_file(container: BlobContainer, blob: str, target: Path) -> bool:
    """Write a blob to `target`, atomically; returns False, and writes nothing, if it does not exist."""
    if not container.exists(blob):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(target) as part, part.open("wb") as file:
        if not container.download_to(blob, file):
            raise MissingError(f"The blob {blob} was deleted during the download", "Try again.")
    return True


def fetch(
    storage: DataStorage,
    run_id: str,
    blob: str,
    out: Path,
    *,
    overwrite: bool = False,
    records: RecordsFormat | None = None,
) -> Path:
    """Write a blob of `output`, the run's video or records, to `out`, a file or an existing folder; returns the path.

    The file is written atomically. Records are written in the format `records`, else in that of the suffix of `out`
    (JSON lines for any other), and never get the suffix of a video. Raises MissingError if the blob is gone, InputError
    if `out` has the suffix of another container than the video's or exists and `overwrite` is false, or if the package
    for the format is missing.
    """
    target = target_of(out, run_id, PurePosixPath(blob).suffix, records)
    check_target(target, overwrite=overwrite)
    check_records_format(records_format(target, records))
    target.parent.mkdir(parents=True, exist_ok=True)
    is_converted = blob.endswith(RECORDS_SUFFIX) and records_format(target, records) != "jsonl"
    with atomic_output(target) as part:
        with part.open("wb") as file:
            if not storage.output.download_to(blob, file):
                raise MissingError(f"The blob output/{blob} does not exist any more", "Start the run again.")
        if is_converted:
            write_records(part.read_bytes(), part, records_format(target, records))
    return target


def target_of(out: Path, run_id: str, suffix: str, records: RecordsFormat | None = None) -> Path:
    """Return the file to write: `out`, or in a folder one with the run's id; `suffix` is that of the run's product."""
    file = out / f"{run_id}{suffix}" if out.is_dir() else out
    if suffix == RECORDS_SUFFIX:
        return records_target(file, records)
    if out.is_dir():
        return file
    if suffix != f".{container_of(out)}":
        raise InputError(
            f"The run's video is {suffix.removeprefix('.').upper()}, which {out.name!r} does not name",
            f"Give a name like {out.with_suffix(suffix).name}.",
        )
    return out
