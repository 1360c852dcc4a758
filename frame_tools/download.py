"""Fetch a finished run's video from `output`."""

import json
from pathlib import Path

from frame_tools import names
from frame_tools.errors import MissingError
from frame_tools.storage import DataStorage


def download(storage: DataStorage, run_id: str, out: Path) -> Path:
    """Write the run's video to `out` (a file, or a folder to put it into); whole or not at all."""
    report = storage.output.read(names.report(names.check_run_id(run_id)))
    if report is None:
        raise MissingError(f"The run {run_id} has no report yet", f"Wait for it: python -m frame_tools watch {run_id}")
    blob = json.loads(report.data).get("video")
    if blob is None:
        raise MissingError(f"The run {run_id} made no video", f"Read why: python -m frame_tools watch {run_id}")
    target = out / f"{run_id}{Path(blob).suffix}" if out.is_dir() else out
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as file:
            if not storage.output.download_to(blob, file):
                raise MissingError(f"The video {blob} is not there any more", "Run it again")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target
