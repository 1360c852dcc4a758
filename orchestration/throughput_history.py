"""The throughput of earlier runs on this deployment's pool, so that tasks and forecasts need not guess it.

The handler that ends a run records what its receipts say, in one small document. It is a hint: a lost write, a damaged
document or a wrong throughput changes how many batches share a task and what is forecast, never what is painted. Nodes
can't write it (roles.bicep), but the receipts are theirs, so what they say is bounded.
"""

import logging
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AwareDatetime, Field, ValidationError

from frame_tools.contracts import paths
from frame_tools.contracts.base import Document, StoredDocument
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.options import Options
from frame_tools.contracts.warm_up import warm_up_frames
from frame_tools.contracts.working_size import working_size
from frame_tools.costs.grouping import can_share_a_task
from frame_tools.costs.throughput import Throughput, device_throughput
from frame_tools.storage.blobs import Blob
from frame_tools.storage.ports import BlobContainer
from orchestration.app import App

_log = logging.getLogger(__name__)

MIN_FRAMES: Final = 200
"""A run of fewer frames says more about starts than about throughput."""
MAX_THROUGHPUTS: Final = 64
"""Throughputs that are kept: those that were measured last."""
_TRIES: Final = 3
"""Of writing while other runs end."""
_Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
_Side = Annotated[int, Field(ge=1, le=2**16)]


class WorkKind(Document):
    """What decides how long a frame takes: scorer, pool, smoothing, and the sizes as it is scored and as it is read."""

    scorer: Annotated[str, Field(max_length=100)]
    pool: Annotated[str, Field(max_length=100)]
    is_smoothed: bool
    scored: tuple[_Side, _Side]
    size: tuple[_Side, _Side]

    @classmethod
    def of(cls, options: Options, *, width: int, height: int, pool: str) -> "WorkKind":
        """Return the kind of work of a run with frames of this size."""
        return cls(
            scorer=options.scorer,
            pool=pool,
            is_smoothed=options.smoothing_weight > 0,
            scored=working_size(width, height, options),
            size=(width, height),
        )

    def is_like(self, other: "WorkKind") -> bool:
        """Return whether only the sizes differ, so that one throughput follows from the other by the pixels."""
        sizes = {"scored": self.scored, "size": self.size}
        return other.model_copy(update=sizes) == self


class MeasuredThroughput(Document):
    """What the receipts of one run say, in wall-clock seconds."""

    kind: WorkKind
    seconds_per_frame: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
    start_up_seconds: _Seconds
    """Of a task."""
    expected_seconds_per_frame: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """What the throughput table says of this kind of work; the throughput of other sizes is scaled by it."""
    frames: Annotated[int, Field(ge=1)]
    measured_at: AwareDatetime


class ThroughputHistory(StoredDocument):
    """The throughputs of earlier runs, at most one for each kind of work."""

    document_name: ClassVar = "measured throughputs"
    max_bytes: ClassVar = 2**17
    version: Literal[1] = 1
    throughputs: Annotated[tuple[MeasuredThroughput, ...], Field(max_length=MAX_THROUGHPUTS)] = ()

    def with_throughput(self, throughput: MeasuredThroughput) -> "ThroughputHistory":
        """Return the throughputs with this one in place of an older one of its kind.

        A late message lets a run that has ended be cleaned up again: it must not take the place of a newer one.
        """
        others = [each for each in self.throughputs if each.kind != throughput.kind]
        same = [throughput, *(each for each in self.throughputs if each.kind == throughput.kind)]
        latest = max(same, key=lambda each: each.measured_at)
        newest = sorted([*others, latest], key=lambda each: each.measured_at, reverse=True)
        return self.model_copy(update={"throughputs": tuple(newest[:MAX_THROUGHPUTS])})

    def find(self, kind: WorkKind) -> MeasuredThroughput | None:
        """Return the throughput of this kind of work, or else the newest one that differs in its sizes only."""
        similar = [throughput for throughput in self.throughputs if throughput.kind.is_like(kind)]
        exact = [throughput for throughput in similar if throughput.kind == kind]
        return max(exact or similar, key=lambda throughput: throughput.measured_at, default=None)


