"""Reading of a run's documents that may be damaged: a document that cannot be read is a value, not an exception."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol, Self, TypeVar

from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.errors import DamagedError, ErrorCode, VersionSkewError
from frame_tools.contracts.plan import Plan, Request
from frame_tools.storage.blobs import BlobInfo
from frame_tools.storage.ports import BlobContainer
from frame_tools.storage.recorded_hashes import RecordedHashes

MAX_TEXT_BYTES: Final = 1000
_PLAUSIBLE_YEARS: Final = range(2020, 2100)


class RunDocument(Protocol):
    """A stored document that names its run."""

    @property
    def run_id(self) -> str:
        """The run's id."""

    max_bytes: ClassVar[int]

    @classmethod
    def load_stored(cls, data: bytes | str) -> Self:
        """Load the document; raises VersionSkewError or DamagedError."""


D = TypeVar("D", bound=RunDocument)
S = TypeVar("S", bound=StoredDocument)


@dataclass(frozen=True, kw_only=True)
class UnreadableBlob:
    """A version of a blob that cannot be read, and why; the ETag is empty if the blob is missing."""

    error: DamagedError | VersionSkewError
    etag: str = ""

    @property
    def is_damaged(self) -> bool:
        """Whether the blob is damaged; otherwise another version of Impasto wrote it."""
        return isinstance(self.error, DamagedError)


def load_own(document: type[D], data: bytes, run_id: str) -> D:
    """Load a document of the run. Raises VersionSkewError or DamagedError, also if it is another run's document."""
    loaded = document.load_stored(data)
    if loaded.run_id != run_id:
        raise DamagedError(f"The document belongs to the run {loaded.run_id[:60]!r}", "Start a new run")
    return loaded


def read_usable(runs: BlobContainer, name: str, document: type[S]) -> S | None:
    """Return a document; None if it is missing or cannot be read, for reports that can do without it."""
    blob = runs.read(name, limit=document.max_bytes)
    try:
        return document.load_stored(blob.data) if blob else None
    except (DamagedError, VersionSkewError):
        return None


@dataclass(frozen=True)
class RunDocuments:
    """Reads the documents of one run and collects those that cannot be read."""

    runs: BlobContainer
    run_id: str
    listed: Mapping[str, BlobInfo]
    """All blobs of the run, by name."""
    hashes: RecordedHashes
    """What the app has recorded of the requests and plans that it has made."""
    unreadable: dict[str, UnreadableBlob] = field(default_factory=dict)

    def read(self, name: str, document: type[D]) -> D | None:
        """Return a document, or None if it is missing or unreadable."""
        blob = self.runs.read(name, limit=document.max_bytes) if name in self.listed else None
        if blob is None:
            return None
        try:
            return self._load(document, blob.data)
        except (DamagedError, VersionSkewError) as error:
            self.unreadable[name] = UnreadableBlob(error=error, etag=blob.etag)
            return None

    def _load(self, document: type[D], data: bytes) -> D:
        loaded = load_own(document, data, self.run_id)
        if isinstance(loaded, Request | Plan):
            self.hashes.check(loaded, data)
        return loaded

    def read_text(self, name: str) -> str | None:
        """Return the text of a blob, or None if it is missing; invalid UTF-8 is replaced."""
        blob = self.runs.read(name, limit=MAX_TEXT_BYTES) if name in self.listed else None
        return None if blob is None else blob.data.decode("utf-8", "replace")

    def report_missing(self, name: str, what: str) -> None:
        """Add a document that should exist to the unreadable ones."""
        error = DamagedError(f"The {what} is missing", "Start a new run", code=ErrorCode.DAMAGED_DATA)
        self.unreadable[name] = UnreadableBlob(error=error)

    def report_untrue(self, name: str, what: str) -> None:
        """Add a document that can be read, but does not match the others, to the unreadable ones."""
        error = DamagedError(what, "Start a new run", code=ErrorCode.DAMAGED_DATA)
        self.unreadable[name] = UnreadableBlob(error=error, etag=self.listed[name].etag)


def parse_time(text: str | None) -> dt.datetime | None:
    """Return a stored time, without a zone taken as UTC; None for text that is no plausible time."""
    try:
        time = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    if time.year not in _PLAUSIBLE_YEARS:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=dt.UTC)
