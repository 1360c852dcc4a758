"""Download of a finished run's video or records from `output`."""

import json
from pathlib import Path, PurePosixPath

from frame_tools.client.output_path import CONTAINERS, RECORDS_SUFFIX, check_target, container_of
from frame_tools.client.records import CSV_SUFFIX, records_to_csv
from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.paths import RunPaths
from frame_tools.media.files import atomic_output
from frame_tools.storage.deployment import DataStorage


def download(storage: DataStorage, run_id: str, out: Path, *, overwrite: bool = False) -> Path:
    """Write the run's video or records to `out`, a file or an existing folder; returns the path of the file.

    The file is written atomically. If a run made records and `out` has the suffix of a video, the suffix becomes
    .jsonl. Raises MissingError if the run has no report or no output, InputError if `out` has the suffix of another
    container than the video's or exists and `overwrite` is false.
    """
    report = storage.output.read(RunPaths(ids.check_run_id(run_id)).report)
    if report is None:
        raise MissingError(f"The run {run_id} has no report yet", f"Wait until it ends: impasto watch {run_id}")
    fields = json.loads(report.data)
    blob = fields.get("video") or fields.get("records")
    if blob is None:
        raise MissingError(f"The run {run_id} has no video or records", f"Find out why: impasto watch {run_id}")
    return fetch(storage, run_id, blob, out, overwrite=overwrite)


def download_page(storage: DataStorage, run_id: str, target: Path) -> Path:
    """Write the run's page to `target`; returns the path. Raises MissingError if the run has none (yet)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(target) as part, part.open("wb") as file:
        if not storage.output.download_to(RunPaths(ids.check_run_id(run_id)).page, file):
            raise MissingError(
                f"The run {run_id} has no page", f"A finished run has one; see how it is doing: impasto show {run_id}"
            )
    return target


def fetch(storage: DataStorage, run_id: str, blob: str, out: Path, *, overwrite: bool = False) -> Path:
    """Write a blob of `output`, the run's video or records, as `download` does; records as CSV if `out` says so."""
    target = _target(out, run_id, PurePosixPath(blob).suffix)
    check_target(target, overwrite=overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(target) as part, part.open("wb") as file:
        if not storage.output.download_to(blob, file):
            raise MissingError(f"The blob output/{blob} does not exist any more", "Start the run again.")
        if target.suffix.lower() == CSV_SUFFIX:
            file.flush()
            part.write_bytes(records_to_csv(part.read_bytes()))
    return target


def _target(out: Path, run_id: str, suffix: str) -> Path:
    if out.is_dir():
        return out / f"{run_id}{suffix}"
    if suffix == RECORDS_SUFFIX:
        return records_target(out)
    if suffix != f".{container_of(out)}":
        raise InputError(
            f"The run's video is {suffix.removeprefix('.').upper()}, which {out.name!r} does not name",
            f"Give a name like {out.with_suffix(suffix).name}.",
        )
    return out


def records_target(out: Path) -> Path:
    """Return `out`, with the suffix .jsonl in place of the suffix of a video."""
    return out.with_suffix(RECORDS_SUFFIX) if out.suffix.lower() in CONTAINERS else out
