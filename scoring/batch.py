"""The task `run`: score one batch of frames, from blobs to blobs, and leave a receipt."""

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from frame_tools import manifest as manifests
from frame_tools import names
from frame_tools.blobs import Container, sha256_of
from frame_tools.errors import DamagedError, InputError, InternalError
from frame_tools.manifest import Manifest
from frame_tools.media.segment import SegmentEncoder
from frame_tools.plan import Plan
from frame_tools.receipt import Receipt, StoredFile, TaskTimes
from frame_tools.scorers import SCORERS
from scoring import frames as images
from scoring import registry, stream
from scoring.protocol import PictureError, Pictures, Score, Scorer
from scoring.style import style_of
from scoring.task import Task, utc_now

log = logging.getLogger(__name__)


def score_batch(task: Task, *, weights: Path, started: float) -> None:
    """Score the task's batch and write frames, segment, log and receipt, in this order.

    `started` is when the process began, on the clock of time.monotonic(). Raises InputError for frames that can't
    be used, DamagedError if the plan's files are not what they were.
    """
    plan_blob = task.storage.runs.need(names.plan(task.run_id))
    plan = Plan.loads(plan_blob.data, "plan")
    manifest = read_manifest(task, plan)
    scorer = load_scorer(plan, weights)
    score = scorer.prepare(style_of(task, plan, scorer), strength=plan.options.strength)
    BatchRun(task, plan, manifest, plan_sha256=sha256_of(plan_blob.data)).run(scorer, score, started=started)


def read_manifest(task: Task, plan: Plan) -> Manifest:
    """Read the run's manifest; raises DamagedError if it is not the one that was planned with."""
    data = task.storage.runs.need(names.manifest(plan.run_id)).data
    if sha256_of(data) != plan.manifest_sha256:
        raise DamagedError(f"The manifest of {plan.run_id} is not the planned one", "Start the run anew")
    return manifests.loads(data)


def load_scorer(plan: Plan, weights: Path) -> Scorer:
    """Load the plan's scorer; raises InternalError if this image was built with other weights than were planned."""
    name = plan.options.scorer
    if plan.weights_sha256 != SCORERS[name].weights_sha256:
        raise InternalError(
            f"The plan wants weights {plan.weights_sha256}, this node image has {SCORERS[name].weights_sha256}",
            "Deploy function app and node image of one version",
        )
    return registry.load(name, weights)


class BatchRun:
    """One batch on its way through the scorer."""

    def __init__(self, task: Task, plan: Plan, manifest: Manifest, *, plan_sha256: str) -> None:
        if not isinstance(task.step, int):
            raise InternalError(f"{task.step!r} is no batch", "Call `run` with a batch's number")
        self._task, self._plan, self._manifest, self._plan_sha256 = task, plan, manifest, plan_sha256
        self._batch = task.step
        self._start, self._end = plan.span(task.step)
        self._lines = io.StringIO()
        self._load_ms = self._infer_ms = self._save_ms = 0.0

    def run(self, scorer: Scorer, score: Score, *, started: float) -> None:
        """Score, then write what proves it."""
        ready = time.monotonic()
        encoder = SegmentEncoder(self._manifest, even=self._plan.options.even)
        encode = images.encode_png if self._manifest.image_format == "png" else images.encode_jpeg
        outlets = stream.Outlets(sink=self._write_frame, encode=encode, segment=encoder.add, on_frame=self._note)
        stored = stream.run(self._source(), self._checked(score), outlets, frames_per_forward=scorer.frames_per_forward)
        segment = self._store(names.segment(self._task.run_id, self._batch), encoder.finish())
        log_name = names.timing_log(self._task.run_id, names.task_id(self._batch, 1))
        self._task.storage.logs.write(log_name, self._lines.getvalue().encode())
        done = time.monotonic()
        receipt = Receipt(
            run_id=self._task.run_id,
            batch=self._batch,
            start=self._start,
            end=self._end,
            plan_sha256=self._plan_sha256,
            frames=stored,
            segment=segment,
            log=log_name,
            task_id=self._task.task_id,
            device=scorer.device,
            dedicated=self._task.dedicated,
            times=TaskTimes(
                start_up=round(ready - started, 4),
                load=round(self._load_ms / 1000, 4),
                infer=round(self._infer_ms / 1000, 4),
                save=round(self._save_ms / 1000, 4),
                total=round(done - started, 4),
            ),
            finished_at=utc_now(),
        )
        self._task.storage.runs.create(names.receipt(self._task.run_id, self._batch), receipt.dumps())
        log.info("batch %d: %d frames in %.1f s", self._batch, len(stored), done - started)

    def _source(self) -> Iterator[tuple[int, str, Callable[[], bytes]]]:
        folder = self._task.storage.data_container(self._plan.frames.container)
        for index in range(self._start, self._end):
            name = self._manifest.frame_name(index)
            yield index, name, lambda name=name: self._read_frame(folder, name)  # type: ignore[misc]

    def _read_frame(self, folder: Container, name: str) -> bytes:
        blob = folder.read(self._plan.frames.name + name)
        if blob is None:
            raise InputError(
                f"The frame {name!r} is not there any more", "Upload it again, then resubmit what is missing"
            )
        return blob.data

    def _checked(self, score: Score) -> Score:
        """Wrap `score` so that a frame of another size than the video's is refused."""
        wanted = (self._manifest.height, self._manifest.width)

        def checked(pictures: Pictures) -> Pictures:
            if pictures.shape[1:3] != wanted:
                height, width = pictures.shape[1:3]
                raise PictureError(
                    0,
                    f"has {width}x{height} pixels, the video has {wanted[1]}x{wanted[0]}",
                    "Upload frames of one size, then resubmit what is missing",
                    fault=InputError,
                )
            return score(pictures)

        return checked

    def _write_frame(self, _index: int, name: str, data: bytes) -> StoredFile:
        return self._store(names.styled_frame(self._task.run_id, name), data)

    def _store(self, name: str, data: bytes) -> StoredFile:
        etag = self._task.storage.work.write(name, data)
        return StoredFile(name=name, size=len(data), sha256=sha256_of(data), etag=etag)

    def _note(self, record: stream.FrameRecord[StoredFile]) -> None:
        """Write one JSON line per image, as the reference architecture asks: load, infer and save times."""
        self._load_ms += record.load_ms
        self._infer_ms += record.infer_ms
        self._save_ms += record.save_ms + record.segment_ms
        line = {
            "run_id": self._task.run_id,
            "batch": self._batch,
            "frame": record.index,
            "name": record.name,
            "load_ms": round(record.load_ms, 2),
            "infer_ms": round(record.infer_ms, 2),
            "save_ms": round(record.save_ms, 2),
            "segment_ms": round(record.segment_ms, 2),
            "bytes": record.stored.size,
        }
        self._lines.write(json.dumps(line) + "\n")
