"""The documents of a preview that a node paints: its order, its result, and how attempts without a result ended."""

import hashlib
from collections.abc import Sequence
from itertools import product
from typing import Annotated, ClassVar, Final, Literal, NamedTuple

from pydantic import Field

from frame_tools.contracts.base import Document, StoredDocument
from frame_tools.contracts.choices import PreserveColor, StrokeName
from frame_tools.contracts.errors import ErrorCode, NextStep

MAX_PAINTINGS: Final = 6
MAX_STRENGTHS: Final = 5
MAX_LOOKS: Final = 60
MAX_FRAMES: Final = 3
MAX_CLIP_BYTES: Final = 4 * 2**30
"""The whole clip is copied to the node, for a few of its frames."""
_MAX_BYTES: Final = 64 * 2**10

Strength = Annotated[float, Field(ge=0, le=1)]
FrameCount = Annotated[int, Field(ge=1, le=MAX_FRAMES)]


class OrderedFile(Document):
    """An uploaded file in `input`, in the version that was there when the preview was ordered."""

    blob: str
    etag: str

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.blob.rpartition("/")[2]


class Look(NamedTuple):
    """One look of a preview: the painting's number in the order, the opacity of the style, the stroke size."""

    painting: int
    strength: float
    strokes: StrokeName


class PreviewOrder(StoredDocument):
    """Which frames of which clip are to be painted in which looks."""

    document_name: ClassVar = "preview order"
    max_bytes: ClassVar = _MAX_BYTES
    version: Literal[1] = 1
    clip: OrderedFile
    paintings: Annotated[tuple[OrderedFile, ...], Field(min_length=1, max_length=MAX_PAINTINGS)]
    strengths: Annotated[tuple[Strength, ...], Field(min_length=1, max_length=MAX_STRENGTHS)]
    strokes: Annotated[tuple[StrokeName, ...], Field(min_length=1)]
    preserve_color: PreserveColor = "no"
    frames: FrameCount

    @property
    def preview_id(self) -> str:
        """The id: the same files and looks are the same preview."""
        content = self.model_dump_json(exclude={"version", "impasto_version"})
        return f"preview-{hashlib.sha256(content.encode()).hexdigest()[:20]}"

    @property
    def looks(self) -> Sequence[Look]:
        """All looks, in the order in which they are painted: the sizes of strokes one after the other."""
        return [
            Look(painting, strength, strokes)
            for strokes, painting, strength in product(self.strokes, range(len(self.paintings)), self.strengths)
        ]


class PreviewResult(StoredDocument):
    """What the task found out besides the pictures."""

    document_name: ClassVar = "preview result"
    max_bytes: ClassVar = _MAX_BYTES
    version: Literal[1] = 1
    frames: FrameCount
    """Frames that were painted: fewer than ordered for a short clip."""
    clip_frames: Annotated[int, Field(ge=0)]
    """Frames of the whole clip; 0 if the file does not say."""
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    look_seconds: Annotated[tuple[float, ...], Field(max_length=MAX_LOOKS)]
    """Seconds for each frame; 0 for a look that shares its painted frames with an earlier one."""
    seconds: Annotated[float, Field(ge=0)]
    """From the start of the task's process to the last picture."""
    device: str


class PreviewError(StoredDocument):
    """The last error of a preview's task; `permanent` if another try would end the same way."""

    document_name: ClassVar = "preview error"
    max_bytes: ClassVar = _MAX_BYTES
    version: Literal[1] = 1
    attempt: Annotated[int, Field(ge=1)]
    reason: str
    remedy: str
    code: ErrorCode
    next_step: NextStep
    permanent: bool


class PreviewEnding(StoredDocument):
    """Why an attempt ended without a result. Written once, by the app."""

    document_name: ClassVar = "preview ending"
    max_bytes: ClassVar = _MAX_BYTES
    version: Literal[1] = 1
    reason: str
    remedy: str
    code: ErrorCode
    next_step: NextStep
    ended_at: str
