"""Proof of work: what a task leaves when it is done, when it failed for good, and how a run ended."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from frame_tools.contracts.base import Document, StoredDocument
from frame_tools.contracts.choices import BadFrameAction, RunOutcome
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.plan import Sha256


class StoredFile(Document):
    """A blob of `work` that must still be what it was when the task wrote it."""

    name: str
    size: Annotated[int, Field(ge=0)]
    sha256: Sha256
    etag: str
    """Of the write; an unchanged ETag spares reading the bytes again."""


class TaskTimes(Document):
    """Where a task's time went, in seconds of wall clock; load, infer and save overlap each other."""

    start_up: float
    """From the process's start to the first frame asked for: imports, weights, style."""
    load: float
    infer: float
    save: float
    total: float


class SteadinessSums(Document):
    """How steady a batch is, as sums over `pairs` of neighbouring frames, beside the same sums of its input."""

    pairs: Annotated[int, Field(ge=0)]
    warp_error: float
    """Mean square difference to the frame before, moved along with the input's flow, where nothing is hidden."""
    warp_error_input: float
    difference: float
    """Mean difference to the frame before as it is."""
    difference_input: float
    sharpness: float
    """Variance of the Laplacian of the later frame."""
    sharpness_input: float


class BadFrame(Document):
    """A frame that came out black, flat or as no numbers: `what` it was, and what was `done` about it."""

    index: int
    name: str
    what: str
    done: BadFrameAction
    """`retried`: computed again in full precision, and then it was good."""


class Receipt(StoredDocument):
    """What a task leaves as proof for its batch: written once, after everything it names."""

    document_name: ClassVar = "receipt"
    version: Literal[2, 3] = 3
    run_id: str
    batch: int
    start: int
    end: int
    plan_sha256: Sha256
    frames: tuple[StoredFile, ...] = ()
    """Styled frames, with a segment only."""
    segment: StoredFile | None = None
    records: StoredFile | None = None
    """JSON lines, one a frame, of a scorer that makes records: in place of frames and segment."""
    log: str
    task_id: str
    device: str
    dedicated: bool | None = None
    """Whether the node was a dedicated one, else Spot; None if Batch did not say."""
    times: TaskTimes
    steadiness: SteadinessSums | None = None
    bad_frames: tuple[BadFrame, ...] = ()
    versions: Annotated[dict[str, str], Field(default_factory=dict)]
    """Of the libraries that the task computed with."""
    finished_at: str

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.segment is None) == (self.records is None):
            raise ValueError("a receipt names either a segment or records")
        if self.records is not None and self.frames:
            raise ValueError("a batch of records has no styled frames")
        return self

    @property
    def product(self) -> StoredFile:
        """The batch's part of what the run makes: its segment, or its records."""
        part = self.segment or self.records
        assert part is not None  # noqa: S101 - checked when it was read
        return part


class SplitReceipt(StoredDocument):
    """What the task `split` leaves: the manifest's hash, and where frames and sound are."""

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
    """What a task said of an error that is tried again; a later one of the same step takes its place.

    It becomes the step's failure if the step's last task ended just so; a person's resubmission removes it.
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
    """That the process was about to end with."""
    happened_at: str

    def tells_of(self, *, task_id: str, exit_code: int | None) -> bool:
        """Whether a task that ended with this code ended of this; one that was killed later ends with another."""
        return (self.task_id, self.exit_code) == (task_id, exit_code)


class Outcome(StoredDocument):
    """How a run ended. Written once; a resubmission of a failed run deletes it, and the run continues.

    `code` and `next_step` belong to failed and refused runs. Version 1 had neither.
    """

    document_name: ClassVar = "outcome"
    version: Literal[1, 2] = 2
    run_id: str
    status: RunOutcome
    reason: str
    remedy: str = ""
    code: ErrorCode | None = None
    next_step: NextStep | None = None
    name: str
    ended_at: str
    video: str | None = None
    """Blob in `output`, when a run that makes pictures finished."""
    records: str | None = None
    """Blob in `output`, when a run that makes records finished."""
