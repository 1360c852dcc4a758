"""What tasks leave behind: receipts of finished work, permanent failures and retryable errors; and how a run ended."""

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from frame_tools.contracts.base import Document, StoredDocument
from frame_tools.contracts.choices import BadFrameAction, RunOutcome
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.media_values import MAX_FRAMES
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Sha256
from frame_tools.contracts.progress import MAX_TASK_SECONDS

_MAX_SUM: Final = 1e15
_MAX_FILE_BYTES: Final = 2**48
# Reports compute with what nodes write: a number without a bound would overflow there, and the run could not end.
_FrameNumber = Annotated[int, Field(ge=0, le=MAX_FRAMES)]
_Seconds = Annotated[float, Field(ge=-MAX_TASK_SECONDS, le=MAX_TASK_SECONDS)]
_Sum = Annotated[float, Field(ge=-_MAX_SUM, le=_MAX_SUM)]


class StoredFile(Document):
    """A blob in `work` that must not change after the task wrote it."""

    name: str
    size: Annotated[int, Field(ge=0, le=_MAX_FILE_BYTES)]
    sha256: Sha256
    etag: str
    """ETag of the write; an unchanged ETag makes reading the bytes again unnecessary."""


class TaskTimes(Document):
    """How a task spent its time on a batch, in seconds of wall clock; load, infer and save overlap."""

    start_up: _Seconds
    """From the start of the process to the first requested frame: imports, weights, style. 0 for later batches."""
    load: _Seconds
    infer: _Seconds
    save: _Seconds
    total: _Seconds
    """From the start of the process, or from the task's previous receipt, to this one."""


class SteadinessSums(Document):
    """Temporal consistency of a batch: sums over `pairs` of adjacent frames, of the output and of its input."""

    pairs: _FrameNumber
    warp_error: _Sum
    """Mean squared difference to the previous frame warped by the input's optical flow, occluded areas excluded."""
    warp_error_input: _Sum
    difference: _Sum
    """Mean difference to the previous frame."""
    difference_input: _Sum
    sharpness: _Sum
    """Variance of the Laplacian of the later frame."""
    sharpness_input: _Sum


class BadFrame(Document):
    """A frame that came out black, blank or non-finite: `what` was wrong, and what was `done` about it."""

    index: int
    name: str
    what: str
    done: BadFrameAction
    """`retried`: scoring it again in full precision succeeded."""


class Receipt(StoredDocument):
    """Proof that a batch is scored: written once, after all files that it names."""

    document_name: ClassVar = "receipt"
    version: Literal[2, 3, 4] = 4
    run_id: str
    batch: int
    start: _FrameNumber
    end: _FrameNumber
    plan_sha256: Sha256
    frames: tuple[StoredFile, ...] = ()
    """Painted frames; only with a segment."""
    segment: StoredFile | None = None
    records: StoredFile | None = None
    """JSON lines, one per frame, of a scorer that makes records; instead of frames and segment."""
    smoothing: StoredFile | None = None
    """State of the temporal smoothing at the batch's end, if the same task's next batch continues from it."""
    log: str
    task_id: str
    device: str
    dedicated: bool | None = None
    """Whether the node was dedicated (True) or Spot (False); None if Batch does not report it."""
    times: TaskTimes
    steadiness: SteadinessSums | None = None
    contrast: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Share of full contrast that the option `calm` left the frames: about 1 for ordinary clips; None without it."""
    bad_frames: tuple[BadFrame, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the libraries that the task used, by name."""
    finished_at: str

    @model_validator(mode="after")
    def _check_part(self) -> Self:
        if (self.segment is None) == (self.records is None):
            raise ValueError("a receipt names either a segment or records")
        if self.records is not None and self.frames:
            raise ValueError("a receipt with records has no painted frames")
        return self

    @property
    def part(self) -> StoredFile:
        """The batch's part of the run's output: its segment or its records."""
        part = self.segment or self.records
        assert part is not None  # noqa: S101 - validated
        return part


