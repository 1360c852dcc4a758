"""What `impasto scorer try` asks the scorer for: a program of one's own on the first frames of a video."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from frame_tools.contracts.base import Document
from frame_tools.contracts.choices import Makes, ProgramKind
from frame_tools.contracts.options import MAX_ARGUMENTS, Argument, ArgumentName
from frame_tools.contracts.plan import Sha256

MAX_TRIAL_FRAMES: Final = 64
PROGRAM_KINDS: Final[dict[str, ProgramKind]] = {
    ".py": "script",
    ".pt": "torchscript",
    ".ts": "torchscript",
    ".pt2": "exported",
}
"""Suffix of a program's file -> its kind."""


class TrialRequest(Document):
    """A program's file, the frames to give it, its arguments, and where to write the sheet."""

    program: Path
    video: Path
    frames: Annotated[int, Field(ge=1, le=MAX_TRIAL_FRAMES)]
    arguments: Annotated[dict[ArgumentName, Argument], Field(max_length=MAX_ARGUMENTS, default_factory=dict)]
    seed: int = 0
    out: Path


class TrialResult(Document):
    """What the program did: its pictures are on the sheet; its records are lines of JSON."""

    makes: Makes
    frames: int
    device: str
    width: int
    height: int
    frames_per_call: int
    load_seconds: float
    """Loading the program."""
    milliseconds: tuple[float, ...]
    """Of each frame; the first includes what a program prepares lazily."""
    memory_mb: float
    """The most memory that the process used, in 10^6 bytes."""
    gpu_memory_mb: float | None = None
    records: tuple[str, ...] = ()
    sha256: Sha256
