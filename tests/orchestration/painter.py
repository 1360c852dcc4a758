"""A task without torch: reads a batch's frames, writes frames, segment, log, receipt and message as `scoring` does."""

import json
from fractions import Fraction

from frame_tools import manifest as manifests
from frame_tools import names
from frame_tools.blobs import sha256_of
from frame_tools.manifest import Manifest
from frame_tools.media import images
from frame_tools.media.segment import SegmentEncoder
from frame_tools.messages import BatchMessage
from frame_tools.plan import Plan
from frame_tools.receipt import Failure, Receipt, SplitReceipt, StoredFile, TaskTimes
from frame_tools.storage import Storage
from orchestration.app import now
from tests.clips import draw

SIZE = (64, 48)
TIMES = TaskTimes(start_up=1.0, load=0.2, infer=0.4, save=0.6, total=2.0)


def paint(storage: Storage, run_id: str, batch: int, *, attempt: int = 1, message: bool = True) -> None:
    """Do the task `run` of a batch; a batch that has its receipt is left alone."""
    if not storage.runs.exists(names.receipt(run_id, batch)):
        storage.runs.create(names.receipt(run_id, batch), _score(storage, run_id, batch, attempt).dumps())
    if message:
        storage.finished_batches.send(BatchMessage(run_id=run_id, batch=batch))


def split(storage: Storage, run_id: str, count: int) -> None:
    """Do the task `split` of a video of `count` frames."""
    for number in range(count):
        picture = images.jpeg(draw(number, SIZE))
        storage.work.write(f"{names.split_folder(run_id)}/frames/{number + 1:06d}.jpg", picture)
    data = manifests.dumps(Manifest.plain(count, Fraction(25), width=SIZE[0], height=SIZE[1]))
    storage.runs.create(names.manifest(run_id), data)
    receipt = SplitReceipt(
        run_id=run_id,
        manifest_sha256=sha256_of(data),
        frame_count=count,
        task_id="split",
        finished_at=now().isoformat(),
    )
    storage.runs.create(names.split_receipt(run_id), receipt.dumps())
    storage.finished_batches.send(BatchMessage(run_id=run_id, batch="split"))


def fail(storage: Storage, run_id: str, step: int | str, reason: str = "The frame 000002.jpg is damaged") -> None:
    """End a task as one that met an InputError: the failure is recorded, then the message sent."""
    name = names.step_name(step)
    record = Failure(run_id=run_id, step=name, reason=reason, remedy="Upload it again.", failed_at=now().isoformat())
    storage.runs.create(names.failure(run_id, name), record.dumps())
    storage.finished_batches.send(BatchMessage.model_validate({"run_id": run_id, "batch": step}))


def read_plan(storage: Storage, run_id: str) -> Plan:
    return Plan.loads(storage.runs.need(names.plan(run_id)).data, "plan")


def read_manifest(storage: Storage, run_id: str) -> Manifest:
    return manifests.loads(storage.runs.need(names.manifest(run_id)).data)


def _score(storage: Storage, run_id: str, batch: int, attempt: int) -> Receipt:
    plan_blob = storage.runs.need(names.plan(run_id))
    plan, manifest = Plan.loads(plan_blob.data, "plan"), read_manifest(storage, run_id)
    start, end = plan.span(batch)
    if plan.makes == "records":
        return _describe(storage, plan, batch, plan_sha256=sha256_of(plan_blob.data))
    encoder, frames = SegmentEncoder(manifest, even=plan.options.even), []
    for index in range(start, end):
        name = manifest.frame_name(index)
        picture = images.read_rgb(storage.data_container(plan.frames.container).need(plan.frames.name + name).data)
        encoder.add(picture.tobytes())
        frames.append(_store(storage, names.styled_frame(run_id, name), images.jpeg(picture)))
    task_id = names.task_id(batch, attempt)
    log = names.timing_log(run_id, task_id)
    storage.logs.write(log, b"{}\n" * len(frames))
    return Receipt(
        run_id=run_id,
        batch=batch,
        start=start,
        end=end,
        plan_sha256=sha256_of(plan_blob.data),
        frames=tuple(frames),
        segment=_store(storage, names.segment(run_id, batch), encoder.finish()),
        log=log,
        task_id=task_id,
        device="cpu",
        times=TIMES,
        versions={"painter": "1"},
        finished_at=now().isoformat(),
    )


def _describe(storage: Storage, plan: Plan, batch: int, *, plan_sha256: str) -> Receipt:
    """Leave one record a frame."""
    start, end = plan.span(batch)
    lines = b"".join(json.dumps({"frame": index}).encode() + b"\n" for index in range(start, end))
    return Receipt(
        run_id=plan.run_id,
        batch=batch,
        start=start,
        end=end,
        plan_sha256=plan_sha256,
        records=_store(storage, names.records_part(plan.run_id, batch), lines),
        log=names.timing_log(plan.run_id, names.task_id(batch, 1)),
        task_id=names.task_id(batch, 1),
        device="cpu",
        times=TIMES,
        finished_at=now().isoformat(),
    )


def _store(storage: Storage, name: str, data: bytes) -> StoredFile:
    etag = storage.work.write(name, data)
    return StoredFile(name=name, size=len(data), sha256=sha256_of(data), etag=etag)