def receipt_mismatch(receipt: Receipt, *, sha256: str, batch: int, plan: Plan, plan_sha256: str) -> str | None:
    """Say why a receipt, whose bytes have this SHA-256, does not prove a batch of the plan; None if it does.

    A kept batch has the receipt of an earlier run, or of an earlier form of the plan, which the plan pins; plans before
    version 4 pin none.
    """
    is_kept = plan.parent is not None and batch not in plan.redo and receipt.run_id != plan.run_id
    pinned = plan.kept_receipts.get(batch)
    if is_kept and pinned != sha256 and plan.kept_receipts:
        return "it is not the receipt that was kept"
    is_of_this_plan = receipt.run_id == plan.run_id and (receipt.plan_sha256 == plan_sha256 or pinned == sha256)
    if not is_kept and not is_of_this_plan:
        return "it belongs to another run or plan"
    if (receipt.batch, receipt.start, receipt.end) != (batch, *plan.span(batch)):
        return f"it is about frames {receipt.start} to {receipt.end - 1} of batch {receipt.batch}"
    return _file_mismatch(receipt)


def _file_mismatch(receipt: Receipt) -> str | None:
    """Say which file of a receipt is not one of its batch; None if all are."""
    run = RunPaths(receipt.run_id)
    expected = run.segment(receipt.batch) if receipt.segment else run.records_part(receipt.batch)
    if receipt.part.name != expected:
        return f"it names {receipt.part.name[:100]!r}"
    names = {frame.name for frame in receipt.frames}
    if names and len(names) != receipt.end - receipt.start:
        return f"it names {len(names)} frames"
    if receipt.smoothing is not None and receipt.smoothing.name != run.smoothing_state(receipt.batch):
        return f"it names {receipt.smoothing.name[:100]!r}"
    if others := [name for name in names if not name.startswith(run.painted_frame(""))]:
        return f"it names {min(others)[:100]!r}"
    return None


class SplitReceipt(StoredDocument):
    """Proof that the video is split: the manifest's hash and the number of frames."""

    document_name: ClassVar = "split receipt"
    version: Literal[1, 2] = 2
    run_id: str
    manifest_sha256: Sha256
    frame_count: int
    task_id: str
    finished_at: str


class Failure(StoredDocument):
    """Why a step failed permanently. A resubmission deletes it.

    Version 1 had no `code` and no `next_step`.
    """

    document_name: ClassVar = "failure record"
    version: Literal[1, 2] = 2
    run_id: str
    step: str
    reason: str
    remedy: str
    code: ErrorCode | None = None
    next_step: NextStep | None = None
    task_id: str | None = None
    failed_at: str


class TaskError(StoredDocument):
    """The last retryable error of a step's task; a later error of the same step replaces it.

    It becomes the step's failure if the step's last task ended with it. A resubmission deletes it.
    Version 1 had no `code` and no `next_step`.
    """

    document_name: ClassVar = "task error"
    version: Literal[1, 2] = 2
    run_id: str
    step: str
    reason: str
    remedy: str
    code: ErrorCode | None = None
    next_step: NextStep | None = None
    task_id: str
    exit_code: int
    """Exit code with which the process was about to end."""
    happened_at: str

    @property
    def is_passing(self) -> bool:
        """Whether the cause passes by itself: a service that is away, or an upgrade that is in progress."""
        passes = self.next_step in (NextStep.RETRY_LATER, NextStep.ASK_OPERATOR)
        return passes and self.code in (ErrorCode.TEMPORARY_FAILURE, ErrorCode.VERSION_SKEW)

    def explains(self, *, task_id: str, exit_code: int | None) -> bool:
        """Return whether this error ended the task; a task that was killed afterwards has another exit code."""
        return (self.task_id, self.exit_code) == (task_id, exit_code)


class ProductRecord(StoredDocument):
    """What the join committed to `output`: a blob with another ETag there is not the run's video or records."""

    document_name: ClassVar = "product record"
    version: Literal[1] = 1
    run_id: str
    blob: str
    size: Annotated[int, Field(ge=0)]
    etag: str
    sha256: Sha256
    """SHA-256 of the SHA-256 of each block, in order."""


class Outcome(StoredDocument):
    """How a run ended. Written once; a resubmission of a failed run deletes it, and the run continues.

    `code` and `next_step` belong to failed and refused runs. Version 1 had neither. `product_etag` belongs to finished
    runs; versions 1 and 2 had none.
    """

    document_name: ClassVar = "outcome"
    version: Literal[1, 2, 3] = 3
    run_id: str
    status: RunOutcome
    reason: str
    remedy: str = ""
    code: ErrorCode | None = None
    next_step: NextStep | None = None
    name: str
    ended_at: str
    video: str | None = None
    """Blob in `output`, if a run that makes pictures finished."""
    records: str | None = None
    """Blob in `output`, if a run that makes records finished."""
    product_etag: str | None = None
    """ETag of the video or the records, as the join committed them."""
