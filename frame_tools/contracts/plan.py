"""The accepted request, and the plan: what the run will do, written once per run and never changed."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from math import isclose
from pathlib import PurePath
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from frame_tools.contracts.base import Document, StoredDocument
from frame_tools.contracts.choices import (
    FrameOrigin,
    InputContainer,
    Makes,
    Precision,
    ProgramKind,
    StyleKind,
    VideoContainer,
)
from frame_tools.contracts.ids import BatchRange, Work
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.trigger import Trigger
from frame_tools.contracts.trigger_values import FileName

MAX_SCALE: Final = 4
"""Largest factor by which a program may enlarge frames."""
MAX_FRAMES_PER_CALL: Final = 64
"""Most frames in one call of a program."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Request(StoredDocument):
    """An accepted trigger file: the first document of a run.

    Before version 3, frames were scored at the video's own size unless an option said otherwise; before version 4, the
    option `calm` did not exist, and before version 5 `tune` did not.
    """

    document_name: ClassVar = "request"
    version: Literal[1, 2, 3, 4, 5] = 5
    run_id: str
    name: str
    trigger_blob: str
    trigger_etag: str
    trigger: Trigger
    folder: str
    """Folder in `input` with the user's files."""
    received_at: str
    """UTC, ISO 8601; waiting runs are admitted in this order."""
    correlation_id: str
    """Id in every log line and task of the run."""
    parent: str | None = None
    """The run whose batches are kept except those in `redo`; without `redo`, the run whose input is scored again."""
    redo: tuple[int, ...] = ()


class BlobRef(Document):
    """A blob in the data account; `name` may be a prefix that ends with "/"."""

    container: InputContainer
    name: str


class PlannedStyle(Document):
    """A style file: its name in `input`, and the run's own copy. A painting has a size in pixels."""

    name: str
    blob: BlobRef
    sha256: Sha256
    kind: StyleKind
    width: int | None = None
    height: int | None = None


