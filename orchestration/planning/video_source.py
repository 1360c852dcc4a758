"""Planning of runs whose tasks decode the video themselves: its index, its pin, and how much is decoded repeatedly."""

from collections.abc import Sequence

from frame_tools.contracts import paths
from frame_tools.contracts.errors import DamagedError, ErrorCode, InputError, NextStep
from frame_tools.contracts.inputs import Pin
from frame_tools.contracts.manifest import MAX_JSON_BYTES, Manifest
from frame_tools.contracts.plan import BlobRef, Plan, Request
from frame_tools.contracts.video_index import MAX_REPEATED
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import START_ANEW, needs_etag, pin_of, read_pins


def video_of(request: Request) -> BlobRef:
    """Return the video that a request names."""
    return BlobRef(container="input", name=paths.input_blob(request.folder, str(request.trigger.video)))


def read_index(storage: Storage, request: Request) -> Manifest:
    """Return the manifest with an index that was uploaded with a video; raises InputError if it is missing or none."""
    name = paths.input_blob(request.folder, str(request.trigger.index))
    blob = storage.input.read(name, limit=MAX_JSON_BYTES)
    if blob is None:
        raise InputError(
            f"The index input/{name} does not exist",
            "Upload it, then upload the trigger file again; or leave out the option index",
        )
    manifest = Manifest.parse_input(blob.data, "index")
    if manifest.index is None:
        raise InputError(
            f"input/{name} is the manifest of a split, not an index", "Leave out the option index: a task makes one"
        )
    return manifest


def pin_video(storage: Storage, video: BlobRef) -> tuple[Pin, ...] | None:
    """Return the pin of a video, which is the only one of its frames; None if it does not exist or is empty."""
    info = storage.data_container(video.container).info(video.name)
    return (pin_of(info),) if info is not None and info.size else None


def need_video(storage: Storage, video: BlobRef) -> tuple[Pin, ...]:
    """Return the pin of a video; raises InputError if it does not exist or is empty."""
    pins = pin_video(storage, video)
    if pins is None:
        raise InputError(
            f"The video {video.container}/{video.name} does not exist or is empty",
            "Upload it, then upload the trigger file again",
        )
    return pins


def check_indexed(manifest: Manifest, video: BlobRef, pins: tuple[Pin, ...]) -> None:
    """Raise InputError if the stored video is another file than the one that was indexed.

    A task that makes an index records the blob's pin, a client the file's MD5. If the client's upload has recorded
    none, each task compares what it decodes with the index.
    """
    indexed = manifest.index.file if manifest.index is not None else None
    if indexed is not None and (needs_etag(indexed) or not needs_etag(pins[0])) and pins[0] != indexed:
        raise InputError(
            f"The video {video.name!r} is not the one that its index was made of",
            "Upload the trigger file again, without the option index; or upload video and index again before it",
            code=ErrorCode.INPUT_CHANGED,
            next_step=NextStep.START_NEW_RUN,
        )


def check_unchanged(storage: Storage, earlier: Plan, pins: tuple[Pin, ...]) -> None:
    """Raise InputError if the video of an earlier run was replaced since; its index describes the planned one."""
    try:
        planned = read_pins(storage.runs, earlier)
    except DamagedError:
        return  # each task compares what it decodes with the index
    if planned is not None and planned.frames != pins:
        raise InputError(
            f"The video {earlier.frames.name!r} was replaced after the run {earlier.run_id} was planned",
            START_ANEW
            if any(needs_etag(pin) for pin in planned.frames)
            else "Upload the original again; for the new video, start a new run",
            code=ErrorCode.INPUT_CHANGED,
            next_step=NextStep.START_NEW_RUN,
        )


def check_borders(manifest: Manifest, borders: Sequence[int]) -> None:
    """Raise InputError if the batches of a video are so small that tasks would mostly decode frames before them."""
    index = manifest.index
    if index is None or index.is_decodable_by(borders):
        return
    repeated = index.repeated_frames(borders)
    raise InputError(
        f"The tasks of {len(borders) - 1} batches would decode {repeated} frames before them, more than {MAX_REPEATED}"
        f" times the video's {borders[-1]}",
        "Raise frames_per_batch, or set source to frames",
    )
