"""Client workflows with progress: split, upload, follow, join a folder, and all steps in one."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from frame_tools.client.api import ApiClient
from frame_tools.client.connection import Connection
from frame_tools.client.originals import SplitVideo, split_original
from frame_tools.client.output_path import check_target, container_of
from frame_tools.client.painting import Painting, Summary, summarize, with_cost
from frame_tools.client.polling import (
    MAX_SILENCE_SECONDS,
    UNKNOWN_SECONDS,
    check_finished,
    follow,
    wait_for_report,
)
from frame_tools.client.prepared_input import PreparedInput, prepare_input
from frame_tools.client.progress import Display
from frame_tools.client.results import Result
from frame_tools.client.upload import UploadResult, split_files, upload, upload_video
from frame_tools.contracts.batch_borders import even_borders
from frame_tools.contracts.choices import MAX_FRAME_BYTES, OddSize
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import MAX_SCALE
from frame_tools.contracts.programs import scaled_size
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media import images
from frame_tools.media.frame_folder import FRAMES_FOLDER, MANIFEST_FILE
from frame_tools.media.join import JoinReport, Segment
from frame_tools.media.join import join as join_segments
from frame_tools.media.projection import describe_lost_projection
from frame_tools.media.segment import SegmentEncoder
from frame_tools.media.split import split
from frame_tools.storage.deployment import DataStorage

SEGMENT_FRAMES: Final = 250


def split_video(video: Path, folder: Path, options: SplitOptions, *, display: Display) -> Manifest:
    """Split a video, showing progress and printing what the split could not keep."""
    manifest = split(video, folder, options, progress=lambda done: display.show("splitting", done, None, unit="frames"))
    display.show("splitting", manifest.frame_count, manifest.frame_count, unit="frames")
    for note in manifest.notes:
        display.print(f"Note: {note}.")
    return manifest


def upload_input(
    source: Path, *, name: str, storage: DataStorage, extras: Mapping[str, Path], display: Display
) -> UploadResult:
    """Upload a split folder, or a video file to be read in the cloud, showing progress."""

    def show(done: int, total: int) -> None:
        display.show("uploading", done, total, unit="files")

    if source.is_file():
        return upload_video(source, name=name, storage=storage, extras=extras, progress=show)
    return upload(source, name=name, storage=storage, extras=extras, progress=show)


def show_status(display: Display, status: Mapping[str, Any]) -> None:
    """Show a run's status: the frames that are done, the rate, the time left, and what the run waits for."""
    state, progress = status["status"], status.get("progress") or {}
    done, total = progress.get("frames_done", 0), progress.get("frames")
    rate, left, reason = progress.get("frames_per_second"), progress.get("seconds_left"), progress.get("reason", "")
    tuning = progress.get("tuning")
    if state == "waiting" or reason:
        display.show("waiting", 0, None, note=reason)
    elif tuning:
        display.show("tuning", tuning["steps_done"], tuning["steps"], unit="steps")
    elif state == "splitting":
        display.show("splitting", done, None, unit="frames", rate=rate)
    elif state == "scoring":
        display.show("painting", done, total, unit="frames", rate=rate, seconds_left=left)
    elif state in ("joining", "finished"):
        if total:
            display.show("painting", total, total, unit="frames")
        display.show("putting together", int(state == "finished"), 1)


def follow_with_progress(
    api: ApiClient,
    run_id: str,
    *,
    display: Display,
    known_notes: Iterable[str] = (),
    unknown_seconds: float = MAX_SILENCE_SECONDS,
) -> dict[str, Any]:
    """Follow a run, showing progress and printing each problem and note that it reports once; returns its last status.

    `known_notes` were printed before.
    """
    last: dict[str, Any] = {}
    printed = {f"Note: {note}." for note in known_notes}
    for status in follow(api, run_id, unknown_seconds=unknown_seconds):
        last = status
        notes = [f"Note: {note}." for note in status.get("notes", ())]
        for message in (*notes, *status.get("trouble", ())):
            if message not in printed:
                printed.add(message)
                display.print(message)
        show_status(display, status)
    return last


def follow_run(
    connection: Connection,
    run_id: str,
    *,
    display: Display,
    known_notes: Iterable[str] = (),
    unknown_seconds: float | None = None,
    minutes: float = 120,
) -> dict[str, Any]:
    """Follow a run through the app, or, if its URL is not known, wait for the report; returns the last status."""
    if connection.url:
        api = connection.api()
        patience = UNKNOWN_SECONDS if unknown_seconds is None else unknown_seconds
        status = follow_with_progress(api, run_id, display=display, known_notes=known_notes, unknown_seconds=patience)
        return with_cost(api, run_id, status) if status["status"] == "finished" else status
    display.print(f"Waiting for output/{RunPaths(run_id).report} …")
    status = wait_for_report(connection.storage(), run_id, minutes=minutes)
    for note in status.get("notes", ()):
        if note not in known_notes:
            display.print(f"Note: {note}.")
    return status


