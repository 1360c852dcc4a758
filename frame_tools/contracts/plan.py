"""The request as it was accepted, and the plan made of it: what will be done, written once per run, never changed."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import isclose
from pathlib import PurePath
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from frame_tools.contracts.base import Document, StoredDocument
from frame_tools.contracts.choices import InputContainer, Makes, ProgramKind, StyleKind, VideoContainer
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.trigger import Trigger

MAX_SAMPLE: Final = 8
"""Frames that shared statistics are taken of."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Request(StoredDocument):
    """A trigger file that was accepted: the first durable fact of a run."""

    document_name: ClassVar = "request"
    version: Literal[1, 2] = 2
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
    """The run whose batches are kept, but for those in `redo`; or, without `redo`, whose input is painted otherwise."""
    redo: tuple[int, ...] = ()


class BlobRef(Document):
    """A blob of the data account; `name` may be a prefix that ends with "/"."""

    container: InputContainer
    name: str


class PlannedStyle(Document):
    """A style file as the person called it, and the run's own copy of it; a painting has a size in pixels."""

    name: str
    blob: BlobRef
    sha256: Sha256
    kind: StyleKind
    width: int | None = None
    height: int | None = None


class PlannedKeyframe(Document):
    """At `at` seconds from the first frame the styles count with `weights`, one for each style, sum 1."""

    at: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    weights: Annotated[tuple[float, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if any(weight < 0 for weight in self.weights) or not isclose(sum(self.weights), 1, abs_tol=1e-6):
            raise ValueError("weights must be shares that sum up to 1")
        return self


MASK_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""File name suffixes of mask images, in lower case; names may also use upper case."""


class PlannedMask(Document):
    """Masks of a run: a folder of images that are named as the frames and share one suffix, or a video."""

    blob: BlobRef
    kind: Literal["folder", "video"]
    suffix: str | None = None
    """Suffix of every image in a folder, with its dot: the mask of the frame 000001.jpg is 000001 + suffix."""

    @model_validator(mode="after")
    def _suffix_fits(self) -> Self:
        if (self.kind == "folder") != (self.suffix is not None):
            raise ValueError("a folder of masks needs a suffix, a video has none")
        return self

    def blob_for(self, frame_name: str) -> str:
        """Return the blob with the mask of a frame, in a folder of masks."""
        return f"{self.blob.name}{PurePath(frame_name).stem}{self.suffix}"


class PlannedProgram(Document):
    """A program of the operator's list: `file` in the container `scripts`, which must have this hash."""

    name: str
    file: str
    sha256: Sha256
    kind: ProgramKind


class Plan(StoredDocument):
    """What will be done for a run.

    `borders` are frame indices: batch i is [borders[i], borders[i+1]). The manifest's bytes are fixed by hash;
    `frames` is the prefix of the input frames, `audio` the file that splitting copied the sound into. `key_styles`
    rise in time; a style that does not change is one key at 0. `sample` are indices of frames spread over the run.
    """

    document_name: ClassVar = "plan"
    version: Literal[2, 3] = 3
    run_id: str
    name: str
    correlation_id: str
    options: Options
    makes: Makes = "pictures"
    """What a task leaves of its frames: pictures and a segment of the video, or one record each."""
    borders: Annotated[tuple[int, ...], Field(min_length=2)]
    manifest_sha256: Sha256
    frames: BlobRef
    audio: BlobRef | None = None
    styles: tuple[PlannedStyle, ...] = ()
    key_styles: tuple[PlannedKeyframe, ...] = ()
    mask: PlannedMask | None = None
    program: PlannedProgram | None = None
    sample: tuple[int, ...] = ()
    weights_sha256: Sha256 | None = None
    container: VideoContainer
    node_image: str = ""
    """Container image of all tasks of the run, successors included; empty in plans of version 2: the app's setting."""
    versions: Annotated[dict[str, str], Field(default_factory=dict)]
    """Of what made the plan; tasks tell theirs in their receipts."""
    parent: str | None = None
    """The run that this one redoes in part; its receipts and files stand for the batches that are kept."""
    redo: tuple[int, ...] = ()
    """With a parent: the batches that are scored again."""

    @model_validator(mode="after")
    def _borders_rise(self) -> Self:
        if self.borders[0] != 0 or any(b <= a for a, b in pairwise(self.borders)):
            raise ValueError("borders must start at 0 and rise")
        return self

    @model_validator(mode="after")
    def _styles_fit(self) -> Self:
        if bool(self.styles) != bool(self.key_styles):
            raise ValueError("styles and key_styles go together")
        if any(len(key.weights) != len(self.styles) for key in self.key_styles):
            raise ValueError("each of key_styles needs one weight for each style")
        if any(after.at <= before.at for before, after in pairwise(self.key_styles)):
            raise ValueError("key_styles must rise in time")
        return self

    @model_validator(mode="after")
    def _sample_fits(self) -> Self:
        if any(not 0 <= index < self.frame_count for index in self.sample):
            raise ValueError("sample names a frame that is not there")
        return self

    @property
    def product(self) -> str:
        """The blob in `output` that the run is for: its video, or its records."""
        return RunPaths(self.run_id).records if self.makes == "records" else RunPaths(self.run_id).video(self.container)

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


def spread_sample(frame_count: int, count: int = MAX_SAMPLE) -> tuple[int, ...]:
    """Return up to `count` different frame indices in [0, frame_count), evenly spread: the middles of equal parts."""
    taken = min(count, frame_count)
    return tuple((2 * i + 1) * frame_count // (2 * taken) for i in range(taken))


def even_borders(frame_count: int, frames_per_batch: int) -> tuple[int, ...]:
    """Borders that cover [0, frame_count) with as few batches of at most `frames_per_batch` as possible, evenly.

    Even batches end at about the same time; a last batch of one frame would pay a whole start-up for itself.
    """
    count = -(-frame_count // frames_per_batch)
    return tuple(frame_count * i // count for i in range(count + 1))


def borders_near_cuts(frame_count: int, frames_per_batch: int, cuts: Sequence[int]) -> tuple[int, ...]:
    """Even borders, each moved to the nearest scene cut (index of a scene's first frame) up to a quarter batch away.

    Where a batch begins with a scene, nothing has to be scored before it for the sake of steadiness. No batch becomes
    longer than one and a quarter of the longest even one; a border that would make one stays where it is.
    """
    borders = list(even_borders(frame_count, frames_per_batch))
    count = len(borders) - 1
    reach = frame_count // (4 * count)
    longest = -(-frame_count // count) + reach
    ordered = sorted(cuts)
    for i in range(1, count):
        moved = _nearest(ordered, borders[i], reach)
        if moved - borders[i - 1] <= longest:
            borders[i] = moved
    return tuple(borders)


def _nearest(cuts: Sequence[int], border: int, reach: int) -> int:
    """Return the cut nearest to `border` within `reach` (of two as near, the earlier), or the border itself."""
    around = cuts[bisect_left(cuts, border - reach) : bisect_right(cuts, border + reach)]
    return min(around, key=lambda cut: abs(cut - border), default=border)
