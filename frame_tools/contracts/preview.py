"""What `impasto preview` asks the scorer for, and what it gets back: a sheet of a few frames in several looks."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from frame_tools.contracts.base import Document
from frame_tools.contracts.options import Options

MAX_ROWS: Final = 60
MAX_FRAMES: Final = 8


class PreviewStyle(Document):
    """A style file on this machine, and its share of the mix."""

    path: Path
    weight: Annotated[float, Field(gt=0)]


class PreviewRow(Document):
    """One look: its styles and options, and the lines of text beside and under its pictures."""

    options: Options
    styles: Annotated[tuple[PreviewStyle, ...], Field(min_length=1)]
    label: tuple[str, ...]
    caption: str


class PreviewRequest(Document):
    """Which frames of which video to paint in which looks, and where to write the sheet (JPEG or PNG)."""

    video: Path
    frames: Annotated[int, Field(ge=1, le=MAX_FRAMES)]
    rows: Annotated[tuple[PreviewRow, ...], Field(min_length=1, max_length=MAX_ROWS)]
    out: Path


class PreviewProgress(Document):
    """The sheet has been written with its first rows; a line for each time, before the result."""

    rows: Annotated[int, Field(ge=1, le=MAX_ROWS)]


class PreviewResult(Document):
    """How long the rows took, in seconds for each frame, without start-up; rows that share a painting are 0."""

    row_seconds: tuple[float, ...]
    seconds: float
    """Everything from the first decoded frame to the written sheet."""
