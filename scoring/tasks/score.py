"""The task `run`: score one batch of frames, from blobs to blobs, and leave a receipt."""

import io
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, cast

from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, InputError, InternalError, NextStep
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Receipt, SteadinessSums, StoredFile, TaskTimes
from frame_tools.contracts.version import IMPASTO_VERSION
from frame_tools.media.segment import SegmentEncoder
from frame_tools.storage.blobs import sha256_of
from scoring import image_codec as images
from scoring.pipeline import pipeline
from scoring.pipeline.frame_source import FrameSource, open_frames
from scoring.pipeline.masks import Masks, open_masks
from scoring.pipeline.stages import first_needed, picture_stages, size_stages
from scoring.scorers import registry
from scoring.scorers.registry import ScorerResources
from scoring.tasks.base import Task, utc_now
from scoring.tasks.inputs import frame_position, prepared, run_inputs
from scoring.types import Alpha, Describe, Picture, Record, RunInputs, Score, Scorer

log = logging.getLogger(__name__)

LIBRARIES: Final = ("torch", "numpy", "opencv-python-headless", "av")
"""Those whose version can change a frame's bytes."""


MAX_MASK_BYTES: Final = 2**30
"""Of a mask's picture or video, which is held in memory."""


def score_batch(task: Task, *, weights: Path, started: float) -> None:
    """Score the task's batch and write its product, log and receipt, in this order.

    `started` is when the process began, on the clock of time.monotonic(). Raises InputError for frames that can't
    be used, DamagedError if the plan's files are not what they were.
    """
    plan_blob = task.storage.runs.need(RunPaths(task.run_id).plan)
    plan = Plan.load_stored(plan_blob.data)
    manifest = read_manifest(task, plan)
    store = open_frames(task.environ, task.storage, plan.frames)
    with tempfile.TemporaryDirectory(prefix="impasto-") as scratch:
        scorer = registry.load(plan, ScorerResources(weights=weights, storage=task.storage, scratch=Path(scratch)))
        batch = BatchRun(task, plan, manifest, store, plan_sha256=sha256_of(plan_blob.data))
        batch.run(scorer, run_inputs(task, plan, manifest, store), started=started)


def read_manifest(task: Task, plan: Plan) -> Manifest:
    """Read the run's manifest; raises DamagedError if it is not the one that was planned with."""
    data = task.storage.runs.need(RunPaths(plan.run_id).manifest).data
    if sha256_of(data) != plan.manifest_sha256:
        raise DamagedError(
            f"The manifest of {plan.run_id} is not the planned one",
            "Start the run anew",
            next_step=NextStep.START_NEW_RUN,
        )
    return Manifest.load_stored(data)


