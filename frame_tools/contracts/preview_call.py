"""Previews over HTTP: what a caller orders, and what the app answers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from frame_tools.contracts.answers import Answer, Count, Time, Url
from frame_tools.contracts.base import Document
from frame_tools.contracts.calls import Name
from frame_tools.contracts.choices import PreserveColor, StrokeName
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.preview_task import MAX_LOOKS, MAX_PAINTINGS, MAX_STRENGTHS, FrameCount, Strength

PreviewStatus = Literal["waiting", "painting", "finished", "failed"]


class OrderPreview(Document):
    """Asks for a few frames of an uploaded clip in every combination of paintings, strengths and strokes."""

    input: Name = Field(description="The folder of `input` with the clip and the paintings.")
    clip: Name
    paintings: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_PAINTINGS)]
    strengths: Annotated[tuple[Strength, ...], Field(min_length=1, max_length=MAX_STRENGTHS)] = (1.0,)
    strokes: Annotated[tuple[StrokeName, ...], Field(min_length=1, max_length=3)] = ("medium",)
    preserve_color: PreserveColor = "no"
    frames: FrameCount = 1

    @model_validator(mode="after")
    def _check_looks(self) -> Self:
        for name in ("paintings", "strengths", "strokes"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: a value appears twice")
        looks = len(self.paintings) * len(self.strengths) * len(self.strokes)
        if looks > MAX_LOOKS:
            raise ValueError(f"{looks} looks (paintings x strengths x strokes) are asked for; at most {MAX_LOOKS} are")
        return self


class PreviewCell(Answer):
    """A look, and its pictures as short-lived URLs, one for each frame; null while a picture is not painted yet."""

    painting: str
    strength: float
    strokes: StrokeName
    pictures: tuple[Url | None, ...]
    seconds_per_frame: float | None
    """As measured on the node; null until the preview is finished, and for looks that share painted frames."""
    run_seconds: float | None
    """Painting the whole clip in this look, without the wait for a node; null until the preview is finished."""
    run_usd: float | None
    """The same in US dollars; null without a price."""


class PreviewAnswer(Answer):
    """A preview: its state, the frames of the clip, and the looks."""

    preview_id: str
    status: PreviewStatus
    reason: str
    remedy: str
    code: ErrorCode | None
    next_step: NextStep | None
    began_at: Time | None
    clip: str
    clip_frames: Count | None
    """Frames of the whole clip; null until they are known."""
    clip_width: Count | None
    clip_height: Count | None
    """Size of its frames, in pixels; null until it is known."""
    originals: tuple[Url | None, ...]
    cells: tuple[PreviewCell, ...]
    done: Count
    """Looks with all pictures."""
    seconds: float | None
    """What painting took on the node; null until the preview is finished."""
