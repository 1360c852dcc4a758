"""The places for previews that are being painted: numbered blobs, created if they do not exist, bound their number.

A place names the job of the attempt that holds it. If two handlers take places for the same attempt, it holds two.
"""

from collections.abc import Callable
from typing import Final

from frame_tools.contracts.errors import TemporaryError
from frame_tools.contracts.preview_paths import PREVIEW_SLOTS, preview_slot
from orchestration.app import App
from orchestration.documents import MAX_TEXT_BYTES

MAX_OPEN_PREVIEWS: Final = 4
"""Previews that are painted at the same time, each as a job of its own; Batch limits the number of active jobs."""


def read_slots(app: App) -> dict[str, str]:
    """Return the places that are taken, and the jobs that hold them."""
    runs = app.storage.runs
    blobs = {item.name: runs.read(item.name, limit=MAX_TEXT_BYTES) for item in runs.list(PREVIEW_SLOTS)}
    return {name: blob.data.decode("utf-8", "replace") for name, blob in blobs.items() if blob is not None}


def take_slot(app: App, job_id: str, free_ended: Callable[[str, str], object]) -> None:
    """Hold a place for a job; `free_ended` frees the place of a job if that has ended.

    Raises TemporaryError if all places are taken.
    """
    for may_free in (True, False):
        taken = read_slots(app)
        if job_id in taken.values():
            return
        for number in range(MAX_OPEN_PREVIEWS):
            slot = preview_slot(number)
            if slot not in taken and app.storage.runs.create(slot, job_id.encode()):
                return
        if may_free:
            for slot, holder in taken.items():
                free_ended(slot, holder)
    raise TemporaryError(
        f"{MAX_OPEN_PREVIEWS} previews are being painted already", "Wait until one of them is finished, and try again"
    )


def free_slots(app: App, job_id: str) -> None:
    """Free the places that a job holds."""
    for slot, holder in read_slots(app).items():
        if holder == job_id:
            app.storage.runs.delete(slot)
