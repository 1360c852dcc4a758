"""Fetch a finished run's video or records from `output`."""

import json
from pathlib import Path, PurePosixPath
from typing import Final

from frame_tools.contracts import ids
from frame_tools.contracts.errors import MissingError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.deployment import DataStorage

RECORDS: Final = ".jsonl"
VIDEOS: Final = frozenset({".mp4", ".mkv", ".mov", ".avi", ".webm"})


def download(storage: DataStorage, run_id: str, out: Path) -> Path:
    """Write what the run made to `out` (a file, or a folder to put it into), whole or not at all; returns where.

    Records never go by the name of a video: their file then ends with .jsonl.
    """
    report = storage.output.read(RunPaths(ids.check_run_id(run_id)).report)
    if report is None:
        raise MissingError(f"The run {run_id} has no report yet", f"Wait for it: python -m frame_tools watch {run_id}")
    said = json.loads(report.data)
    blob = said.get("video") or said.get("records")
    if blob is None:
        raise MissingError(f"The run {run_id} made no video", f"Read why: python -m frame_tools watch {run_id}")
    return fetch(storage, run_id, blob, out)


def fetch(storage: DataStorage, run_id: str, blob: str, out: Path) -> Path:
    """Write the run's video or records, a blob of `output`, as `download` does."""
    target = _target(out, run_id, PurePosixPath(blob).suffix)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as file:
            if not storage.output.download_to(blob, file):
                raise MissingError(f"output/{blob} is not there any more", "Run it again")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _target(out: Path, run_id: str, suffix: str) -> Path:
    if out.is_dir():
        return out / f"{run_id}{suffix}"
    return out.with_suffix(suffix) if suffix == RECORDS and out.suffix.lower() in VIDEOS else out
