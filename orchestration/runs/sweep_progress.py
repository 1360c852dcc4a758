"""Where the next sweep continues: scans of many blobs proceed by one page a sweep, and a sweep may run out of time."""

import datetime as dt
import logging
from typing import ClassVar, Literal, Self

from pydantic import AwareDatetime

from frame_tools.contracts import paths
from frame_tools.contracts.base import Document, StoredDocument
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.storage.deployment import Storage

_log = logging.getLogger(__name__)


class Scan(Document):
    """A listing that is worked through page by page, again and again. A pass is one way from its start to its end."""

    marker: str = ""
    """Where the pass continues; empty before its first page."""
    began_at: AwareDatetime | None = None
    """When the pass that is under way began."""
    failed: bool = False
    """Whether something on a page of this pass could not be dealt with."""
    complete_at: AwareDatetime | None = None
    """When the last pass began that dealt with everything."""

    def begun(self, now: dt.datetime) -> Self:
        """Return the scan with a pass under way."""
        return self if self.began_at else self.model_copy(update={"began_at": now, "marker": "", "failed": False})

    def continued(self, marker: str, *, failed: bool = False) -> Self:
        """Return the scan after a page; an empty `marker` ends the pass."""
        failed = failed or self.failed
        if marker:
            return self.model_copy(update={"marker": marker, "failed": failed})
        complete_at = self.complete_at if failed else self.began_at
        return type(self)(complete_at=complete_at)

    def restarted(self) -> Self:
        """Return the scan without the pass that is under way, because its marker cannot be used."""
        return type(self)(complete_at=self.complete_at)


class SweepProgress(StoredDocument):
    """What a sweep leaves for the next one."""

    document_name: ClassVar = "sweep progress"
    version: Literal[1, 2] = 2
    next_run: str = ""
    """The run at which the last sweep ran out of time; empty if it visited all."""
    orphans: Scan = Scan()
    triggers: Scan = Scan()
    index: Scan = Scan()
    """The only pass over the runs of versions that kept no list of runs (version 2)."""


def read_progress(storage: Storage) -> SweepProgress:
    """Return the stored progress; an unreadable one is replaced, because it only saves work."""
    blob = storage.runs.read(paths.sweep_progress())
    try:
        return SweepProgress.load_stored(blob.data) if blob else SweepProgress()
    except (DamagedError, VersionSkewError) as error:
        _log.warning("the sweep begins anew: %s", error)
        return SweepProgress()


def write_progress(storage: Storage, before: SweepProgress, after: SweepProgress) -> None:
    """Store the progress if it has changed."""
    if after != before:
        storage.runs.write(paths.sweep_progress(), after.dumps())
