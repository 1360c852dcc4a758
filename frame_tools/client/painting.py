"""One painting of a video: check it, start its run, write its result; the commands put these steps together."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from frame_tools.client.api import ApiClient
from frame_tools.client.derived_files import DerivedFiles
from frame_tools.client.originals import SplitVideo, split_original
from frame_tools.client.output_path import (
    CONTAINERS,
    RECORDS_FORMATS,
    RECORDS_SUFFIX,
    RecordsFormat,
    check_target,
    container_of,
    records_format,
    records_target,
)
from frame_tools.client.progress import clock_text
from frame_tools.client.records import check_records_format
from frame_tools.client.results import Original, Result, write_result
from frame_tools.client.upload import count_text, put_trigger
from frame_tools.contracts import ids, paths
from frame_tools.contracts.choices import FrameOrigin
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.trigger import Trigger
from frame_tools.storage.deployment import DataStorage

DEFAULT_SOURCE: Final[FrameOrigin] = "video"
"""What the tasks of a run that is started here read, unless the option source says otherwise."""
INDEX_FILE: Final = "index.json"
_TAKEN_NAMES: Final = frozenset({INDEX_FILE, "manifest.json", "audio.mp4", "audio.mka"})
REPORT_POLLS: Final = 20
"""How often the cost is asked for after the run's end: the report is written a moment later."""


@dataclass(frozen=True, kw_only=True)
class Painting:
    """A video, how it is painted, and where the result is written."""

    video: Path
    out: Path
    trigger: Trigger
    extras: Mapping[str, Path]
    """Files to upload with the video, by name: paintings and masks."""
    folder: str
    """Folder in `input`."""
    name: str
    """Name of the trigger file; another one than `folder` if several paintings share one upload."""
    overwrite: bool = False
    derived: DerivedFiles = field(default_factory=DerivedFiles)
    """Files to write beside the result."""
    records: RecordsFormat | None = None
    """How records are written; None: by the suffix of `out`."""

    def checked(self) -> Self:
        """Return this painting with the container that `out` names.

        Raises MissingError if the video does not exist, InputError if it is a folder or if `out` can't be written.
        """
        if self.video.is_dir():
            raise InputError(f"{self.video} is a folder", "Give the name of a video file.")
        if not self.video.is_file():
            raise MissingError(f"The video {self.video} does not exist", "Check the path of the video.")
        ids.check_name(self.folder, "run's name")
        ids.check_name(self.name, "run's name")
        check_records_format(records_format(self.out, self.records))
        trigger = with_container_of(self.out, self.video, self.trigger, overwrite=self.overwrite, records=self.records)
        self.derived.check(
            records_target(self.out, self.records) if _makes_records(trigger, self.out) else self.out,
            overwrite=self.overwrite,
        )
        if self.folder != self.name:
            trigger = trigger.model_copy(update={"input": self.folder})
        return replace(self, trigger=trigger)

    def start(self, storage: DataStorage) -> str:
        """Write the trigger file; returns the run id."""
        return put_trigger(storage, name=self.name, trigger=self.trigger)

    def write_result(
        self, storage: DataStorage, run_id: str, status: Mapping[str, Any], original: Original | None = None
    ) -> Result:
        """Write the finished run's video or records to `out`, and the files beside it.

        `original` defaults to another split of the video.
        """
        # Not from the report, which is written a moment after the run's end.
        blob = str(status.get("video") or status.get("records")).removeprefix(f"{paths.OUTPUT}/")
        self.out.parent.mkdir(parents=True, exist_ok=True)
        return write_result(
            storage, run_id, blob, self.out,
            derived=self.derived, original=original or self._split_again, overwrite=self.overwrite,
            records=self.records,
        )  # fmt: skip

    def _split_again(self, _painted: Path, scratch: Path) -> SplitVideo:
        return split_original(self.video, self.trigger.split_options, scratch)


