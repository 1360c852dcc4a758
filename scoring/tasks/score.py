"""The task `score`: scores neighboring batches of frames, from blobs to blobs, and writes a receipt for each."""

import io
import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, cast

from frame_tools.cli.errors import to_impasto_error
from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, InputError, InternalError, NextStep, TemporaryError
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import WORK, RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.recorded_hashes import load_plan
from scoring.image_codec import encode_png
from scoring.pipeline.frame_reader import PictureSource, frame_position
from scoring.pipeline.frame_source import FrameError
from scoring.pipeline.masks import Masks, open_masks
from scoring.pipeline.pinned_inputs import mask_pins, open_pins, pinned_masks
from scoring.pipeline.pipeline import describe_frames, score_frames
from scoring.pipeline.stages import Borders, first_needed, input_stages, picture_stages
from scoring.pipeline.types import FrameRecord, Outputs, SourceFrame, opaque_jpeg
from scoring.postprocess.resize import enlarge_alpha
from scoring.scorers.registry import ScorerResources, load_scorer
from scoring.tasks.base import Task
from scoring.tasks.batch_output import PaintedBatches, ReceiptWriter, RunContext
from scoring.tasks.batches import ScoreBatches
from scoring.tasks.frames import open_source
from scoring.tasks.inputs import prepare_once, run_inputs
from scoring.tasks.pairs import write_style_picture
from scoring.tasks.progress import ProgressWriter
from scoring.tasks.smoothing_states import Start, find_start
from scoring.tasks.timing import Timing
from scoring.tasks.tuning import tuned_styles
from scoring.types import CONTRAST, Alpha, Describe, Picture, Prepared, Record, RunInputs, Score, Scorer

_log = logging.getLogger(__name__)

MAX_MASK_BYTES: Final = 2**30
"""Maximum size of a mask's image or video, which is held in memory."""


@contextmanager
def open_scoring(task: Task, *, weights: Path, started: float) -> Iterator[ScoreBatches]:
    """Load the plan's scorer; yield the function that scores batches of the run with it.

    `started` is the start time of the process, on the clock of time.monotonic(). Opening raises DamagedError if the
    plan's files have changed, the function InputError for frames that cannot be used.
    """
    plan, plan_sha256 = load_plan(task.storage, task.run_id)
    with tempfile.TemporaryDirectory(prefix="impasto-") as scratch, ProgressWriter(task, "loading") as progress:
        resources = ScorerResources(weights=weights, storage=task.storage, scratch=Path(scratch))
        with ThreadPoolExecutor(1, "inputs") as pool:
            reading = pool.submit(_read_inputs, task, plan)
            scorer = load_scorer(plan, resources)  # in the main thread: programs of operators may need it
            manifest, pins, source = reading.result()
        if scorer.makes != plan.makes:
            raise InternalError(
                f"The scorer makes {scorer.makes}, but the plan expects {plan.makes}",
                "Upload the trigger file again to start a new run",
                next_step=NextStep.START_NEW_RUN,
            )
        inputs = run_inputs(task, plan, manifest, source)
        progress.enter("measuring")
        with _blaming_the_split(plan):
            prepared = prepare_once(task, scorer, inputs, tuned=partial(tuned_styles, task, plan, weights))
        run = RunContext(
            task=task,
            plan=plan,
            plan_sha256=plan_sha256,
            manifest=manifest,
            frames=source,
            device=scorer.device,
            contrast=float(prepared[CONTRAST].min()) if CONTRAST in prepared else None,
        )
        progress.enter("working")
        with ReceiptWriter(run, started=started) as receipts:
            scoring = _Scoring(run, scorer, inputs, prepared, pins, progress, receipts)
            yield scoring.score


def _read_inputs(task: Task, plan: Plan) -> tuple[Manifest, InputPins | None, PictureSource]:
    """Read what the plan refers to: the manifest, the pins of the input, and where its frames are."""
    manifest = read_manifest(task, plan)
    pins = open_pins(task.storage, plan)
    return manifest, pins, open_source(task, plan, manifest, pins)


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


