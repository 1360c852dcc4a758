"""What `impasto scorer try` asks the scorer for: a program of one's own on the first frames of a video."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from frame_tools.contracts.base import Document
from frame_tools.contracts.choices import Makes
from frame_tools.contracts.options import MAX_ARGUMENTS, Argument, ArgumentName
from frame_tools.contracts.plan import ProgramCall, Sha256
from frame_tools.contracts.programs import MAX_FILES
from frame_tools.contracts.trigger_values import FileName

MAX_TRIAL_FRAMES: Final = 64


class TrialRequest(ProgramCall):
    """A program's file, how it is called, the frames to give it, its arguments, and where to write the sheet."""

    program: Path
    files: Annotated[dict[FileName, Path], Field(max_length=MAX_FILES, default_factory=dict)]
    """Files beside a script, by name."""
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
    """Size of a frame in pixels."""
    scale: int
    """Size of a picture, as a multiple of that of its frame."""
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