def video_fields(video: Path, source: FrameOrigin | None) -> dict[str, Any]:
    """Return the trigger's fields about a video on this machine whose run reads `source`; None: what is usual."""
    return {"source": "video", "video": uploaded_name(video)} if (source or DEFAULT_SOURCE) == "video" else {}


def uploaded_name(video: Path) -> str:
    """Return the name of a video in `input`: its own, unless a file that is uploaded with it has that name."""
    name = ids.name_from(video.name)
    return f"video_{name}" if name in _TAKEN_NAMES else name


def default_output(video: Path, trigger: Trigger, folder: Path | None = None) -> Path:
    """Return where a result is written by default: holiday_by_starry_night.mp4, beside the video or in `folder`."""
    names = " and ".join(Path(style).stem for style in trigger.style_files)
    label = f"by_{names}" if names else trigger.scorer
    if SCORERS[trigger.scorer].makes == "records":
        suffix = RECORDS_SUFFIX
    elif trigger.container != "auto":
        suffix = f".{trigger.container}"
    else:
        suffix = video.suffix.lower() if video.suffix.lower() in CONTAINERS else ".mp4"
    return (folder or video.parent) / f"{video.stem}_{label}{suffix}"


def _makes_records(trigger: Trigger, out: Path) -> bool:
    """Return whether a run makes records as far as is known: a program does if that is what `out` is for."""
    makes = SCORERS[trigger.scorer].makes
    return makes == "records" or (makes is None and out.suffix.lower() in RECORDS_FORMATS)


def with_container_of(
    out: Path, video: Path, trigger: Trigger, *, overwrite: bool, records: RecordsFormat | None = None
) -> Trigger:
    """Return the trigger with the container that `out` names; raises InputError if `out` can't be written."""
    if _makes_records(trigger, out):
        check_target(records_target(out, records), sources=(video,), overwrite=overwrite)
        return trigger
    if out.is_dir():
        return trigger
    container = container_of(out)
    if trigger.container not in ("auto", container):
        raise InputError(
            f"The option container is {trigger.container}, but the output is {out.name!r}",
            f"Leave the option out, or give a name like {out.with_suffix(f'.{trigger.container}').name}.",
        )
    check_target(out, sources=(video,), overwrite=overwrite)
    return trigger.model_copy(update={"container": container})


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a finished painting took."""

    run_id: str
    out: Path
    frames: int | None
    seconds: float
    size: int
    usd: float | None

    @property
    def text(self) -> str:
        """What was written, for people."""
        size = f"{self.size / 1e6:.1f} MB" if self.size >= 100_000 else f"{self.size / 1e3:.1f} kB"
        cost = f", ${self.usd:.2f}" if self.usd is not None else ""
        frames = count_text(self.frames, "frame") if self.frames is not None else "The video"
        return f"{frames} in {clock_text(self.seconds)} → {self.out} ({size}{cost})."

    @property
    def next_command(self) -> str:
        """What to do next, where the run can still be asked for."""
        return f"Compare: impasto open {self.run_id}"

    def fields(self) -> dict[str, Any]:
        """Return the fields for programs."""
        return {
            "run_id": self.run_id,
            "out": str(self.out),
            "frames": self.frames,
            "seconds": round(self.seconds, 1),
            "bytes": self.size,
            "usd": self.usd,
        }


def summarize(run_id: str, out: Path, status: Mapping[str, Any], *, seconds: float) -> Summary:
    """Return the summary of a finished run."""
    usd = ((status.get("cost") or {}).get("usd") or {}).get("total")
    return Summary(
        run_id=run_id, out=out, frames=status.get("frames"), seconds=seconds, size=out.stat().st_size, usd=usd
    )


def with_cost(
    api: ApiClient, run_id: str, status: dict[str, Any], *, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Return the ended run's status with its cost, waiting a few seconds for the report that has it."""
    for _ in range(REPORT_POLLS):
        if status.get("cost") is not None:
            break
        sleep(0.25)
        status = api.status(run_id) or status
    return status
