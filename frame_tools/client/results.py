"""A finished run's files on this machine: the video or records, and the files beside them."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from frame_tools.client.derived_files import DerivedFiles
from frame_tools.client.download import download_file, fetch, product_of, read_report, target_of
from frame_tools.client.originals import SplitVideo, fetch_original
from frame_tools.client.output_path import RecordsFormat
from frame_tools.contracts.errors import MissingError
from frame_tools.contracts.paths import PictureName, RunPaths
from frame_tools.storage.deployment import DataStorage

PICTURES: Final[tuple[PictureName, ...]] = ("before", "after", "sheet")
REPORT_POLLS: Final = 40
REPORT_PAUSE_SECONDS: Final = 0.25
"""The report is written a moment after the run's end."""


class Original(Protocol):
    """Provides the original of a painted video, split into frames; `scratch` is a folder for it."""

    def __call__(self, painted: Path, scratch: Path, /) -> SplitVideo:
        """Return the split video."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was written: the video or the records, and the files and folders beside it."""

    out: Path
    beside: tuple[Path, ...] = ()


def write_result(
    storage: DataStorage,
    run_id: str,
    blob: str,
    out: Path,
    *,
    derived: DerivedFiles,
    original: Original | None = None,
    overwrite: bool = False,
    records: RecordsFormat | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Write a run's product, the blob of `output`, to `out`, a file or an existing folder, and the files beside it.

    `original` defaults to the run's input in storage. All names are checked first. Raises InputError or MissingError.
    """
    target = target_of(out, run_id, PurePosixPath(blob).suffix, records)
    derived.check(target, overwrite=overwrite)
    written = fetch(storage, run_id, blob, target, overwrite=overwrite, records=records)
    provide = original or (
        lambda painted, scratch: fetch_original(storage, read_report(storage, run_id), painted, scratch)
    )
    with tempfile.TemporaryDirectory(prefix="impasto-") as scratch:
        beside = derived.write_videos(written, lambda: provide(written, Path(scratch)))
    if derived.report:
        beside.append(write_report(storage, run_id, derived.report_folder(written), sleep=sleep))
    return Result(out=written, beside=tuple(beside))


def write_run(
    storage: DataStorage,
    run_id: str,
    out: Path,
    *,
    derived: DerivedFiles,
    overwrite: bool = False,
    records: RecordsFormat | None = None,
) -> Result:
    """Write the result of a run that somebody started; raises MissingError if it has none (yet)."""
    blob = product_of(read_report(storage, run_id), run_id)
    return write_result(storage, run_id, blob, out, derived=derived, overwrite=overwrite, records=records)


def has_page(storage: DataStorage, run_id: str) -> bool:
    """Return whether a run has a report as a page: runs of earlier versions, and open ones, have none."""
    return storage.output.exists(RunPaths(run_id).page)


def write_report(storage: DataStorage, run_id: str, folder: Path, *, sleep: Callable[[float], None]) -> Path:
    """Write report.html and its pictures to a folder, waiting a few seconds for them; runs of records have none."""
    names = RunPaths(run_id)
    for _ in range(REPORT_POLLS):
        if storage.output.exists(names.report):
            break
        sleep(REPORT_PAUSE_SECONDS)
    folder.mkdir(parents=True, exist_ok=True)
    if not download_file(storage.output, names.page, folder / "report.html"):
        raise MissingError(f"The run {run_id} has no page", f"See how it is doing: impasto show {run_id}")
    for picture in PICTURES:
        download_file(storage.output, names.picture(picture), folder / f"{picture}.jpg")
    return folder
