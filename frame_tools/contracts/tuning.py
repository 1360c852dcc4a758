"""The option `tune`: what identifies a style that was tuned to a painting, where it is kept, and how far its tuning is.

All runs share these styles. A style is the same for two runs if painting, weights, and the recipe of the tuning are.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.scorers import VGG_WEIGHTS

TUNING_RECIPE: Final = 4
"""Version of what a tuning computes; styles of another version are not used."""
TUNING_STEPS: Final = 800
"""Training steps of the tuning of one painting."""
MAX_STEPS: Final = 10**6
"""Steps that progress may speak of: nodes write it, and a number may have thousands of digits."""
MAX_TUNED: Final = 4
"""Paintings of one run that can be tuned: the run begins when all are."""
TUNED_SUFFIX: Final = ".safetensors"


def paintings_to_tune(style_files: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the style files that a tuning changes: all but styles that are tuned already."""
    return tuple(name for name in style_files if PurePath(name).suffix.lower() != TUNED_SUFFIX)


@dataclass(frozen=True)
class TuningPaths:
    """The blobs in `runs` of the style that is tuned to one painting. Only tasks write them."""

    key: str

    @classmethod
    def of(cls, painting_sha256: str, weights_sha256: str | None) -> "TuningPaths":
        """Return the blobs of a painting's style; `weights_sha256` is that of the network that it is for."""
        parts = (str(TUNING_RECIPE), str(weights_sha256), VGG_WEIGHTS, painting_sha256)
        return cls(hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32])

    @property
    def style(self) -> str:
        """The finished style; exists once and is never changed."""
        return f"tuned/{self.key}/style{TUNED_SUFFIX}"

    @property
    def lease(self) -> str:
        """The blob whose lease the task holds that tunes."""
        return f"tuned/{self.key}/lease"

    @property
    def progress(self) -> str:
        """How far the task is that tunes."""
        return f"tuned/{self.key}/progress.json"


class TuningProgress(StoredDocument):
    """Steps that a tuning has done: a hint for people that the task overwrites at intervals."""

    document_name: ClassVar = "tuning progress"
    version: Literal[1] = 1
    step: Annotated[int, Field(ge=0, le=MAX_STEPS)]
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)]
    written_at: str
    """UTC, ISO 8601."""
