"""A test's own app on real storage and a real Batch service, and what people, hosts and nodes do to it."""

import functools
import io
import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import av
from azure.core.exceptions import ResourceNotFoundError
from PIL import Image

from frame_tools.contracts import ids, paths
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Outcome
from frame_tools.media import images
from frame_tools.storage.accounts import DATA, OPS, account_from
from frame_tools.storage.blobs import BlobAccount
from frame_tools.storage.deployment import Storage
from frame_tools.storage.queues import Queue, QueueAccount
from orchestration.app import App
from orchestration.azure_batch.client import TaskView
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.start_run import start_run
from orchestration.handlers.submit_batch import submit_batch
from orchestration.reporting.status import run_status
from orchestration.runs.scheduling import current_job
from tests.support.clips import draw
from tests.support.fake_node import SIZE, paint, read_plan
from tests.support.in_memory import MemoryQueue

T = TypeVar("T")


def storage_of(settings: dict[str, str], mark: str) -> Storage:
    """Open containers and queues that are called as the real ones with `mark` behind, and create them."""
    data, ops, queues = (
        BlobAccount(account_from(settings, DATA)),
        BlobAccount(account_from(settings, OPS)),
        QueueAccount(account_from(settings, OPS)),
    )
    storage = Storage(
        **{name: data.container(f"{name}-{mark}") for name in (paths.INPUT, paths.TRIGGERS, paths.WORK, paths.OUTPUT)},
        **{name: ops.container(f"{name}-{mark}") for name in (paths.RUNS, paths.LOGS, paths.SCRIPTS)},
        frame_batches=queues.queue(f"{paths.FRAME_BATCHES}-{mark}"),
        finished_batches=queues.queue(f"{paths.FINISHED_BATCHES}-{mark}"),
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
    """One app, and everybody around it."""

    app: App

    @property
    def storage(self) -> Storage:
        return self.app.storage

    def changed(self, **settings: Any) -> "World":
        """The same world with other settings."""
        return World(replace(self.app, settings=self.app.settings.model_copy(update=settings)))

    # What people do.

    def put_frames(self, name: str, count: int = 6, *, manifest: bool = True, size: tuple[int, int] = SIZE) -> None:
        if manifest:
            described = Manifest.plain(count, 25, width=size[0], height=size[1], source="clip.mp4")
            self.storage.input.write(f"{name}/manifest.json", described.dumps())
        for number in range(count):
            self.storage.input.write(f"{name}/frames/{number + 1:06d}.jpg", frame(number, size))

    def put_trigger(self, name: str, body: bytes | None = None, **words: Any) -> str:
        """Put a trigger file; without a body one for the copying scorer in batches of two frames."""
        blob = f"{name}.json"
        options = {"scorer": "copy", "frames_per_batch": 2} | words
        self.storage.triggers.write(blob, json.dumps(options).encode() if body is None else body)
        return blob

    def put_film(self) -> str:
        """Put a video to be split in the cloud, and its trigger file; nobody here decodes it."""
        self.storage.input.write("film/film.mp4", b"a film")
        return self.put_trigger("film", video="film.mp4")

    def start(self, name: str, count: int = 6, **words: Any) -> str:
        """Put frames and trigger, and let the blob trigger fire; returns the run's id."""
        self.put_frames(name, count)
        return self.fire(self.put_trigger(name, **words))

    # What the host does.

    def fire(self, trigger_blob: str) -> str:
        run_id = start_run(self.app, trigger_blob)
        assert run_id is not None
        return run_id

    def pump(self, times: int = 1) -> None:
        """Deliver all waiting messages, each `times` times, until none is left."""
        while True:
            placing, finished = take(self.storage.frame_batches), take(self.storage.finished_batches)
            if not placing and not finished:
                return
            for text in placing * times:
                submit_batch(self.app, text)
            for text in finished * times:
                finish_batch(self.app, text)

    # What nodes do.

    def paint(self, run_id: str, *batches: int, message: bool = True) -> None:
        """Score the named batches, or all."""
        for batch in batches or range(read_plan(self.storage, run_id).batch_count):
            paint(self.storage, run_id, batch, message=message)

    def finish(self, run_id: str) -> str:
        """Take a started run to its end; returns its status."""
        self.pump()
        self.paint(run_id)
        self.pump()
        return self.status(run_id)

    # What is to be seen.

    def status(self, run_id: str) -> str:
        return str(self.described(run_id)["status"])

    def described(self, run_id: str) -> dict[str, Any]:
        described = run_status(self.app, run_id)
        assert described is not None
        return described

    def outcome(self, run_id: str) -> Outcome:
        return Outcome.load_stored(self.storage.runs.need(RunPaths(run_id).outcome).data)

    def report(self, run_id: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.storage.output.need(RunPaths(run_id).report).data)
        return report

    def video(self, run_id: str) -> bytes:
        return self.storage.output.need(RunPaths(run_id).video("mp4")).data

    def frame_count(self, run_id: str) -> int:
        with av.open(io.BytesIO(self.video(run_id))) as video:
            return sum(1 for _ in video.decode(video=0))

    def tasks(self, run_id: str, job: int | None = None) -> dict[str, TaskView]:
        number = current_job(self.app, run_id) if job is None else job
        return {task.task_id: task for task in self.app.batch.tasks(ids.job_id(run_id, number))}

    def job_is_open(self, run_id: str, job: int = 0) -> bool:
        return self.app.batch.job_is_open(ids.job_id(run_id, job))

    def runs_blobs(self, run_id: str) -> set[str]:
        """Names of the run's blobs in `runs`, without the run's id."""
        return {item.name.removeprefix(f"{run_id}/") for item in self.storage.runs.list(f"{run_id}/")}

    def is_let_go(self, run_id: str) -> bool:
        """Whether nothing of the run is held any more: mark, slot, jobs."""
        slots = [self.storage.runs.need(item.name).data.decode() for item in self.storage.runs.list("slots/")]
        claims = [item.name for item in self.storage.runs.list(RunPaths(run_id).jobs)]
        return (
            not self.storage.runs.exists(RunPaths(run_id).open_mark)
            and run_id not in slots
            and not any(self.job_is_open(run_id, number) for number in range(len(claims)))
        )


def take(queue: Queue) -> list[str]:
    """Take all messages off a queue."""
    if isinstance(queue, MemoryQueue):
        return queue.taken()
    texts: list[str] = []
    client = queue._client
    for message in client.receive_messages(messages_per_page=32, visibility_timeout=600):
        try:
            client.delete_message(message)
        except ResourceNotFoundError:  # another thread of the test was faster
            continue
        texts.append(str(message.content))
    return texts


def message(run_id: str, batch: int | str) -> str:
    return BatchMessage.model_validate({"run_id": run_id, "batch": batch}).text()


def in_parallel(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Call all at once, each in a thread of its own; raises what one of them raises."""
    made = list(calls)
    barrier = threading.Barrier(len(made))

    def call(one: Callable[[], T]) -> T:
        barrier.wait()
        return one()

    with ThreadPoolExecutor(len(made)) as pool:
        return list(pool.map(call, made))
