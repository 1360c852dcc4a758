"""How far a task is: a hint for people that the task overwrites at intervals; nothing decides on it."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.media_values import MAX_FRAMES

MAX_TASK_SECONDS: Final = 1e9
"""Bound of what nodes write: the app subtracts it from times."""
TaskStage = Literal["loading", "measuring", "working"]
"""What a task is at: its scorer and inputs, the values that all tasks of the run share, or frames."""


class StepProgress(StoredDocument):
    """Frames that a running task has finished, and the seconds that it needed for them since its scorer was ready."""

    document_name: ClassVar = "progress"
    version: Literal[1, 2] = 2
    run_id: str
    step: str
    frames: Annotated[int, Field(ge=0, le=MAX_FRAMES)]
    seconds: Annotated[float, Field(ge=0, le=MAX_TASK_SECONDS)]
    stage: TaskStage = "working"
    """Version 1 says nothing about the time before."""
    task_id: str
    written_at: str
    """UTC, ISO 8601."""
