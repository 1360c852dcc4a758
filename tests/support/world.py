"""A test's own app, and everything around it: what users, the Functions host and nodes do."""

import datetime as dt
import functools
import io
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

import av
from azure.core.exceptions import ResourceNotFoundError
from PIL import Image

from frame_tools.contracts import ids, paths
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.messages import BatchMessage, decode_body
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Outcome
from frame_tools.media import images
from frame_tools.storage.accounts import DATA, OPS, account_from
from frame_tools.storage.blobs import BlobAccount
from frame_tools.storage.deployment import Storage
from frame_tools.storage.in_memory import InMemoryQueue
from frame_tools.storage.patience import BACKGROUND, Patience
from frame_tools.storage.ports import MessageQueue
from frame_tools.storage.queues import Queue, QueueAccount
from orchestration.app import App
from orchestration.azure_batch.ports import TaskView
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.start_run import start_run
from orchestration.handlers.submit_batch import submit_batch
from orchestration.reporting.status import run_status
from orchestration.runs.scheduling import current_job
from tests.support.clips import draw
from tests.support.fake_node import SIZE, read_plan, score
from tests.support.interception import intercept

T = TypeVar("T")


class AdjustableClock:
    """The system clock plus an offset that a test advances."""

    def __init__(self) -> None:
        self._offset = dt.timedelta()

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self._offset

    def advance(self, **duration: float) -> None:
        """Advance the time by `datetime.timedelta(**duration)`."""
        self._offset += dt.timedelta(**duration)


def create_storage(settings: dict[str, str], suffix: str, patience: Patience = BACKGROUND) -> Storage:
    """Create containers and queues with the production names plus a suffix."""
    data, ops, queues = (
        BlobAccount(account_from(settings, DATA), patience),
        BlobAccount(account_from(settings, OPS), patience),
        QueueAccount(account_from(settings, OPS), patience),
    )
    storage = Storage(
        **{
            name: data.container(f"{name}-{suffix}") for name in (paths.INPUT, paths.TRIGGERS, paths.WORK, paths.OUTPUT)
        },
        **{name: ops.container(f"{name}-{suffix}") for name in (paths.RUNS, paths.LOGS, paths.SCRIPTS, paths.HASHES)},
        frame_batches=queues.queue(f"{paths.FRAME_BATCHES}-{suffix}"),
        finished_batches=queues.queue(f"{paths.FINISHED_BATCHES}-{suffix}"),
    )
    storage.ensure()
    return storage


@functools.cache
def frame(number: int, size: tuple[int, int] = SIZE) -> bytes:
    return images.encode_jpeg(draw(number, size))


