"""The task `split`: reads an uploaded video on the node, so that users need not do it before the upload.

It stores the video's frames, or, where tasks are to decode the video themselves, only its index.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from frame_tools.contracts import paths
from frame_tools.contracts.batch_borders import planned_borders
from frame_tools.contracts.errors import ErrorCode, InputError, NextStep
from frame_tools.contracts.inputs import Pin
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import SplitReceipt
from frame_tools.contracts.trigger import Trigger
from frame_tools.contracts.video_index import split_note
from frame_tools.media.split import split
from frame_tools.media.video_indexing import index_video
from frame_tools.media.video_limits import VideoLimits
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.mode import MAX_FRAME_PIXELS, MAX_FRAMES
from frame_tools.storage.pins import pin_of
from frame_tools.storage.recorded_hashes import load_request
from frame_tools.write_pool import WritePool
from scoring.tasks.base import Task, utc_now
from scoring.tasks.progress import ProgressWriter

_log = logging.getLogger(__name__)

UPLOAD_THREADS = 8
MAX_FILE_NAME_BYTES = 200


def split_video(task: Task) -> None:
    """Download the run's video, split it, upload frames and audio, then write the manifest, then the receipt."""
    request = load_request(task.storage, task.run_id)
    trigger = request.trigger
    with tempfile.TemporaryDirectory() as scratch:
        # Messages contain the name of the file; a file system allows 255 bytes.
        uploaded_name = str(trigger.video)
        video = Path(scratch) / (uploaded_name if len(uploaded_name.encode()) < MAX_FILE_NAME_BYTES else "video")
        pin = _download(task, paths.input_blob(request.folder, uploaded_name), video)
        folder = Path(scratch) / "split"
        with ProgressWriter(task) as progress, _uploads(task, folder) as upload:
            steps = _Steps(limits=_limits(task.environ), progress=progress.set_frames, on_frame=upload)
            manifest = _read_video(video, folder, trigger, steps)
            if manifest.audio_file:
                upload(folder / manifest.audio_file)
    if manifest.index is not None:
        manifest = manifest.model_copy(update={"index": manifest.index.model_copy(update={"file": pin})})
    data = manifest.dumps()
    _store_manifest(task, manifest, data)
    receipt = SplitReceipt(
        run_id=task.run_id,
        manifest_sha256=sha256_of(data),
        frame_count=manifest.frame_count,
        task_id=task.task_id,
        finished_at=utc_now(),
    )
    task.storage.runs.create(RunPaths(task.run_id).split_receipt, receipt.dumps())
    _log.info("%s %d frames", "Split into" if manifest.index is None else "Indexed", manifest.frame_count)


def _download(task: Task, blob: str, video: Path) -> Pin:
    """Write the video's blob to a file; return the pin of that version, or raise InputError if it is gone."""
    with video.open("wb") as target:
        etag = task.storage.input.download_to(blob, target)
    info = task.storage.input.info(blob) if etag is not None else None
    if info is None:
        raise InputError(
            f"The video input/{blob} does not exist",
            "Upload it, then upload the trigger file again",
            next_step=NextStep.START_NEW_RUN,
        )
    if info.etag != etag:
        raise _replaced(blob)
    return pin_of(info)


def _replaced(video: str) -> InputError:
    return InputError(
        f"The video {video!r} was replaced while it was being read",
        "Upload the trigger file again to start a new run",
        code=ErrorCode.INPUT_CHANGED,
        next_step=NextStep.START_NEW_RUN,
    )


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """The limits of a video, and what is called while it is read."""

    limits: VideoLimits
    progress: Callable[[int], None]
    on_frame: Callable[[Path], None]


def _read_video(video: Path, folder: Path, trigger: Trigger, steps: _Steps) -> Manifest:
    """Index the video if its frames are not to be stored, else, or if it can't be decoded in parts, split it."""
    options, limits, progress = trigger.split_options, steps.limits, steps.progress
    if not trigger.reads_video:
        return split(video, folder, options, limits=limits, progress=progress, on_frame=steps.on_frame)
    manifest = index_video(video, folder, options, limits=limits, progress=progress)
    index = manifest.index
    if index is None or index.is_decodable_by(planned_borders(trigger, manifest.frame_count, manifest.cuts)):
        return manifest
    manifest = split(video, folder, options, limits=limits, progress=progress, on_frame=steps.on_frame)
    return manifest.with_note(split_note(index))


def _store_manifest(task: Task, manifest: Manifest, data: bytes) -> None:
    """Store the manifest; raises InputError if an earlier attempt has split another video."""
    name = RunPaths(task.run_id).manifest
    if task.storage.runs.create(name, data):
        return
    stored = Manifest.load_stored(task.storage.runs.need(name).data)
    if stored.source_sha256 not in (None, manifest.source_sha256):
        raise _replaced(str(manifest.source))


def _limits(environ: Mapping[str, str]) -> VideoLimits:
    """Return the deployment's limits, which the app passes to its tasks; without them, those of a manifest."""
    limits = VideoLimits()
    return VideoLimits(
        frames=int(environ.get(MAX_FRAMES, limits.frames)), pixels=int(environ.get(MAX_FRAME_PIXELS, limits.pixels))
    )


@contextmanager
def _uploads(task: Task, folder: Path) -> Iterator[Callable[[Path], None]]:
    """Yield what uploads a complete file of the folder to the run's folder in `work`, while the next ones are made.

    The same names and bytes every time. It is thread-safe; the end of the `with` block waits for all files.
    """
    upload, target = task.storage.work.upload_file, RunPaths(task.run_id).split_folder
    with WritePool(UPLOAD_THREADS, "upload") as pool:
        yield lambda file: pool.submit(partial(upload, f"{target}/{file.relative_to(folder).as_posix()}", file))
