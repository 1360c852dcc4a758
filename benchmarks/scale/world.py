"""Runs on the service in memory: an app with the real storage SDK, and what users and nodes write."""

import datetime as dt
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal

from benchmarks.scale.service import CONNECTION, StorageService
from frame_tools.contracts import ids, paths
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.messages import decode_body
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Receipt, StoredFile, TaskTimes
from frame_tools.media.segment import SegmentEncoder
from frame_tools.storage.accounts import Account
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import Storage
from frame_tools.storage.in_memory import InMemoryLinks
from orchestration.app import App
from orchestration.azure_batch.in_memory import POOL, InMemoryBatch
from orchestration.handlers.start_run import start_run
from orchestration.handlers.submit_batch import submit_batch
from orchestration.settings import Settings

SIZE: Final = (64, 48)
RATE: Final = Fraction(30)
FRAME: Final = b"\xff\xd8\xff"
"""Content of every frame: no handler decodes one."""
VERSIONS: Final = {"python": "3.12.3", "torch": "2.9.0", "numpy": "2.3.4", "opencv": "4.12.0", "av": "18.1.0"}
ManifestKind = Literal["constant", "variable", "none"]


@dataclass(frozen=True)
class CountedWorld:
    """An app whose storage requests can be counted: see `benchmarks.scale.counting`."""

    service: StorageService
    app: App
    batch_calls: list[str]
    """One entry for each call of Batch."""

    @classmethod
    def create(cls, *, max_open_runs: int = 20) -> "CountedWorld":
        """Return an app on an empty account."""
        account = Account(setting="OPS", connection_string=CONNECTION)
        settings = Settings(
            batch_endpoint="http://127.0.0.1:1",
            node_image=POOL.images[0],
            max_open_runs=max_open_runs,
            max_frames=1_000_000,
            join_in_function_bytes=2**40,
        )
        batch_calls: list[str] = []
        app = App(
            settings=settings,
            storage=Storage.open(data=account, ops=account),
            batch=InMemoryBatch(hook=lambda accessed, writes: batch_calls.append(accessed)),
            links=InMemoryLinks(),
            task_environment={},
        )
        return cls(StorageService(), app, batch_calls)

    def upload(self, name: str, frames: int, *, manifest: ManifestKind = "constant", per_batch: int = 96) -> str:
        """Write frames, manifest and trigger file of a run; return the trigger file's name."""
        uploaded = self.service.container(paths.INPUT)
        for number in range(1, frames + 1):
            uploaded.write(f"{name}/frames/{number:06d}.jpg", FRAME)
        if manifest != "none":
            uploaded.write(f"{name}/manifest.json", _manifest(frames, manifest))
        trigger = {"scorer": "copy", "frames_per_batch": per_batch}
        if manifest == "none":
            uploaded.write(f"{name}/frames/000001.jpg", _picture())
            trigger["rate"] = str(RATE)
        self.service.container(paths.TRIGGERS).write(f"{name}.json", json.dumps(trigger).encode())
        return f"{name}.json"

    def start(self, name: str, frames: int, *, per_batch: int = 96) -> str:
        """Upload and start a run; return its id. Call it while requests are counted: they need the service."""
        run_id = start_run(self.app, self.upload(name, frames, per_batch=per_batch))
        assert run_id is not None  # noqa: S101 - the trigger file was just written
        return run_id

    def submissions(self) -> list[str]:
        """Return the messages that ask for tasks, oldest first, and remove them."""
        bodies = self.service.queues.pop(paths.FRAME_BATCHES, [])
        return [decode_body(body.partition("<MessageText>")[2].partition("<")[0].encode()) for body in bodies]

    def deliver_submissions(self) -> None:
        """Add the tasks that messages ask for. Call it while requests are counted."""
        for text in self.submissions():
            submit_batch(self.app, text)

    def score(self, run_id: str, batches: int | None = None) -> None:
        """Write frames, segments and receipts of the first `batches`, or of all, as their tasks do."""
        runs, run = self.service.container(paths.RUNS), RunPaths(run_id)
        stored = runs.need(run.plan).data
        plan, manifest = Plan.load_stored(stored), Manifest.load_stored(runs.need(run.manifest).data)
        for batch in range(plan.batch_count if batches is None else batches):
            runs.create(run.receipt(batch), self._receipt(plan, manifest, batch, sha256_of(stored)).dumps())

    def _receipt(self, plan: Plan, manifest: Manifest, batch: int, plan_sha256: str) -> Receipt:
        (start, end), run = plan.span(batch), RunPaths(plan.run_id)
        painted = (run.painted_frame(manifest.painted_name(index)) for index in range(start, end))
        return Receipt(
            run_id=plan.run_id,
            batch=batch,
            start=start,
            end=end,
            plan_sha256=plan_sha256,
            frames=tuple(self._store(name, FRAME) for name in painted),
            segment=self._store(run.segment(batch), _segment(end - start)),
            log=run.timing_log(ids.batch_log_name(batch)),
            task_id=ids.batch_log_name(batch),
            device="cuda",
            times=TaskTimes(start_up=8.0, load=1.0, infer=10.0, save=1.0, total=20.0),
            versions=VERSIONS,
            finished_at=dt.datetime.now(dt.UTC).isoformat(),
        )

    def _store(self, name: str, data: bytes) -> StoredFile:
        etag = self.service.container(paths.WORK).write(name, data)
        return StoredFile(name=name, size=len(data), sha256=sha256_of(data), etag=etag)


def _manifest(frames: int, kind: ManifestKind) -> bytes:
    """Return a manifest of frames at a constant rate, or with a time of its own for each."""
    data = Manifest.plain(frames, RATE, width=SIZE[0], height=SIZE[1]).dumps()
    if kind == "constant":
        return data
    fields = json.loads(data)
    del fields["pts_step"]
    return json.dumps(fields | {"pts": [index * 1001 + index % 2 for index in range(frames)]}).encode()


@lru_cache
def _segment(frames: int) -> bytes:
    """Return the encoded video of a batch; those of equal batches are equal."""
    encoder = SegmentEncoder(Manifest.plain(frames, RATE, width=SIZE[0], height=SIZE[1]))
    for index in range(frames):
        encoder.add(bytes([index]) * (3 * SIZE[0] * SIZE[1]))
    return encoder.finish()


def _picture() -> bytes:
    """Return a JPEG file's header, which is all that planning reads of a frame."""
    height, width = SIZE[1].to_bytes(2), SIZE[0].to_bytes(2)
    return b"\xff\xd8\xff\xc0\x00\x11\x08" + height + width + b"\x03\x01\x11\x00\x02\x11\x01\x03\x11\x01\xff\xd9"
