"""The task `score`: scores one batch of frames, from blobs to blobs, and writes its receipt."""

import io
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, cast

from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, InputError, InternalError, NextStep
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import WORK, RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Receipt, SteadinessSums, StoredFile, TaskTimes
from frame_tools.contracts.version import IMPASTO_VERSION
from frame_tools.media.segment import SegmentEncoder
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.recorded_hashes import load_plan
from scoring.image_codec import encode_png
from scoring.pipeline.frame_reader import PictureSource, frame_position
from scoring.pipeline.frame_source import FrameError
from scoring.pipeline.masks import Masks, open_masks
from scoring.pipeline.pinned_inputs import mask_pins, open_pins, pinned_masks
from scoring.pipeline.pipeline import describe_frames, score_frames
from scoring.pipeline.stages import first_needed, input_stages, picture_stages
from scoring.pipeline.types import FrameRecord, Outputs, SourceFrame, opaque_jpeg
from scoring.postprocess.resize import enlarge_alpha
from scoring.scorers.registry import ScorerResources, load_scorer
from scoring.tasks.base import Task, utc_now
from scoring.tasks.frames import open_source
from scoring.tasks.inputs import prepare_once, run_inputs
from scoring.tasks.pairs import PairWriter, write_style_picture
from scoring.tasks.progress import ProgressWriter
from scoring.types import Alpha, Describe, Picture, Record, RunInputs, Score, Scorer

_log = logging.getLogger(__name__)

VERSIONED_LIBRARIES: Final = ("torch", "numpy", "opencv-python-headless", "av")
"""Libraries whose version can change the bytes of a frame."""

MAX_MASK_BYTES: Final = 2**30
"""Maximum size of a mask's image or video, which is held in memory."""


def score_batch(task: Task, *, weights: Path, started: float) -> None:
    """Score the task's batch and write its product, log and receipt, in this order.

    `started` is the start time of the process, on the clock of time.monotonic(). Raises InputError for frames that
    cannot be used, DamagedError if the plan's files have changed.
    """
    plan, plan_sha256 = load_plan(task.storage, task.run_id)
    manifest = read_manifest(task, plan)
    pins = open_pins(task.storage, plan)
    source = open_source(task, plan, manifest, pins)
    with tempfile.TemporaryDirectory(prefix="impasto-") as scratch:
        resources = ScorerResources(weights=weights, storage=task.storage, scratch=Path(scratch))
        scorer = load_scorer(plan, resources)
        batch = BatchRun(task, plan, manifest, source, plan_sha256=plan_sha256, pins=pins)
        with _blaming_the_split(plan):
            batch.run(scorer, run_inputs(task, plan, manifest, source), started=started)


@contextmanager
def _blaming_the_split(plan: Plan) -> Iterator[None]:
    """Raise DamagedError for a frame that cannot be used if Impasto has made it: no user can upload it again."""
    try:
        yield
    except FrameError as error:
        if plan.frames.container != WORK:
            raise
        raise DamagedError(
            f"{error.what}; it was split from the video",
            "Resubmit what is missing: the video is split again",
            next_step=NextStep.RESUBMIT,
        ) from error


def read_manifest(task: Task, plan: Plan) -> Manifest:
    """Read the run's manifest; raises DamagedError if it is not the planned one."""
    data = task.storage.runs.need(RunPaths(plan.run_id).manifest).data
    if sha256_of(data) != plan.manifest_sha256:
        raise DamagedError(
            f"The manifest of {plan.run_id} is not the planned one",
            "Upload the trigger file again to start a new run",
            next_step=NextStep.START_NEW_RUN,
        )
    return Manifest.load_stored(data)