class PlannedKeyframe(Document):
    """Weights of the styles at `at` seconds after the first frame: one per style, summing to 1."""

    at: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    weights: Annotated[tuple[float, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if any(weight < 0 for weight in self.weights) or not isclose(sum(self.weights), 1, abs_tol=1e-6):
            raise ValueError("weights must not be negative and must sum to 1")
        return self


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


class ProgramCall(Document):
    """How a program of the operator is called."""

    scale: Annotated[int, Field(ge=1, le=MAX_SCALE)] = 1
    """Size of the pictures that it makes, as a multiple of that of its frames."""
    frames_per_call: Annotated[int, Field(ge=1, le=MAX_FRAMES_PER_CALL)] | None = None
    """Frames in one call, fewer in a batch's last one; None: a script's own attribute, else 1."""
    precision: Precision = "float32"
    """Of a model: float16 where the device computes it faster and the first frame comes out the same."""


class PlannedProgram(ProgramCall):
    """A program from the operator's list: `file` in the container `scripts`, which must have this SHA-256."""

    name: str
    file: str
    sha256: Sha256
    kind: ProgramKind
    files: dict[FileName, Sha256] = Field(default_factory=dict)
    """Files beside a script, such as weights: the name that the script knows, and the SHA-256 that names the blob."""


class Plan(StoredDocument):
    """What a run will do.

    `borders` are frame indices: batch i is [borders[i], borders[i+1]). `task_borders` are batch numbers: task i scores
    the batches [task_borders[i], task_borders[i+1]); without them, as before version 6, each batch has its own. The
    manifest is identified by its hash; `frames` is the prefix of the input frames, or, with the `source` video, that
    video, of which the manifest has an index. `audio` is the file with the audio that the split copied. `key_styles`
    have increasing times; a constant style is one keyframe at 0. `sample` are indices of frames spread over the run.
    `options` have explicit `temporal_smoothing`, from version 6 on `keep_frames`, and, for painting scorers, `strokes`
    or `size` from version 5 on and `calm` from version 6 on. Before version 7 there was no option `tune`.
    """

    document_name: ClassVar = "plan"
    version: Literal[2, 3, 4, 5, 6, 7] = 7
    run_id: str
    name: str
    correlation_id: str
    options: Options
    makes: Makes = "pictures"
    """What tasks make of their frames: pictures and a segment of the video, or one record each."""
    borders: Annotated[tuple[int, ...], Field(min_length=2)]
    task_borders: tuple[int, ...] = ()
    manifest_sha256: Sha256
    source: FrameOrigin = "frames"
    """What tasks read; before version 6 always frames."""
    frames: BlobRef
    audio: BlobRef | None = None
    inputs_sha256: Sha256 | None = None
    """Digest of the pins of frames, masks and sound; None in plans before version 4, whose input is not compared."""
    styles: tuple[PlannedStyle, ...] = ()
    key_styles: tuple[PlannedKeyframe, ...] = ()
    mask: PlannedMask | None = None
    program: PlannedProgram | None = None
    sample: tuple[int, ...] = ()
    weights_sha256: Sha256 | None = None
    container: VideoContainer
    node_image: str = ""
    """Container image of all tasks of the run, successors included; empty in plans of version 2: the app's setting."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the programs that made the plan, by name; receipts have those of the tasks."""
    parent: str | None = None
    """The run that this one redoes in part; its receipts and files are used for the kept batches."""
    redo: tuple[int, ...] = ()
    """With a parent: the batches to score again."""
    kept_receipts: dict[int, Sha256] = Field(default_factory=dict)
    """SHA-256 of each receipt that was kept from a parent, or from before frames were corrected (version 4)."""

    @model_validator(mode="after")
    def _check_borders(self) -> Self:
        if self.borders[0] != 0 or any(b <= a for a, b in pairwise(self.borders)):
            raise ValueError("borders must start at 0 and increase")
        tasks = self.task_borders
        if tasks and (
            (tasks[0], tasks[-1]) != (0, self.batch_count) or any(after <= before for before, after in pairwise(tasks))
        ):
            raise ValueError("task_borders must start at 0, increase, and end with the number of batches")
        return self

    @model_validator(mode="after")
    def _check_styles(self) -> Self:
        if bool(self.styles) != bool(self.key_styles):
            raise ValueError("styles and key_styles go together")
        if any(len(key.weights) != len(self.styles) for key in self.key_styles):
            raise ValueError("each keyframe in key_styles needs one weight per style")
        if any(after.at <= before.at for before, after in pairwise(self.key_styles)):
            raise ValueError("the times of key_styles must increase")
        return self

    @model_validator(mode="after")
    def _check_sample(self) -> Self:
        if any(not 0 <= index < self.frame_count for index in self.sample):
            raise ValueError("sample contains an index out of range")
        return self

    @property
    def product(self) -> str:
        """The blob in `output` that the run produces: its video or its records."""
        return RunPaths(self.run_id).records if self.makes == "records" else RunPaths(self.run_id).video(self.container)

    @property
    def scale(self) -> int:
        """Size of the delivered pictures, as a multiple of that of the frames."""
        return 1 if self.program is None else self.program.scale

    @property
    def tuned_paintings(self) -> int:
        """Number of paintings to which the style is tuned before the first frame."""
        return sum(style.kind == "painting" for style in self.styles) if self.options.tune else 0

    @property
    def batch_count(self) -> int:
        """Number of batches."""
        return len(self.borders) - 1

    @property
    def scored(self) -> tuple[int, ...]:
        """The batches that this run scores: all, or those in `redo`."""
        return tuple(range(self.batch_count)) if self.parent is None else self.redo

    @property
    def blobs_per_frame(self) -> int:
        """How many blobs a frame has: one before painting unless tasks decode the video, and a painted one if kept."""
        return (self.source == "frames") + self.options.stores_frames

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return self.borders[-1]

    @property
    def task_count(self) -> int:
        """Number of tasks that score all batches."""
        return len(self.task_borders) - 1 if self.task_borders else self.batch_count

    def task_of(self, batch: int) -> BatchRange:
        """Return the batches of the task that scores a batch; raises IndexError."""
        self.span(batch)
        if not self.task_borders:
            return BatchRange(batch, batch)
        place = bisect_right(self.task_borders, batch)
        return BatchRange(self.task_borders[place - 1], self.task_borders[place] - 1)

    def tasks_of(self, batches: Iterable[int]) -> list[BatchRange]:
        """Return the tasks that score these batches, in order, each once."""
        return sorted({self.task_of(batch) for batch in batches})

    def span(self, batch: int) -> tuple[int, int]:
        """Return the frame indices [start, end) of a batch; raises IndexError."""
        if not 0 <= batch < self.batch_count:
            raise IndexError(f"batch {batch} of {self.batch_count}")
        return self.borders[batch], self.borders[batch + 1]


def work_of(step: int | str, plan: Plan | None) -> Work:
    """Return what the task of a step does: the batches that share its task in the plan, "split" or "join"."""
    if isinstance(step, int):
        return plan.task_of(step) if plan is not None else BatchRange(step, step)
    return "split" if step == "split" else "join"