@dataclass(frozen=True, kw_only=True)
class StartedPainting:
    """The run of a painting, and what it reads."""

    run_id: str
    input: PreparedInput

    def original(self, _painted: Path, scratch: Path) -> SplitVideo:
        """Return the split video; one that tasks decode is split now, into `scratch`."""
        prepared = self.input
        if prepared.manifest.index is None:
            return SplitVideo(folder=prepared.folder, manifest=prepared.manifest)
        return split_original(prepared.video, prepared.manifest.split_options or SplitOptions(), scratch)


def start_painting(painting: Painting, connection: Connection, *, scratch: Path, display: Display) -> StartedPainting:
    """Index or split a video, upload it, and start its run. `painting` is checked; `scratch` gets what is made."""
    storage = connection.storage()
    step = "reading" if painting.trigger.reads_video else "splitting"
    prepared = prepare_input(
        painting, scratch / painting.folder, lambda done: display.show(step, done, None, unit="frames")
    )
    display.show(step, prepared.manifest.frame_count, prepared.manifest.frame_count, unit="frames")
    for note in prepared.notes:
        display.print(f"Note: {note}.")
    uploaded = prepared.upload(
        storage,
        name=painting.folder,
        extras=painting.extras,
        progress=lambda done, total: display.show("uploading", done, total, unit="files"),
    )
    display.show("uploading", uploaded.files, uploaded.files)
    return StartedPainting(run_id=prepared.completed(painting).start(storage), input=prepared)


def paint(
    painting: Painting,
    connection: Connection,
    *,
    scratch: Path,
    display: Display,
    on_start: Callable[[str], None] = lambda _run_id: None,
) -> Summary:
    """Split, upload, start, follow and download a run; returns what it took. `painting` is checked.

    `on_start` is called with the id of the run. Raises RunEndedError if the run does not finish.
    """
    begun = start_painting(painting, connection, scratch=scratch, display=display)
    run_id, started = begun.run_id, time.monotonic()
    on_start(run_id)
    report_start(display, run_id)
    status = follow_run(
        connection, run_id, display=display, known_notes=begun.input.notes, unknown_seconds=MAX_SILENCE_SECONDS
    )
    check_finished(status)
    result = painting.write_result(connection.storage(), run_id, status, original=begun.original)
    report_beside(display, result)
    return summarize(run_id, result.out, status, seconds=time.monotonic() - started)


def report_beside(display: Display, result: Result) -> None:
    """Report the files that were written beside a result."""
    for path in result.beside:
        display.report("derived", f"{path}.", path=str(path))


def report_start(display: Display, run_id: str) -> None:
    """Report that a run was started, and how it is watched and cancelled."""
    display.report(
        "started", f"run {run_id} (watch: impasto watch {run_id}, cancel: impasto cancel {run_id})", run_id=run_id
    )


def join_folder(folder: Path, out: Path, *, odd_size: OddSize, display: Display, overwrite: bool = False) -> JoinReport:
    """Encode a folder's frames in segments and join them with the folder's audio, showing progress.

    The suffix of `out` decides the container. Raises InputError before any work if `out` can't be written.
    """
    container = container_of(out)
    files = split_files(folder)
    check_target(out, sources=tuple(files.values()), overwrite=overwrite)
    manifest = Manifest.parse_input((folder / MANIFEST_FILE).read_bytes()).with_container(container)
    for note in describe_lost_projection(manifest.projection, manifest.stereo, container):
        display.print(f"Note: {note}.")
    borders = even_borders(manifest.frame_count, SEGMENT_FRAMES)
    scale = _scale_of(files[f"{FRAMES_FOLDER}/{manifest.frame_name(0)}"], manifest)

    def encode(start: int, end: int) -> Segment:
        encoder = SegmentEncoder(manifest, odd_size=odd_size, scale=scale)
        for index in range(start, end):
            encoder.add(_read_frame(files[f"{FRAMES_FOLDER}/{manifest.frame_name(index)}"], manifest, scale))
            display.show("putting together", index + 1, manifest.frame_count, unit="frames")
        return Segment(f"frames {start} to {end - 1}", end - start, encoder.finish())

    segments = (encode(*span) for span in pairwise(borders))
    audio = folder / manifest.audio_file if manifest.audio_file else None
    return join_segments(manifest, segments, audio=audio, out=out, scale=scale)


def _scale_of(path: Path, manifest: Manifest) -> int:
    """Return by which factor a frame is larger than the manifest says: 1 to MAX_SCALE, and 1 for any other size."""
    size = images.read_rgb(path.read_bytes(), max_bytes=MAX_FRAME_BYTES).size
    sizes = {scaled_size(manifest.width, manifest.height, scale): scale for scale in range(1, MAX_SCALE + 1)}
    return sizes.get(size, 1)


def _read_frame(path: Path, manifest: Manifest, scale: int) -> bytes:
    """Return a frame's RGB bytes; raises InputError if it has another size than the manifest's times `scale`."""
    image = images.read_rgb(path.read_bytes(), max_bytes=MAX_FRAME_BYTES)
    width, height = scaled_size(manifest.width, manifest.height, scale)
    if image.size != (width, height):
        raise InputError(
            f"The frame {path.name} is {image.width}x{image.height}, not {width}x{height}",
            f"Store all frames at the size of the original frames, or all at 2 to {MAX_SCALE} times that size.",
        )
    return image.tobytes()