class BatchRun:
    """One batch on its way through the scorer."""

    def __init__(self, task: Task, plan: Plan, manifest: Manifest, store: FrameSource, *, plan_sha256: str) -> None:
        if not isinstance(task.step, int):
            raise InternalError(f"{task.step!r} is no batch", "Call `run` with a batch's number")
        self._task, self._plan, self._manifest, self._store = task, plan, manifest, store
        self._plan_sha256 = plan_sha256
        self._batch = task.step
        self._start, self._end = plan.span(task.step)
        self._timing = _Timing(task.run_id, task.step)

    def run(self, scorer: Scorer, inputs: RunInputs, *, started: float) -> None:
        """Score, then write what proves it."""
        if scorer.makes != self._plan.makes:
            raise InternalError(
                f"The scorer makes {scorer.makes}, the plan wants {self._plan.makes}",
                "Start the run anew",
                next_step=NextStep.START_NEW_RUN,
            )
        opened = scorer.open(inputs, prepared(self._task, scorer, inputs))
        ready = time.monotonic()
        if self._plan.makes == "records":
            made = self._describe(scorer, cast("Describe", opened))
        else:
            made = self._paint(scorer, cast("Score", opened))
        log_name = RunPaths(self._task.run_id).timing_log(ids.task_id(self._batch, 1))
        self._task.storage.logs.write(log_name, self._timing.lines())
        done = time.monotonic()
        receipt = Receipt(
            run_id=self._task.run_id,
            batch=self._batch,
            start=self._start,
            end=self._end,
            plan_sha256=self._plan_sha256,
            log=log_name,
            task_id=self._task.task_id,
            device=scorer.device,
            dedicated=self._task.dedicated,
            times=self._timing.times(start_up=ready - started, total=done - started),
            versions=_versions(),
            finished_at=utc_now(),
            **made,
        )
        self._task.storage.runs.create(RunPaths(self._task.run_id).receipt(self._batch), receipt.dumps())
        log.info("batch %d: %d frames in %.1f s", self._batch, self._end - self._start, done - started)

    def _paint(self, scorer: Scorer, score: Score) -> dict[str, Any]:
        """Paint the frames; return the receipt's words about them."""
        encoder = SegmentEncoder(self._manifest, odd_size=self._plan.options.even)
        parts = picture_stages(self._plan, self._manifest, score, self._masks())
        outlets = pipeline.Outputs(
            sink=_discard if self._plan.options.video_only else self._write_frame,
            encode=self._encoder(),
            segment=encoder.add,
            on_frame=self._timing.note_frame,
        )
        stored = pipeline.run(
            self._source(),
            parts.score,
            outlets,
            stages=parts.stages,
            frames_per_forward=scorer.frames_per_forward,
            in_order=scorer.in_order,
        )
        return {
            "frames": tuple(file for file in stored if file is not None),
            "segment": self._store_file(RunPaths(self._task.run_id).segment(self._batch), encoder.finish()),
            "bad_frames": parts.bad_frames(self._start, self._end),
            "steadiness": self._timing.steadiness,
        }

    def _describe(self, scorer: Scorer, describe: Describe) -> dict[str, Any]:
        """Have the frames described; return the receipt's words about them."""
        records = io.BytesIO()

        def keep(record: pipeline.FrameRecord[Record]) -> None:
            records.write(json.dumps(record.stored, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            self._timing.note(record, size=None)

        pipeline.describe(
            self._source(),
            describe,
            keep,
            stages=size_stages(self._plan, self._manifest),
            frames_per_forward=scorer.frames_per_forward,
            in_order=scorer.in_order,
        )
        return {"records": self._store_file(RunPaths(self._task.run_id).records_part(self._batch), records.getvalue())}

    def _source(self) -> Iterator[pipeline.SourceFrame]:
        for index in range(first_needed(self._plan, self._manifest, self._start), self._end):
            name = self._manifest.frame_name(index)
            yield pipeline.SourceFrame(
                position=frame_position(self._manifest, index),
                name=name,
                fetch=lambda name=name: self._store.read(name),  # type: ignore[misc]
                delivered=index >= self._start,
            )

    def _masks(self) -> Masks | None:
        """Open the run's masks, if it has any."""
        if self._plan.mask is None:
            return None
        blob = self._plan.mask.blob
        container = self._task.storage.data_container(blob.container)

        def read(name: str) -> bytes | None:
            found = container.read(name, limit=MAX_MASK_BYTES)
            if found is not None and len(found.data) > MAX_MASK_BYTES:
                raise InputError(f"The mask {name!r} has more than {MAX_MASK_BYTES} bytes", "Make it smaller")
            return None if found is None else found.data

        return open_masks(self._plan.mask.kind, blob.name, read=read, frame_name=self._manifest.frame_name)

    def _encoder(self) -> Callable[[Picture, Alpha | None], bytes]:
        """Return what encodes frames for storage."""
        if self._plan.options.video_only:
            return lambda _picture, _alpha: b""
        return images.encode_png if self._manifest.image_format == "png" else pipeline.opaque_jpeg

    def _write_frame(self, _index: int, name: str, data: bytes) -> StoredFile | None:
        return self._store_file(RunPaths(self._task.run_id).styled_frame(name), data)

    def _store_file(self, name: str, data: bytes) -> StoredFile:
        etag = self._task.storage.work.write(name, data)
        return StoredFile(name=name, size=len(data), sha256=sha256_of(data), etag=etag)


class _Timing:
    """Where the time went: one JSON line per image, as the reference architecture asks, and the sums."""

    def __init__(self, run_id: str, batch: int) -> None:
        self._run_id, self._batch = run_id, batch
        self._lines = io.StringIO()
        self._load_ms = self._infer_ms = self._save_ms = 0.0
        self._sums: list[SteadinessSums] = []

    def note_frame(self, record: pipeline.FrameRecord[StoredFile | None]) -> None:
        """Note a painted frame."""
        if record.measured is not None:
            self._sums.append(record.measured)
        self.note(record, size=None if record.stored is None else record.stored.size)

    def note(self, record: pipeline.FrameRecord[Any], *, size: int | None) -> None:
        """Note a frame's times."""
        self._load_ms += record.load_ms
        self._infer_ms += record.infer_ms
        self._save_ms += record.save_ms + record.segment_ms
        line = {
            "run_id": self._run_id,
            "batch": self._batch,
            "frame": record.index,
            "name": record.name,
            "load_ms": round(record.load_ms, 2),
            "infer_ms": round(record.infer_ms, 2),
            "save_ms": round(record.save_ms, 2),
            "segment_ms": round(record.segment_ms, 2),
        }
        if size is not None:
            line["bytes"] = size
        self._lines.write(json.dumps(line) + "\n")

    @property
    def steadiness(self) -> SteadinessSums | None:
        """The sum of what was measured of pairs of frames; None if nothing was."""
        if not self._sums:
            return None
        rows = [sums.model_dump() for sums in self._sums]
        return SteadinessSums(**{word: sum(row[word] for row in rows) for word in rows[0]})

    def lines(self) -> bytes:
        """Return the log."""
        return self._lines.getvalue().encode()

    def times(self, *, start_up: float, total: float) -> TaskTimes:
        """Return the sums in seconds."""
        return TaskTimes(
            start_up=round(start_up, 4),
            load=round(self._load_ms / 1000, 4),
            infer=round(self._infer_ms / 1000, 4),
            save=round(self._save_ms / 1000, 4),
            total=round(total, 4),
        )


def _discard(_index: int, _name: str, _data: bytes) -> StoredFile | None:
    """Store no frame: the run keeps its video only."""
    return None


def _versions() -> dict[str, str]:
    """Return the versions of the libraries that are installed here; `copy` runs without torch."""
    found = {"impasto": IMPASTO_VERSION}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