def measured_throughput(app: App, options: Options, *, width: int, height: int) -> Throughput | None:
    """Return the throughput of frames of this size on the pool as it was measured, None if it was not.

    Costs one request, none for scorers whose throughput depends on their program.
    """
    if not can_share_a_task(options):
        return None
    history = _load(app.storage.runs.read(paths.throughput_history(), limit=ThroughputHistory.max_bytes))
    throughput = history.find(WorkKind.of(options, width=width, height=height, pool=app.settings.batch_pool_id))
    if throughput is None:
        return None
    expected = device_throughput(device_of(app), width=width, height=height, options=options)
    size = "{}x{}".format(*throughput.kind.size)
    scale = expected.seconds_per_frame / throughput.expected_seconds_per_frame
    return Throughput(
        seconds_per_frame=throughput.seconds_per_frame * scale,
        start_up_seconds=throughput.start_up_seconds,
        source=f"measured on this pool with {throughput.frames} frames of {size}, {throughput.measured_at.date()}",
        is_measured=True,
    )


def device_of(app: App) -> str:
    """Return the kind of device of the pool's nodes, a key of SPEEDS."""
    return "cpu" if app.settings.batch_is_local else "gpu"


def record_throughput(app: App, report: Mapping[str, Any]) -> None:
    """Record the throughput of a finished run from its report; that of a short one is left out. Idempotent."""
    throughput = _throughput_of(app, report)
    if throughput is not None and not any(_is_recorded(app.storage.runs, throughput) for _ in range(_TRIES)):
        _log.info("the throughput of the run %s is not kept: other runs ended at the same time", report.get("run_id"))


def _is_recorded(runs: BlobContainer, throughput: MeasuredThroughput) -> bool:
    """Try to record a throughput; return whether it is recorded."""
    name = paths.throughput_history()
    blob = runs.read(name, limit=ThroughputHistory.max_bytes)
    data = _load(blob).with_throughput(throughput).dumps()
    if blob is None:
        return runs.create(name, data)
    return blob.data == data or runs.replace(name, data, etag=blob.etag) is not None


def _throughput_of(app: App, report: Mapping[str, Any]) -> MeasuredThroughput | None:
    """Return what a report says of the throughput; None if it says too little, or what no run can take."""
    try:
        scoring, clip = report["scoring"], report["clip"]
        options = Options.model_validate(report["plan"]["options"])
        frames, tasks = scoring["frames"], scoring["tasks"]
        if report["status"] != "finished" or frames < MIN_FRAMES or not can_share_a_task(options) or options.tune:
            return None  # the start of a task that tunes a style, or waits for that, is not that of later ones
        size = {"width": clip["width"], "height": clip["height"]}
        # The first task of a run has no frames before its first one.
        scored = frames + (tasks - 1) * warm_up_frames(options.smoothing_weight)
        return MeasuredThroughput(
            kind=WorkKind.of(options, **size, pool=app.settings.batch_pool_id),
            seconds_per_frame=(scoring["task_seconds"] - scoring["start_up_seconds"]) / scored,
            start_up_seconds=scoring["start_up_seconds"] / tasks,
            expected_seconds_per_frame=device_throughput(device_of(app), **size, options=options).seconds_per_frame,
            frames=frames,
            measured_at=report["ended_at"],
        )
    except (KeyError, ValidationError) as error:
        _log.info("the report of %s has no throughput: %s", report.get("run_id"), error)
        return None


def _load(blob: Blob | None) -> ThroughputHistory:
    """Return the document; an empty one if there is none, or if it is damaged or another version's."""
    try:
        return ThroughputHistory.load_stored(blob.data) if blob is not None else ThroughputHistory()
    except (DamagedError, VersionSkewError):
        return ThroughputHistory()
