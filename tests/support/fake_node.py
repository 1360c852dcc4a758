"""A fake node: tasks without torch that write frames, segment, log, receipt and message as `scoring` does."""

import datetime as dt
import io
import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice

from PIL import Image

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.contracts.receipt import Failure, Receipt, SplitReceipt, StoredFile, TaskTimes
from frame_tools.contracts.video_index import VideoIndex
from frame_tools.media import images
from frame_tools.media.indexed_video import IndexedVideo
from frame_tools.media.segment import SegmentEncoder
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import pin_of
from tests.support.clips import draw

SIZE = (64, 48)
TIMES = TaskTimes(start_up=1.0, load=0.2, infer=0.4, save=0.6, total=2.0)


def score(storage: Storage, run_id: str, batch: int, *, attempt: int = 1, message: bool = True) -> None:
    """Execute the task `run` of a batch, unless the batch has a receipt."""
    if not storage.runs.exists(RunPaths(run_id).receipt(batch)):
        storage.runs.create(RunPaths(run_id).receipt(batch), _score_pictures(storage, run_id, batch, attempt).dumps())
    if message:
        storage.finished_batches.send(BatchMessage(run_id=run_id, batch=batch))


def split(storage: Storage, run_id: str, count: int) -> None:
    """Execute the task `split` for a video of `count` frames, which are stored unless tasks are to decode it."""
    request = Request.load_stored(storage.runs.need(RunPaths(run_id).request).data)
    manifest = Manifest.plain(count, Fraction(25), width=SIZE[0], height=SIZE[1])
    if request.trigger.reads_video:
        info = storage.input.info(f"{request.folder}/{request.trigger.video}")
        assert info is not None
        index = VideoIndex(origin=0, keys=(0,), obstacle="keys", file=pin_of(info))
        manifest = manifest.model_copy(update={"index": index})
    else:
        for number in range(count):
            picture = images.encode_jpeg(draw(number, SIZE))
            storage.work.write(f"{RunPaths(run_id).split_folder}/frames/{number + 1:06d}.jpg", picture)
    data = manifest.dumps()
    storage.runs.create(RunPaths(run_id).manifest, data)
    receipt = SplitReceipt(
        run_id=run_id,
        manifest_sha256=sha256_of(data),
        frame_count=count,
        task_id="split",
        finished_at=dt.datetime.now(dt.UTC).isoformat(),
    )
    storage.runs.create(RunPaths(run_id).split_receipt, receipt.dumps())
    storage.finished_batches.send(BatchMessage(run_id=run_id, batch="split"))


def fail(
    storage: Storage,
    run_id: str,
    step: int | str,
    reason: str = "The frame 000002.jpg is damaged",
    *,
    code: ErrorCode = ErrorCode.INVALID_INPUT,
) -> None:
    """End a task as after an InputError: record the failure, then send the message."""
    name = ids.step_name(step)
    record = Failure(
        run_id=run_id,
        step=name,
        reason=reason,
        remedy="Upload it again.",
        code=code,
        next_step=NextStep.FIX_INPUT,
        failed_at=dt.datetime.now(dt.UTC).isoformat(),
    )
    storage.runs.create(RunPaths(run_id).failure(name), record.dumps())
    storage.finished_batches.send(BatchMessage.model_validate({"run_id": run_id, "batch": step}))


def forget_hashes(storage: Storage, run_id: str) -> None:
    """Make a run one that began with an earlier version of Impasto, which recorded no hashes."""
    for item in list(storage.hashes.list(f"{run_id}/")):
        storage.hashes.delete(item.name)


def read_plan(storage: Storage, run_id: str) -> Plan:
    return Plan.load_stored(storage.runs.need(RunPaths(run_id).plan).data)


def read_manifest(storage: Storage, run_id: str) -> Manifest:
    return Manifest.load_stored(storage.runs.need(RunPaths(run_id).manifest).data)


def _score_pictures(storage: Storage, run_id: str, batch: int, attempt: int) -> Receipt:
    plan_blob = storage.runs.need(RunPaths(run_id).plan)
    plan, manifest = Plan.load_stored(plan_blob.data), read_manifest(storage, run_id)
    start, end = plan.span(batch)
    if plan.makes == "records":
        return _score_records(storage, plan, batch, plan_sha256=sha256_of(plan_blob.data))
    encoder, frames = SegmentEncoder(manifest, odd_size=plan.options.odd_size), []
    for index, picture in enumerate(_pictures(storage, plan, manifest, start, end), start):
        encoder.add(picture.tobytes())
        if not plan.options.stores_frames:
            continue
        painted = RunPaths(run_id).painted_frame(manifest.painted_name(index))
        frames.append(_store(storage, painted, images.encode_jpeg(picture)))
    task_id = ids.task_id(ids.BatchRange(batch, batch), attempt)
    log = RunPaths(run_id).timing_log(ids.batch_log_name(batch))
    storage.logs.write(log, b"{}\n" * (end - start))
    return Receipt(
        run_id=run_id,
        batch=batch,
        start=start,
        end=end,
        plan_sha256=sha256_of(plan_blob.data),
        frames=tuple(frames),
        segment=_store(storage, RunPaths(run_id).segment(batch), encoder.finish()),
        log=log,
        task_id=task_id,
        device="cpu",
        times=TIMES,
        versions={"fake_node": "1"},
        finished_at=dt.datetime.now(dt.UTC).isoformat(),
    )


def _pictures(storage: Storage, plan: Plan, manifest: Manifest, start: int, end: int) -> Iterator[Image.Image]:
    """Yield the frames of a batch: stored ones, or those of the video."""
    container = storage.data_container(plan.frames.container)
    if plan.source == "video":
        video = io.BytesIO(container.need(plan.frames.name).data)
        yield from islice(IndexedVideo(video, manifest, name="video").images(start), end - start)
        return
    for index in range(start, end):
        yield images.read_rgb(container.need(plan.frames.name + manifest.frame_name(index)).data)


def _score_records(storage: Storage, plan: Plan, batch: int, *, plan_sha256: str) -> Receipt:
    """Write one record per frame."""
    start, end = plan.span(batch)
    lines = b"".join(json.dumps({"frame": index}).encode() + b"\n" for index in range(start, end))
    return Receipt(
        run_id=plan.run_id,
        batch=batch,
        start=start,
        end=end,
        plan_sha256=plan_sha256,
        records=_store(storage, RunPaths(plan.run_id).records_part(batch), lines),
        log=RunPaths(plan.run_id).timing_log(ids.batch_log_name(batch)),
        task_id=ids.batch_log_name(batch),
        device="cpu",
        times=TIMES,
        finished_at=dt.datetime.now(dt.UTC).isoformat(),
    )


def _store(storage: Storage, name: str, data: bytes) -> StoredFile:
    etag = storage.work.write(name, data)
    return StoredFile(name=name, size=len(data), sha256=sha256_of(data), etag=etag)
