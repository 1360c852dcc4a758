"""The commands' steps with their progress shown: split, send, follow, join a folder, and all of it in one go."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from frame_tools.client.api import ApiClient, check_finished, follow
from frame_tools.client.download import fetch
from frame_tools.client.progress import Bars
from frame_tools.client.upload import Uploaded, put_trigger, split_files, upload, upload_video
from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import even_borders
from frame_tools.contracts.trigger import Trigger
from frame_tools.media import images
from frame_tools.media.join import JoinReport, Segment
from frame_tools.media.join import join as join_segments
from frame_tools.media.segment import SegmentEncoder
from frame_tools.media.split import split
from frame_tools.storage.deployment import DataStorage

SEGMENT_FRAMES = 250


def split_into(
    video: Path, folder: Path, image_format: Literal["jpg", "png"], *, keep_location: bool, shown: Bars
) -> Manifest:
    """Split with progress."""
    manifest = split(
        video,
        folder,
        image_format=image_format,
        keep_location=keep_location,
        progress=lambda done: shown.show("split", done, None),
    )
    shown.show("split", manifest.frame_count, manifest.frame_count)
    return manifest


def send(folder: Path, *, name: str, storage: DataStorage, extras: Mapping[str, Path], shown: Bars) -> Uploaded:
    """Upload a split folder, or a video file as it is, with progress."""
    if folder.is_file():
        return upload_video(folder, name=name, storage=storage, extras=extras)
    return upload(
        folder, name=name, storage=storage, extras=extras, progress=lambda done, of: shown.show("upload", done, of)
    )


def follow_to_the_end(api: ApiClient, run_id: str, *, shown: Bars) -> dict[str, Any]:
    """Follow a run with progress, and tell each trouble that stands in its way once; returns its last status."""
    last: dict[str, Any] = {}
    told: set[str] = set()
    for status in follow(api, run_id):
        last = status
        for words in status.get("trouble", ()):
            if words not in told:
                told.add(words)
                shown.tell(words)
        batches = status.get("batches") or {}
        planned = batches.get("planned")
        shown.show("score", batches.get("done", 0), planned)
        if status["status"] in ("joining", "finished"):
            shown.show("join", int(status["status"] == "finished"), 1)
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
    shown: Bars,
) -> Path:
    """Split, upload, trigger, watch, download; returns the path of the video, or of the records."""
    ids.check_name(name, "run's name")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = scratch / name
    split_into(video, folder, trigger.image_format, keep_location=trigger.keep_place, shown=shown)
    uploaded = send(folder, name=name, storage=storage, extras=extras, shown=shown)
    shown.show("upload", uploaded.files, uploaded.files)
    run_id = put_trigger(storage, name=name, trigger=trigger)
    ended = follow_to_the_end(api, run_id, shown=shown)
    check_finished(ended)
    made = str(ended.get("video") or ended.get("records"))  # the report is written a moment after the run's end
    return fetch(storage, run_id, made.removeprefix(f"{paths.OUTPUT}/"), out)


def join_folder(folder: Path, out: Path, *, odd_size: Literal["exact", "pad"], shown: Bars) -> JoinReport:
    """Encode a folder's frames segment by segment and join them with the folder's sound."""
    files = split_files(folder)
    manifest = Manifest.parse_input((folder / "manifest.json").read_bytes())
    borders = even_borders(manifest.frame_count, SEGMENT_FRAMES)

    def encode(start: int, end: int) -> Segment:
        encoder = SegmentEncoder(manifest, odd_size=odd_size)
        for index in range(start, end):
            encoder.add(_frame(files[f"frames/{manifest.frame_name(index)}"], manifest))
            shown.show("join", index + 1, manifest.frame_count)
        return Segment(f"frames {start} to {end - 1}", end - start, encoder.finish())

    segments = (encode(*span) for span in pairwise(borders))
    audio = folder / manifest.audio_file if manifest.audio_file else None
    return join_segments(manifest, segments, audio=audio, out=out)


def _frame(path: Path, manifest: Manifest) -> bytes:
    picture = images.read_rgb(path.read_bytes())
    if picture.size != (manifest.width, manifest.height):
        raise InputError(
            f"The frame {path.name} is {picture.width}x{picture.height}, not {manifest.width}x{manifest.height}",
            "Paint it at its own size",
        )
    return picture.tobytes()
