"""Planned runs in memory for tests of the scoring tasks."""

import dataclasses
import time
from contextlib import nullcontext
from fractions import Fraction

import pytest

from frame_tools.contracts.errors import TemporaryError
from frame_tools.contracts.ids import BatchRange
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, PlannedKeyframe, PlannedProgram, PlannedStyle
from frame_tools.contracts.receipt import Receipt
from frame_tools.contracts.scorers import SCORERS
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.in_memory import InMemoryContainer, InMemoryQueue, in_memory_storage
from scoring.tasks.base import Task
from scoring.tasks.batches import perform_batches
from scoring.tasks.score import open_scoring
from tests.support.clips import draw
from tests.support.image_kinds import encode_as
from tests.support.scorer_runs import painting

RUN = "clip-0123456789"
SIZE = (64, 48)
BORDERS = (0, 3, 5)


def planned(scorer="copy", *, image_format="jpg", suffix=None, options=None, **changes):
    """Return storage with five frames, numbered 0 to 4, planned as two batches; `suffix` is another kind of frame."""
    storage = in_memory_storage()
    manifest = Manifest.plain(
        BORDERS[-1],
        Fraction(25),
        width=SIZE[0],
        height=SIZE[1],
        image_format=image_format,
        pattern="{:06d}." + (suffix or image_format),
    )
    for index in range(manifest.frame_count):
        storage.input.write(
            f"clip/frames/{manifest.frame_name(index)}", encode_as(f".{suffix or image_format}", draw(index, SIZE))
        )
    storage.runs.write(RunPaths(RUN).manifest, manifest.dumps())
    fields = {
        "run_id": RUN,
        "name": "clip",
        "correlation_id": RUN,
        "options": Options(**{"scorer": scorer, "temporal_smoothing": 0} | (options or {})),
        "borders": BORDERS,
        "manifest_sha256": sha256_of(manifest.dumps()),
        "frames": BlobRef(container="input", name="clip/frames/"),
        "weights_sha256": SCORERS[scorer].weights_sha256,
        "container": "mp4",
    }
    storage.runs.write(RunPaths(RUN).plan, Plan(**fields | changes).dumps())
    return storage


def planned_with_painting(**options):
    data = painting()
    style = PlannedStyle(
        name="swirls.png",
        blob=BlobRef(container="work", name="style"),
        sha256=sha256_of(data),
        kind="painting",
        width=400,
        height=300,
    )
    keys = (PlannedKeyframe(at=0, weights=(1.0,)),)
    storage = planned("any", styles=(style,), key_styles=keys, sample=(0, 2, 4), options=options)
    storage.work.write("style", data)
    return storage


def task_for(storage, batch=0):
    return Task(storage=storage, run_id=RUN, step=batch, task_id=f"b0000{batch}", dedicated=False)


def score(storage, batch=0, *, last=None, weights=None):
    """Execute the task of the batches `batch` to `last`."""
    task = task_for(storage, batch)
    batches = BatchRange(batch, batch if last is None else last)
    perform_batches(task, batches, lambda: open_scoring(task, weights=weights, started=time.monotonic()))


def perform_one(task, work):
    """Execute the shell of the task of one batch around `work`, which gets the task."""
    perform_batches(task, BatchRange(task.step, task.step), lambda: nullcontext(lambda _batches: work(task)))


def message(batch=0):
    return BatchMessage(run_id=RUN, batch=batch)


def receipt_of(storage, batch=0):
    return Receipt.load_stored(storage.runs.need(RunPaths(RUN).receipt(batch)).data)


def never(_task):
    pytest.fail("the work was started")


class Journal(InMemoryContainer):
    """A container that records its writes in a shared list, and fails at the write of `fails_at`.

    Progress is not recorded: a thread of its own writes it at any time.
    """

    def __init__(self, container, journal, fails_at=None):
        super().__init__(container.name, container._store)
        self._journal, self._fails_at = journal, fails_at

    def _record(self, name):
        if name == self._fails_at:
            raise TemporaryError("The connection was lost", "Try again")
        if "/progress/" not in name:
            self._journal.append(f"{self.name}/{name}")

    def write(self, name, data, *, metadata=None):
        self._record(name)
        return super().write(name, data, metadata=metadata)

    def create(self, name, data):
        self._record(name)
        return super().create(name, data)


def journaled(fails_at=None):
    """Return planned storage that records all writes and messages, and the list of them in order."""
    storage = planned()
    journal: list[str] = []
    containers = {}
    for container_name in ("work", "logs", "runs"):
        containers[container_name] = Journal(getattr(storage, container_name), journal, fails_at)

    class RecordingQueue(InMemoryQueue):
        def send(self, message):
            journal.append("message")
            super().send(message)

    return dataclasses.replace(storage, **containers, finished_batches=RecordingQueue()), journal


COUNTER = b"""
class Counter:
    def describe(self, frames, moments):
        return [{"mean": float(frame.mean())} for frame in frames]

def load(context):
    return Counter()
"""


def planned_with_script(data=COUNTER, *, listed=COUNTER, **options):
    """Plan a run with the script `listed`, and store `data` as its file."""
    program = PlannedProgram(name="counter", file="counter.py", sha256=sha256_of(listed), kind="script")
    storage = planned("script", options={"program": "counter", **options}, program=program, makes="records")
    storage.scripts.write("counter.py", data)
    return storage
