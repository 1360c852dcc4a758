"""The status for those who watch a run: one request while another watcher's answer is recent enough.

A status is computed from the run's documents, which takes about ten requests. Its answer is kept in a blob of its own,
so that a thousand watchers cost one computation every two seconds. The blob never decides anything, and it can't lie
for long:

- It says when its computation began; an older one is computed again. An answer of a run that has ended counts longer.
- A handler that changes a run for its watchers (end, cancellation, resubmission) then replaces the blob by one without
  an answer. At the end, for which all watchers wait, it leaves the last answer as outdated: the first watcher computes
  the next one, and only meanwhile the others get the outdated one. So nobody sees an older answer than before, and an
  end is never left behind, which would be wrong after a resubmission.
- An answer is written on condition that the blob is still the one that was there before its computation began. So what
  was read before a handler's change is never written after it.
- A watcher who computes says so in the blob; meanwhile the others get the last answer.

Nodes can't write these blobs: their rights (roles.bicep) end at the run's own.
"""

import datetime as dt
import json
import logging
from typing import Any, ClassVar, Final, Literal

from pydantic import AwareDatetime

from frame_tools.contracts import ids, paths
from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.choices import TERMINAL_STATES
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.storage.blobs import Blob
from frame_tools.storage.deployment import Storage
from orchestration.app import App
from orchestration.documents import load_own
from orchestration.reporting.status import run_status

_log = logging.getLogger(__name__)

FRESH: Final = dt.timedelta(seconds=2)
"""Age up to which the answer of an open run is given; with the computation, progress moves at least every 3 s."""
ENDED_FRESH: Final = dt.timedelta(minutes=5)
"""The same for a run that has ended; bounds the time for which a crash between two writes can leave an old answer."""
COMPUTING: Final = dt.timedelta(seconds=3)
"""How long others wait for a watcher who computes; it may have died."""
ALONE: Final = 2 * FRESH
"""With an answer older than this, nobody else watches often enough for it to matter who computes."""
CLOCK_SKEW: Final = dt.timedelta(seconds=1)
"""How far in the future an answer of another instance may be."""


class StatusDocument(StoredDocument):
    """A run's status as it was computed last."""

    document_name: ClassVar = "status"
    max_bytes: ClassVar = 2**20
    version: Literal[1, 2] = 2
    run_id: str
    answer: str | None = None
    """The answer as JSON; None after a handler has changed the run and left no outdated one."""
    began_at: AwareDatetime
    """When its computation began, or when a handler changed the run."""
    is_ended: bool = False
    is_outdated: bool = False
    """Whether a handler has changed the run since: the answer only counts while a watcher computes the next one."""
    computing_since: AwareDatetime | None = None
    """When a watcher began to compute the next answer."""

    def is_fresh(self, now: dt.datetime) -> bool:
        """Return whether the answer need not be computed again."""
        return not self.is_outdated and -CLOCK_SKEW <= now - self.began_at <= (ENDED_FRESH if self.is_ended else FRESH)

    def is_watched(self, now: dt.datetime) -> bool:
        """Return whether the answer is one of an open run, and so recent that the run has watchers."""
        return not self.is_ended and -CLOCK_SKEW <= now - self.began_at <= ALONE

    def is_being_replaced(self, now: dt.datetime) -> bool:
        """Return whether a watcher computes the next answer, so that this one still counts."""
        since = self.computing_since
        return (
            since is not None and -CLOCK_SKEW <= now - since <= COMPUTING and now - self.began_at <= ALONE + COMPUTING
        )


def watched_status(app: App, run_id: str) -> dict[str, Any] | None:
    """Return the run's status document, at most a few seconds old, or None if there is no such run."""
    now, name = app.clock.now(), paths.status_document(ids.check_run_id(run_id))
    blob = app.storage.runs.read(name, limit=StatusDocument.max_bytes)
    document = _load(blob, run_id)
    if document is None or document.answer is None or blob is None:
        return _compute(app, run_id, now, etag=blob.etag if blob else None)
    if document.is_fresh(now) or document.is_being_replaced(now):
        return _parse(document.answer)
    etag: str | None = blob.etag
    if now - document.began_at <= ALONE:
        claim = document.model_copy(update={"computing_since": now})
        etag = app.storage.runs.replace(name, claim.dumps(), etag=blob.etag)
        if etag is None:  # another watcher was faster, or a handler has changed the run since this call began
            return _parse(document.answer)
    return _compute(app, run_id, now, etag=etag)


def forget_status(storage: Storage, run_id: str, now: dt.datetime) -> None:
    """Replace a run's answer, after a change that its watchers must see at once."""
    document = StatusDocument(run_id=run_id, began_at=now)
    storage.runs.write(paths.status_document(run_id), document.dumps())


def outdate_status(storage: Storage, run_id: str, now: dt.datetime) -> None:
    """Replace a run's answer after its end; its watchers get the last one only while one of them computes the next."""
    name = paths.status_document(run_id)
    blob = storage.runs.read(name, limit=StatusDocument.max_bytes)
    last = _load(blob, run_id)
    if blob is not None and last is not None and last.answer is not None and last.is_watched(now):
        outdated = StatusDocument(run_id=run_id, answer=last.answer, began_at=now, is_outdated=True)
        if storage.runs.replace(name, outdated.dumps(), etag=blob.etag) is not None:
            return
    forget_status(storage, run_id, now)


def _compute(app: App, run_id: str, now: dt.datetime, *, etag: str | None) -> dict[str, Any] | None:
    """Return the status from the run's documents; keep it if the blob still has this ETag, or still does not exist."""
    status = run_status(app, run_id)
    if status is None:
        return None
    document = StatusDocument(
        run_id=run_id, answer=json.dumps(status), began_at=now, is_ended=status["status"] in TERMINAL_STATES
    )
    data, name = document.dumps(), paths.status_document(run_id)
    if len(data) > StatusDocument.max_bytes:
        _log.info("run %s: its status of %d bytes is not kept", run_id, len(data))
    elif etag is None:
        app.storage.runs.create(name, data)
    else:
        app.storage.runs.replace(name, data, etag=etag)
    return status


def _load(blob: Blob | None, run_id: str) -> StatusDocument | None:
    """Return the document; None if there is none, or if it is damaged or another version's."""
    try:
        return load_own(StatusDocument, blob.data, run_id) if blob else None
    except (DamagedError, VersionSkewError):
        return None


def _parse(answer: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(answer)
    return parsed