@functools.cache
def painting() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "orange").save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class World:
    """One app, and the actions of users, host and nodes."""

    app: App

    @property
    def storage(self) -> Storage:
        return self.app.storage

    @property
    def clock(self) -> AdjustableClock:
        assert isinstance(self.app.clock, AdjustableClock)
        return self.app.clock

    def changed(self, **settings: Any) -> "World":
        """Return the same world with other settings."""
        return World(replace(self.app, settings=self.app.settings.model_copy(update=settings)))

    def intercepted(self, container: str, **hooks: Callable[..., Any]) -> "World":
        """Return the same world with methods of one container replaced: see `tests.support.interception`."""
        changed = intercept(getattr(self.storage, container), **hooks)
        return World(replace(self.app, storage=replace(self.storage, **{container: changed})))

    # Actions of users.

    def upload_frames(self, name: str, count: int = 6, *, manifest: bool = True, size: tuple[int, int] = SIZE) -> None:
        if manifest:
            document = Manifest.plain(count, Fraction(25), width=size[0], height=size[1], source="clip.mp4")
            self.storage.input.write(f"{name}/manifest.json", document.dumps())
        for number in range(count):
            self.storage.input.write(f"{name}/frames/{number + 1:06d}.jpg", frame(number, size))

    def upload_files(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Upload files to a folder of `input`."""
        for name, data in files.items():
            self.storage.input.write(f"{folder}/{name}", data)

    def upload_trigger(self, name: str, body: bytes | None = None, **options: Any) -> str:
        """Upload a trigger file; by default for the scorer `copy` in batches of two frames."""
        blob = f"{name}.json"
        trigger = {"scorer": "copy", "frames_per_batch": 2} | options
        self.storage.triggers.write(blob, json.dumps(trigger).encode() if body is None else body)
        return blob

    def upload_video(self) -> str:
        """Upload a video that the cloud splits, and its trigger file; the fake node does not decode the video."""
        self.storage.input.write("video/video.mp4", b"a video")
        return self.upload_trigger("video", video="video.mp4", source="frames")

    def start(self, name: str, count: int = 6, **options: Any) -> str:
        """Upload frames and trigger file and fire the blob trigger; return the run id."""
        self.upload_frames(name, count)
        return self.fire_trigger(self.upload_trigger(name, **options))

    # Actions of the Functions host.

    def fire_trigger(self, trigger_blob: str) -> str:
        run_id = start_run(self.app, trigger_blob)
        assert run_id is not None
        return run_id

    def deliver_messages(self, times: int = 1) -> None:
        """Deliver all queued messages, each `times` times, until both queues are empty."""
        while True:
            submissions, finished = drain(self.storage.frame_batches), drain(self.storage.finished_batches)
            if not submissions and not finished:
                return
            for text in submissions * times:
                submit_batch(self.app, text)
            for text in finished * times:
                finish_batch(self.app, text)

    # Actions of nodes.

    def score(self, run_id: str, *batches: int, message: bool = True) -> None:
        """Score the given batches, or all."""
        for batch in batches or range(read_plan(self.storage, run_id).batch_count):
            score(self.storage, run_id, batch, message=message)

    def finish(self, run_id: str) -> str:
        """Take a started run to its end; return its status."""
        self.deliver_messages()
        self.score(run_id)
        self.deliver_messages()
        return self.status(run_id)

    # Observations.

    def status(self, run_id: str) -> str:
        return str(self.status_document(run_id)["status"])

    def status_document(self, run_id: str) -> dict[str, Any]:
        document = run_status(self.app, run_id)
        assert document is not None
        return document

    def outcome(self, run_id: str) -> Outcome:
        return Outcome.load_stored(self.storage.runs.need(RunPaths(run_id).outcome).data)

    def report(self, run_id: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.storage.output.need(RunPaths(run_id).report).data)
        return report

    def video(self, run_id: str) -> bytes:
        return self.storage.output.need(RunPaths(run_id).video("mp4")).data

    def frame_count(self, run_id: str) -> int:
        with av.open(io.BytesIO(self.video(run_id))) as video:
            return len(list(video.decode(video=0)))

    def tasks(self, run_id: str, job: int | None = None) -> dict[str, TaskView]:
        number = current_job(self.app, run_id) if job is None else job
        return {task.task_id: task for task in self.app.batch.tasks(ids.job_id(run_id, number))}

    def job_is_open(self, run_id: str, job: int = 0) -> bool:
        return self.app.batch.job_is_open(ids.job_id(run_id, job))

    def runs_blobs(self, run_id: str) -> set[str]:
        """Return the names of the run's blobs in `runs`, without the run id."""
        return {item.name.removeprefix(f"{run_id}/") for item in self.storage.runs.list(f"{run_id}/")}

    def assert_refused(self, run_id: str, *fragments: str) -> None:
        """Assert that status and report say `refused` with all `fragments`, and that the run holds nothing."""
        outcome = self.outcome(run_id)
        text = f"{outcome.reason} | {outcome.remedy}"
        assert outcome.status == "refused", text
        assert [fragment for fragment in fragments if fragment not in text] == [], text
        assert outcome.remedy
        document, report = self.status_document(run_id), self.report(run_id)
        assert (document["status"], document["reason"]) == ("refused", outcome.reason)
        assert (report["status"], report["reason"], report["remedy"]) == ("refused", outcome.reason, outcome.remedy)
        assert self.is_released(run_id)
        assert self.storage.frame_batches.oldest() == []

    def is_released(self, run_id: str) -> bool:
        """Return whether the run holds no open mark, no slot and no open job."""
        slots = [self.storage.runs.need(item.name).data.decode() for item in self.storage.runs.list("slots/")]
        claims = [item.name for item in self.storage.runs.list(RunPaths(run_id).jobs)]
        return (
            not self.storage.runs.exists(RunPaths(run_id).open_mark)
            and run_id not in slots
            and not any(self.job_is_open(run_id, number) for number in range(len(claims)))
        )


def drain(queue: MessageQueue) -> list[str]:
    """Remove all messages from a queue and return their texts."""
    if isinstance(queue, InMemoryQueue):
        return queue.drain()
    assert isinstance(queue, Queue)
    texts: list[str] = []
    client = queue._client
    for message in client.receive_messages(messages_per_page=32, visibility_timeout=600):
        try:
            client.delete_message(message)
        except ResourceNotFoundError:  # another thread has received the message
            continue
        texts.append(decode_body(str(message.content).encode()))
    return texts


def message(run_id: str, batch: int | str) -> str:
    return BatchMessage.model_validate({"run_id": run_id, "batch": batch}).text()


def in_parallel(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Make all calls at the same time, each in a thread of its own; raise the exception of one that fails."""
    pending = list(calls)
    barrier = threading.Barrier(len(pending))

    def run(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(pending)) as pool:
        return list(pool.map(run, pending))
