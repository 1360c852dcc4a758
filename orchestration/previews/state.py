"""The durable state of a preview: what is ordered, which attempt is on, and what its task has written."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeVar

from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.errors import DamagedError, ImpastoError, VersionSkewError
from frame_tools.contracts.preview_paths import PreviewPaths
from frame_tools.contracts.preview_task import PreviewEnding, PreviewError, PreviewOrder, PreviewResult
from frame_tools.storage.ports import BlobContainer
from orchestration.app import App
from orchestration.azure_batch.ports import TaskView
from orchestration.documents import MAX_TEXT_BYTES, parse_time

S = TypeVar("S", bound=StoredDocument)
MAX_LISTED: Final = 500
"""Blobs of the task that are looked at: more than a task writes. A node could write any number."""


@dataclass(frozen=True, kw_only=True)
class PreviewState:
    """A preview as its blobs describe it."""

    preview_id: str
    order: PreviewOrder
    attempt: int
    """Number of the newest attempt; 0 if none was begun."""
    began_at: dt.datetime | None
    """When the newest attempt began."""
    ending: PreviewEnding | None
    """Why the newest attempt ended without a result."""
    result: PreviewResult | None
    """What the task found out, if all of its pictures are there: a lifecycle rule deletes them one by one."""
    error: PreviewError | None
    """The last error of the newest attempt's task."""
    written: frozenset[str]
    """Blobs that the task has written."""

    @property
    def paths(self) -> PreviewPaths:
        """The names of its blobs."""
        return PreviewPaths(self.preview_id)

    @property
    def frames(self) -> int:
        """Frames of each look."""
        return self.result.frames if self.result else self.order.frames

    @property
    def has_pictures(self) -> bool:
        """Whether any picture is written."""
        return any(name.endswith(".jpg") for name in self.written)

    def has_look(self, look: int) -> bool:
        """Return whether all pictures of a look are written."""
        return has_look(self.paths, self.written, look, self.frames)


def has_look(names: PreviewPaths, written: Collection[str], look: int, frames: int) -> bool:
    """Return whether all pictures of a look are among the blobs that are written."""
    return all(names.cell(look, frame) in written for frame in range(frames))


def read_state(app: App, preview_id: str) -> PreviewState | None:
    """Return the state of a preview; None if it was never ordered.

    Raises VersionSkewError or DamagedError if its order, which only the app writes, cannot be read.
    """
    names, runs, work = PreviewPaths(preview_id), app.storage.runs, app.storage.work
    blob = runs.read(names.order, limit=PreviewOrder.max_bytes)
    if blob is None:
        return None
    attempts = [item.name.removeprefix(names.attempts) for item in runs.list(names.attempts)]
    attempt = max((int(number) for number in attempts if number.isdecimal()), default=0)
    written = frozenset(item.name for item in work.page(names.folder, limit=MAX_LISTED).items)
    error = _read(work, names.error, PreviewError) if names.error in written else None
    order = PreviewOrder.load_stored(blob.data)
    result = _read(work, names.result, PreviewResult) if names.result in written else None
    if result is not None and not all(
        has_look(names, written, number, result.frames) for number in range(len(order.looks))
    ):
        result = None
    return PreviewState(
        preview_id=preview_id,
        order=order,
        attempt=attempt,
        began_at=_read_time(runs, names.attempt(attempt)) if attempt else None,
        ending=_read(runs, names.ending(attempt), PreviewEnding) if attempt else None,
        result=result,
        error=error if error is not None and error.attempt == attempt else None,
        written=written,
    )


def read_task(app: App, state: PreviewState) -> TaskView | None:
    """Return the newest attempt's task; None if it has none. Raises TemporaryError if Batch does not answer."""
    return next(iter(app.batch.tasks(state.paths.job_id(state.attempt))), None)


def try_read_task(app: App, state: PreviewState) -> TaskView | None:
    """Return the newest attempt's task; None, too, if Batch does not answer, for those who only look on."""
    try:
        return read_task(app, state)
    except ImpastoError:
        return None


def _read(container: BlobContainer, name: str, document: type[S]) -> S | None:
    """Return a document; None if it is missing or damaged, as if its writer had never written it."""
    blob = container.read(name, limit=document.max_bytes)
    try:
        return document.load_stored(blob.data) if blob else None
    except (DamagedError, VersionSkewError):
        return None


def _read_time(container: BlobContainer, name: str) -> dt.datetime | None:
    blob = container.read(name, limit=MAX_TEXT_BYTES)
    return parse_time(blob.data.decode("utf-8", "replace")) if blob else None