class BatchRun:
    """Scores one batch and writes its outputs."""

    def __init__(
        self,
        task: Task,
        plan: Plan,
        manifest: Manifest,
        source: PictureSource,
        *,
        plan_sha256: str,
        pins: InputPins | None = None,
    ) -> None:
        if not isinstance(task.step, int):
            raise InternalError(f"{task.step!r} is not a batch", "Call `run` with the number of a batch")
        self._task, self._plan, self._manifest, self._frames = task, plan, manifest, source
        self._plan_sha256 = plan_sha256
        self._pins = pins
        self._batch = task.step
        self._start, self._end = plan.span(task.step)
        self._timing = _Timing(task.run_id, task.step)

    def run(self, scorer: Scorer, inputs: RunInputs, *, started: float) -> None:
        """Score the frames, then write the log and the receipt."""
        if scorer.makes != self._plan.makes:
            raise InternalError(
                f"The scorer makes {scorer.makes}, but the plan expects {self._plan.makes}",
                "Upload the trigger file again to start a new run",
                next_step=NextStep.START_NEW_RUN,
            )
        opened = scorer.open(inputs, prepare_once(self._task, scorer, inputs))
        if self._start == 0:
            write_style_picture(self._task.storage, self._plan, inputs.styles)
        ready = time.monotonic()
        with ProgressWriter(self._task) as progress:
            self._timing.on_frame = progress.add_frame
            if self._plan.makes == "records":
                product = self._describe(scorer, cast("Describe", opened))
            else:
                product = self._paint(scorer, cast("Score", opened))
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
            **product,
        )
        self._task.storage.runs.create(RunPaths(self._task.run_id).receipt(self._batch), receipt.dumps())
        _log.info("Batch %d: %d frames in %.1f s", self._batch, self._end - self._start, done - started)

    def _paint(self, scorer: Scorer, score: Score) -> dict[str, Any]:
        """Paint the frames; return the receipt's fields about them."""
        encoder = SegmentEncoder(self._manifest, odd_size=self._plan.options.odd_size, scale=self._plan.scale)
        pairs = PairWriter(self._task.storage, self._plan, self._manifest, self._frames, start=self._start)

        def add_to_segment(picture: Picture) -> None:
            encoder.add(picture)
            pairs.add(picture)

        batch = picture_stages(self._plan, self._manifest, score, self._masks())
        outputs = Outputs(
            sink=self._write_frame if self._plan.options.stores_frames else _discard,
            encode=self._frame_encoder(),
            segment=add_to_segment,
            on_frame=self._timing.add_painted,
        )
        stored = score_frames(
            self._source(),
            batch.score,
            outputs,
            stages=batch.stages,
            frames_per_forward=scorer.frames_per_forward,
            in_order=scorer.in_order,
            scale=self._plan.scale,
        )
        pairs.write()
        return {
            "frames": tuple(file for file in stored if file is not None),
            "segment": self._store_file(RunPaths(self._task.run_id).segment(self._batch), encoder.finish()),
            "bad_frames": batch.bad_frames(self._start, self._end),
            "steadiness": self._timing.steadiness,
        }

    def _describe(self, scorer: Scorer, describe: Describe) -> dict[str, Any]:
        """Describe the frames; return the receipt's fields about them."""
        lines = io.BytesIO()

        def add_record(record: FrameRecord[Record]) -> None:
            lines.write(json.dumps(record.stored, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            self._timing.add(record, size=None)

        describe_frames(
            self._source(),
            describe,
            add_record,
            stages=input_stages(self._plan, self._manifest),
            frames_per_forward=scorer.frames_per_forward,
            in_order=scorer.in_order,
        )
        return {"records": self._store_file(RunPaths(self._task.run_id).records_part(self._batch), lines.getvalue())}

    def _source(self) -> Iterator[SourceFrame]:
        for index in range(first_needed(self._plan, self._manifest, self._start), self._end):
            name = self._manifest.frame_name(index)
            yield SourceFrame(
                position=frame_position(self._manifest, index),
                name=name,
                fetch=lambda name=name: self._frames.read(name),  # type: ignore[misc]
                delivered=index >= self._start,
            )

    def _masks(self) -> Masks | None:
        """Open the run's masks, if it has any."""
        if self._plan.mask is None:
            return None
        container = self._task.storage.data_container(self._plan.mask.blob.container)

        def read(name: str) -> bytes | None:
            blob = container.read(name, limit=MAX_MASK_BYTES)
            if blob is not None and len(blob.data) > MAX_MASK_BYTES:
                raise InputError(f"The mask {name!r} has more than {MAX_MASK_BYTES} bytes", "Upload a smaller one")
            return None if blob is None else blob.data

        pinned = pinned_masks(read, container, mask_pins(self._plan, self._pins, self._manifest))
        return open_masks(self._plan.mask, read=pinned, frame_name=self._manifest.frame_name)

    def _frame_encoder(self) -> Callable[[Picture, Alpha | None], bytes]:
        """Return the function that encodes frames for storage."""
        if not self._plan.options.stores_frames:
            return lambda _picture, _alpha: b""
        if self._manifest.image_format != "png":
            return opaque_jpeg
        scale = self._plan.scale
        return lambda picture, alpha: encode_png(picture, None if alpha is None else enlarge_alpha(alpha, scale))

    def _write_frame(self, index: int, _name: str, data: bytes) -> StoredFile | None:
        return self._store_file(RunPaths(self._task.run_id).painted_frame(self._manifest.painted_name(index)), data)

    def _store_file(self, name: str, data: bytes) -> StoredFile:
        etag = self._task.storage.work.write(name, data)
        return StoredFile(name=name, size=len(data), sha256=sha256_of(data), etag=etag)


class _Timing:
    """Collects the times of all frames: one JSON line per frame, as in the reference architecture, and the sums."""

    def __init__(self, run_id: str, batch: int) -> None:
        self._run_id, self._batch = run_id, batch
        self._lines = io.StringIO()
        self._load_ms = self._infer_ms = self._save_ms = 0.0
        self._steadiness: list[SteadinessSums] = []
        self.on_frame: Callable[[], None] = _ignore

    def add_painted(self, record: FrameRecord[StoredFile | None]) -> None:
        """Add a painted frame."""
        if record.measured is not None:
            self._steadiness.append(record.measured)
        self.add(record, size=None if record.stored is None else record.stored.size)

    def add(self, record: FrameRecord[Any], *, size: int | None) -> None:
        """Add the times of a frame, and its `size` in bytes if it was stored."""
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
        self.on_frame()

    @property
    def steadiness(self) -> SteadinessSums | None:
        """Sums over the measured pairs of frames; None if no pair was measured."""
        if not self._steadiness:
            return None
        rows = [sums.model_dump() for sums in self._steadiness]
        return SteadinessSums(**{field: sum(row[field] for row in rows) for field in rows[0]})

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


def _ignore() -> None:
    """Count no frame: the task has not begun to score."""


def _discard(_index: int, _name: str, _data: bytes) -> StoredFile | None:
    """Store no frame: the run keeps only its video."""
    return None


def _versions() -> dict[str, str]:
    """Return the versions of the installed libraries; the scorer `copy` runs without torch."""
    versions = {"impasto": IMPASTO_VERSION}
    for library in VERSIONED_LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
