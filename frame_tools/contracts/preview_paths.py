"""Where a preview that a node paints is stored: the names of its blobs, as pure functions of its id."""

import re
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts.errors import InputError

PREVIEW_ID: Final = re.compile(r"preview-[0-9a-f]{20}")
"""No run has such an id: the last part of a run's id has 10 digits."""
PREVIEW_SLOTS: Final = "previews/slots/"
"""Prefix in `runs` of the slots of previews."""


def check_preview_id(preview_id: str) -> str:
    """Return `preview_id` if it has the form of one; raises InputError."""
    if not PREVIEW_ID.fullmatch(preview_id):
        raise InputError(f"{preview_id[:60]!r} is not the id of a preview.", "Take it from POST /api/previews.")
    return preview_id


def preview_slot(number: int) -> str:
    """Return the blob in `runs` that is one of the places for previews that are being painted."""
    return f"{PREVIEW_SLOTS}{number:02d}"


@dataclass(frozen=True)
class PreviewPaths:
    """The blob names of one preview. What is in `runs` only the app writes, what is in `work` only its task."""

    preview_id: str

    # In `runs`.

    @property
    def order(self) -> str:
        """What is to be painted."""
        return f"previews/{self.preview_id}/order.json"

    @property
    def attempts(self) -> str:
        """Prefix of the claims of attempts."""
        return f"previews/{self.preview_id}/attempts/"

    def attempt(self, number: int) -> str:
        """Return the claim of an attempt, counted from 1; it contains the time at which it began."""
        return f"{self.attempts}{number:04d}"

    def ending(self, number: int) -> str:
        """Return why an attempt ended without a result."""
        return f"previews/{self.preview_id}/endings/{number:04d}.json"

    # In `work`, whose blobs a lifecycle rule deletes.

    @property
    def folder(self) -> str:
        """Prefix of all that the task writes."""
        return f"previews/{self.preview_id}/"

    def original(self, frame: int) -> str:
        """Return a frame of the clip, counted from 0."""
        return f"{self.folder}clip-{frame}.jpg"

    def cell(self, look: int, frame: int) -> str:
        """Return a frame in a look; both are counted from 0."""
        return f"{self.folder}{look:02d}-{frame}.jpg"

    @property
    def result(self) -> str:
        """What the finished task found out; written last."""
        return f"{self.folder}result.json"

    @property
    def error(self) -> str:
        """The task's last error."""
        return f"{self.folder}error.json"

    # In Batch and in `logs`.

    def job_id(self, attempt: int) -> str:
        """Return the Batch job of an attempt, and the folder of its task's output."""
        return f"{self.preview_id}-{attempt}"
