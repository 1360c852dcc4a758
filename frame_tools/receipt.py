"""Proof of work: what a task leaves when it is done, when it failed for good, and how a run ended."""

from typing import Annotated, Literal

from pydantic import Field

from frame_tools.documents import Document
from frame_tools.plan import Sha256


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


class Receipt(Document):
    """What a task leaves as proof for its batch: written once, after everything it names."""

    version: Literal[1] = 1
    run_id: str
    batch: int
    start: int
    end: int
    plan_sha256: Sha256
    frames: tuple[StoredFile, ...]
    segment: StoredFile
    log: str
    task_id: str
    device: str
    dedicated: bool | None = None
    """Whether the node was a dedicated one, else Spot; None if Batch did not say."""
    times: TaskTimes
    finished_at: str


class SplitReceipt(Document):
    """What the task `split` leaves: the manifest's hash, and where frames and sound are."""

    version: Literal[1] = 1
    run_id: str
    manifest_sha256: Sha256
    frame_count: int
    task_id: str
    finished_at: str


class Failure(Document):
    """Why a step failed for good; a person's resubmission removes it."""

    version: Literal[1] = 1
    run_id: str
    step: str
    reason: str
    remedy: str
    task_id: str | None = None
    failed_at: str


class Outcome(Document):
    """How a run ended; written once. A resubmission of a failed run removes it and the run goes on."""

    version: Literal[1] = 1
    run_id: str
    status: Literal["finished", "failed", "refused", "cancelled"]
    reason: str
    remedy: str = ""
    name: str
    ended_at: str
    video: str | None = None
    """Blob in `output`, when finished."""
