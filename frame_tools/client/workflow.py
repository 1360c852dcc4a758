"""Client workflows with progress bars: split, upload, follow, join a folder, and all steps in one."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from frame_tools.client.api import ApiClient
from frame_tools.client.download import fetch, records_target
from frame_tools.client.output_path import check_target, container_of
from frame_tools.client.polling import check_finished, follow
from frame_tools.client.progress import ProgressBars
from frame_tools.client.upload import UploadResult, put_trigger, split_files, upload, upload_video
from frame_tools.contracts import ids, paths
from frame_tools.contracts.choices import OddSize
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import even_borders
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.trigger import Trigger
from frame_tools.media import images
from frame_tools.media.frame_folder import FRAMES_FOLDER, MANIFEST_FILE
from frame_tools.media.join import JoinReport, Segment
from frame_tools.media.join import join as join_segments
from frame_tools.media.segment import SegmentEncoder
from frame_tools.media.split import split
from frame_tools.storage.deployment import DataStorage

SEGMENT_FRAMES: Final = 250


def split_video(video: Path, folder: Path, options: SplitOptions, *, bars: ProgressBars) -> Manifest:
    """Split a video, showing progress and printing what the split could not keep."""
    manifest = split(video, folder, options, progress=lambda done: bars.show("split", done, None))
    bars.show("split", manifest.frame_count, manifest.frame_count)
    for note in manifest.notes:
        bars.print(f"Note: {note}.")
    return manifest


def upload_input(
    source: Path, *, name: str, storage: DataStorage, extras: Mapping[str, Path], bars: ProgressBars
) -> UploadResult:
    """Upload a split folder, or a video file to be split in the cloud, showing progress."""
    if source.is_file():
        return upload_video(source, name=name, storage=storage, extras=extras)
    return upload(
        source, name=name, storage=storage, extras=extras, progress=lambda done, total: bars.show("upload", done, total)
    )


def follow_with_progress(
    api: ApiClient, run_id: str, *, bars: ProgressBars, known_notes: Iterable[str] = ()
) -> dict[str, Any]:
    """Follow a run, showing progress and printing each problem and note that it reports once; returns its last status.

    `known_notes` were printed before.
    """
    last: dict[str, Any] = {}
    printed = {f"Note: {note}." for note in known_notes}
    for status in follow(api, run_id):
        last = status
        notes = [f"Note: {note}." for note in status.get("notes", ())]
        for message in (*notes, *status.get("trouble", ())):
            if message not in printed:
                printed.add(message)
                bars.print(message)
        batches = status.get("batches") or {}
        bars.show("score", batches.get("done", 0), batches.get("planned"))
        if status["status"] in ("joining", "finished"):
            bars.show("join", int(status["status"] == "finished"), 1)
    return last


def restyle(
    video: Path,
    out: Path,
    *,
    trigger: Trigger,
    extras: Mapping[str, Path],
    name: str,
    scratch: Path,
    storage: DataStorage,
    api: ApiClient,
    bars: ProgressBars,
    overwrite: bool = False,
) -> Path:
    """Split, upload, start, follow and download a run; returns the path of the video or the records.

    The suffix of `out` decides the container. Raises InputError before any work if `out` can't be written,
    RunEndedError if the run does not finish.
    """
    ids.check_name(name, "run's name")
    trigger = _with_container_of(out, video, trigger, overwrite=overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = scratch / name
    manifest = split_video(video, folder, trigger.split_options, bars=bars)
    uploaded = upload_input(folder, name=name, storage=storage, extras=extras, bars=bars)
    bars.show("upload", uploaded.files, uploaded.files)
    run_id = put_trigger(storage, name=name, trigger=trigger)
    status = follow_with_progress(api, run_id, bars=bars, known_notes=manifest.notes)
    check_finished(status)
    # Not `download`: the report is written a moment after the run's end.
    blob = str(status.get("video") or status.get("records"))
    return fetch(storage, run_id, blob.removeprefix(f"{paths.OUTPUT}/"), out, overwrite=overwrite)


def _with_container_of(out: Path, video: Path, trigger: Trigger, *, overwrite: bool) -> Trigger:
    """Return the trigger with the container that `out` names; raises InputError if `out` can't be written."""
    if SCORERS[trigger.scorer].makes == "records":
        check_target(records_target(out), sources=(video,), overwrite=overwrite)
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


def join_folder(
    folder: Path, out: Path, *, odd_size: OddSize, bars: ProgressBars, overwrite: bool = False
) -> JoinReport:
    """Encode a folder's frames in segments and join them with the folder's audio, showing progress.

    The suffix of `out` decides the container. Raises InputError before any work if `out` can't be written.
    """
    container = container_of(out)
    files = split_files(folder)
    check_target(out, sources=tuple(files.values()), overwrite=overwrite)
    manifest = Manifest.parse_input((folder / MANIFEST_FILE).read_bytes()).with_container(container)
    borders = even_borders(manifest.frame_count, SEGMENT_FRAMES)

    def encode(start: int, end: int) -> Segment:
        encoder = SegmentEncoder(manifest, odd_size=odd_size)
        for index in range(start, end):
            encoder.add(_read_frame(files[f"{FRAMES_FOLDER}/{manifest.frame_name(index)}"], manifest))
            bars.show("join", index + 1, manifest.frame_count)
        return Segment(f"frames {start} to {end - 1}", end - start, encoder.finish())

    segments = (encode(*span) for span in pairwise(borders))
    audio = folder / manifest.audio_file if manifest.audio_file else None
    return join_segments(manifest, segments, audio=audio, out=out)


def _read_frame(path: Path, manifest: Manifest) -> bytes:
    """Return a frame's RGB bytes; raises InputError if it has another size than the manifest."""
    image = images.read_rgb(path.read_bytes())
    if image.size != (manifest.width, manifest.height):
        raise InputError(
            f"The frame {path.name} is {image.width}x{image.height}, not {manifest.width}x{manifest.height}",
            "Store it at the size of the original frame.",
        )
    return image.tobytes()