class _Scoring:
    """Scores batches of a run with a loaded scorer."""

    def __init__(
        self,
        run: RunContext,
        scorer: Scorer,
        inputs: RunInputs,
        prepared: Prepared,
        pins: InputPins | None,
        progress: ProgressWriter,
        receipts: ReceiptWriter,
    ) -> None:
        self._run, self._scorer, self._inputs, self._prepared, self._pins = run, scorer, inputs, prepared, pins
        self._task, self._plan, self._manifest = run.task, run.plan, run.manifest
        self._progress, self._receipts = progress, receipts

    def score(self, batches: Sequence[int]) -> None:
        """Score consecutive batches of one task."""
        if batches[0] == 0:
            write_style_picture(self._task.storage, self._plan, self._inputs.styles)
        try:
            with _blaming_the_split(self._plan):
                if self._plan.makes == "records":
                    for batch in batches:
                        self._describe(batch)
                else:
                    self._paint(batches)
            self._receipts.wait()
        except Exception:  # whatever ended the pass, batches that are painted must still get their receipts
            self._receipts.abandon()
            raise

    def _open(self) -> Score | Describe:
        opened = self._scorer.open(self._inputs, self._prepared)
        self._receipts.scorer_is_ready()
        return opened

    def _paint(self, batches: Sequence[int]) -> None:
        """Paint consecutive batches; without warm-up frames if those are of a failed batch and cannot be scored."""
        start = find_start(self._task.storage, self._plan, batches[0])
        outputs = PaintedBatches(self._run, batches, self._progress, self._receipts)
        try:
            self._paint_from(start, batches, outputs)
        except Exception as error:  # a defect met by a failed batch's frames, too, must not stop the batches behind it
            passes = isinstance(to_impasto_error(error), TemporaryError)
            if passes or not start.follows_failure or outputs.has_completed_any:
                raise
            _log.warning("The batch %d begins without warm-up frames: %s", start.batch, error)
            outputs = PaintedBatches(self._run, batches, self._progress, self._receipts)
            self._paint_from(start, batches, outputs, warms_up=False)

    def _paint_from(
        self, start: Start, batches: Sequence[int], outputs: PaintedBatches, *, warms_up: bool = True
    ) -> None:
        """Paint consecutive batches in one pass through the pipeline, so that the scorer never waits at a border."""
        score = cast("Score", self._open())
        stages = picture_stages(self._plan, self._manifest, score, self._masks(), self._borders(start, outputs))
        outputs.bad_frames = stages.bad_frames
        score_frames(
            self._painted_frames(start, batches, warms_up=warms_up),
            stages.score,
            Outputs(
                sink=outputs.write_frame,
                encode=self._frame_encoder(),
                segment=outputs.add_to_segment,
                on_frame=outputs.on_frame,
            ),
            stages=stages.stages,
            frames_per_forward=self._scorer.frames_per_forward,
            in_order=self._scorer.in_order,
            scale=self._plan.scale,
        )

    def _borders(self, start: Start, outputs: PaintedBatches) -> Borders:
        """Return the ends of batches behind which the same task continues, from `start` on."""
        task = self._plan.task_of(start.batch)
        return Borders(
            ends={self._plan.span(batch)[1] - 1: batch for batch in range(task.first, task.last)},
            resume_at=None if start.state is None else self._plan.span(start.batch)[0] - 1,
            state=start.state,
            on_end=outputs.on_end,
        )

    def _painted_frames(self, start: Start, batches: Sequence[int], *, warms_up: bool) -> Iterator[SourceFrame]:
        """Yield the frames to score: those of the batches, and before them those that smoothing needs.

        Frames of different batches, and those before the first one, are of different parts.
        """
        first = self._plan.span(start.batch)[0]
        needed = first_needed(self._plan, self._manifest, first) if start.state is None else first - 1
        if warms_up:
            yield from self._frames(range(needed, first), part=-1, delivered=False)
        for batch in range(start.batch, batches[-1] + 1):
            yield from self._frames(range(*self._plan.span(batch)), part=batch, delivered=batch >= batches[0])

    def _frames(self, indices: range, *, part: int, delivered: bool) -> Iterator[SourceFrame]:
        for index in indices:
            name = self._manifest.frame_name(index)
            yield SourceFrame(
                position=frame_position(self._manifest, index),
                name=name,
                fetch=lambda name=name: self._run.frames.read(name),  # type: ignore[misc]
                delivered=delivered,
                part=part,
            )

    def _describe(self, batch: int) -> None:
        """Describe the frames of a batch and write its records and its receipt."""
        describe = cast("Describe", self._open())
        start, end = self._plan.span(batch)
        lines, timing = io.BytesIO(), Timing(self._task.run_id, batch, start=start)
        self._progress.begin(ids.step_name(batch))

        def add_record(record: FrameRecord[Record]) -> None:
            lines.write(json.dumps(record.stored, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            timing.add(record, size=None)
            self._progress.add_frame()

        first = first_needed(self._plan, self._manifest, start)
        frames = [*self._frames(range(first, start), part=0, delivered=False)]
        describe_frames(
            [*frames, *self._frames(range(start, end), part=0, delivered=True)],
            describe,
            add_record,
            stages=input_stages(self._plan, self._manifest),
            frames_per_forward=self._scorer.frames_per_forward,
            in_order=self._scorer.in_order,
        )
        name = RunPaths(self._task.run_id).records_part(batch)
        self._receipts.add(batch, timing, lambda: {"records": self._run.store_file(name, lines.getvalue())})

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
