"""The request as it was accepted, and the plan made of it: what will be done, written once per run, never changed."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from frame_tools.documents import Document
from frame_tools.trigger import Options, Trigger

Container = Literal["input", "work"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Request(Document):
    """A trigger file that was accepted: the first durable fact of a run."""

    version: Literal[1] = 1
    run_id: str
    name: str
    trigger_blob: str
    trigger_etag: str
    trigger: Trigger
    folder: str
    """Folder of `input` with the person's files."""
    received_at: str
    """UTC, ISO 8601; decides the order in which waiting runs are admitted."""
    correlation_id: str
    """One id from trigger to video, in every log line and task of the run."""
    parent: str | None = None
    """The run whose batches are kept, but for those in `redo`."""
    redo: tuple[int, ...] = ()


class BlobRef(Document):
    """A blob of the data account; `name` may be a prefix that ends with "/"."""

    container: Container
    name: str


class Style(Document):
    """The run's own copy of the painting."""

    blob: BlobRef
    sha256: Sha256
    width: int
    height: int


class Plan(Document):
    """What will be done for a run.

    `borders` are frame indices: batch i is [borders[i], borders[i+1]). The manifest's bytes are fixed by hash;
    `frames` is the prefix of the input frames, `audio` the file that splitting copied the sound into.
    """

    version: Literal[1] = 1
    run_id: str
    name: str
    correlation_id: str
    options: Options
    borders: Annotated[tuple[int, ...], Field(min_length=2)]
    manifest_sha256: Sha256
    frames: BlobRef
    audio: BlobRef | None = None
    style: Style | None = None
    weights_sha256: Sha256 | None = None
    container: Literal["mp4", "mkv"]
    parent: str | None = None
    """The run that this one redoes in part; its receipts and files stand for the batches that are kept."""
    redo: tuple[int, ...] = ()
    """With a parent: the batches that are scored again."""

    @model_validator(mode="after")
    def _borders_rise(self) -> Self:
        if self.borders[0] != 0 or any(b <= a for a, b in pairwise(self.borders)):
            raise ValueError("borders must start at 0 and rise")
        return self

    @property
    def batch_count(self) -> int:
        """How many batches there are."""
        return len(self.borders) - 1

    @property
    def scored(self) -> tuple[int, ...]:
        """The batches that this run scores: all, or those that it redoes."""
        return tuple(range(self.batch_count)) if self.parent is None else self.redo

    @property
    def frame_count(self) -> int:
        """How many frames there are."""
        return self.borders[-1]

    def span(self, batch: int) -> tuple[int, int]:
        """Frames [start, end) of a batch."""
        if not 0 <= batch < self.batch_count:
            raise IndexError(f"batch {batch} of {self.batch_count}")
        return self.borders[batch], self.borders[batch + 1]


def even_borders(frame_count: int, frames_per_batch: int) -> tuple[int, ...]:
    """Borders that cover [0, frame_count) with as few batches of at most `frames_per_batch` as possible, evenly.

    Even batches end at about the same time; a last batch of one frame would pay a whole start-up for itself.
    """
    count = -(-frame_count // frames_per_batch)
    return tuple(frame_count * i // count for i in range(count + 1))
