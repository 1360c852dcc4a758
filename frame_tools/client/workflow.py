"""Client workflows with progress bars: split, upload, follow, join a folder, and all steps in one."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from frame_tools.client.api import ApiClient
from frame_tools.client.download import fetch
from frame_tools.client.polling import check_finished, follow
from frame_tools.client.progress import ProgressBars
from frame_tools.client.upload import UploadResult, put_trigger, split_files, upload, upload_video
from frame_tools.contracts import ids, paths
from frame_tools.contracts.choices import ImageFormat, OddSize
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import even_borders
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


def split_video(
    video: Path, folder: Path, image_format: ImageFormat, *, keep_location: bool, bars: ProgressBars
) -> Manifest:
    """Split a video, showing progress."""
    options = SplitOptions(image_format=image_format, keep_location=keep_location)
    manifest = split(video, folder, options, progress=lambda done: bars.show("split", done, None))
    bars.show("split", manifest.frame_count, manifest.frame_count)
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


def follow_with_progress(api: ApiClient, run_id: str, *, bars: ProgressBars) -> dict[str, Any]:
    """Follow a run, showing progress and printing each problem that it reports once; returns its last status."""
    last: dict[str, Any] = {}
    printed: set[str] = set()
    for status in follow(api, run_id):
        last = status
        for problem in status.get("trouble", ()):
            if problem not in printed:
                printed.add(problem)
                bars.print(problem)
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
) -> Path:
    """Split, upload, start, follow and download a run; returns the path of the video or the records.

    Raises RunEndedError if the run does not finish.
    """
    ids.check_name(name, "run's name")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = scratch / name
    split_video(video, folder, trigger.image_format, keep_location=trigger.keep_location, bars=bars)
    uploaded = upload_input(folder, name=name, storage=storage, extras=extras, bars=bars)
    bars.show("upload", uploaded.files, uploaded.files)
    run_id = put_trigger(storage, name=name, trigger=trigger)
    status = follow_with_progress(api, run_id, bars=bars)
    check_finished(status)
    # Not `download`: the report is written a moment after the run's end.
    blob = str(status.get("video") or status.get("records"))
    return fetch(storage, run_id, blob.removeprefix(f"{paths.OUTPUT}/"), out)


def join_folder(folder: Path, out: Path, *, odd_size: OddSize, bars: ProgressBars) -> JoinReport:
    """Encode a folder's frames in segments and join them with the folder's audio, showing progress."""
    files = split_files(folder)
    manifest = Manifest.parse_input((folder / MANIFEST_FILE).read_bytes())
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
