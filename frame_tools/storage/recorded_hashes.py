"""Hashes of the documents that only the Function App writes, in a container that nodes can read but not write to.

The app records the SHA-256 of a request or plan before it stores the document. One that a compromised node has
rewritten has no recorded hash, and counts as damaged wherever it is read. Runs that began with an earlier version of
Impasto have no recorded hashes; their documents are read as before.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeVar

from azure.core.exceptions import ResourceNotFoundError

from frame_tools.contracts import paths
from frame_tools.contracts.errors import DamagedError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.storage.blobs import Blob, sha256_of
from frame_tools.storage.deployment import Storage

D = TypeVar("D", Request, Plan)
RecordedKind = Literal["request", "plan"]
_DOCUMENTS: Final[Mapping[type[Request] | type[Plan], RecordedKind]] = {Request: "request", Plan: "plan"}


class RecordedHashes:
    """What is recorded for one run: "request-SHA256" and "plan-SHA256", of all versions that the app has made."""

    def __init__(self, storage: Storage, run_id: str) -> None:
        self._storage, self._prefix = storage, f"{run_id}/"
        self._names: frozenset[str] | None = None

    def check(self, document: Request | Plan, data: bytes) -> None:
        """Raise DamagedError if the app has not made this document, which was loaded from `data`."""
        kind = _DOCUMENTS[type(document)]
        if self._names is None or not _accepts(self._names, kind, data):
            self._names = self._read()  # after the document: its hash was recorded before it was stored
        if not _accepts(self._names, kind, data):
            raise DamagedError(f"The {kind} is not one that the Function App has made", "Start a new run")

    def _read(self) -> frozenset[str]:
        return frozenset(item.name.removeprefix(self._prefix) for item in self._storage.hashes.list(self._prefix))


def _accepts(names: frozenset[str], kind: RecordedKind, data: bytes) -> bool:
    """Return whether a document is recorded, or is one of a run that began with an earlier version of Impasto.

    The request of a run is recorded first: without it, the plan may be an earlier version's, too.
    """
    return _name(kind, data) in names or not any(name.startswith(("request-", f"{kind}-")) for name in names)


def _name(kind: RecordedKind, data: bytes) -> str:
    return f"{kind}-{sha256_of(data)}"


def record_hash(storage: Storage, document: Request | Plan) -> None:
    """Record the hash of a document that the app is about to store; creates a missing container."""
    name = paths.recorded_hash(document.run_id, _name(_DOCUMENTS[type(document)], document.dumps()))
    try:
        storage.hashes.create(name, b"")
    except ResourceNotFoundError:
        storage.hashes.ensure()
        storage.hashes.create(name, b"")


def load_plan(storage: Storage, run_id: str) -> tuple[Plan, str]:
    """Return the run's plan and the SHA-256 of its bytes.

    Raises MissingError, or DamagedError or VersionSkewError if the plan cannot be used.
    """
    blob = storage.runs.need(RunPaths(run_id).plan)
    return _checked(storage, blob, Plan.load_stored(blob.data), run_id), sha256_of(blob.data)


def find_plan_blob(storage: Storage, run_id: str) -> tuple[Plan, Blob] | None:
    """Return the run's plan and its blob, or None if it has none.

    Raises DamagedError or VersionSkewError if the plan cannot be used.
    """
    blob = storage.runs.read(RunPaths(run_id).plan)
    return (_checked(storage, blob, Plan.load_stored(blob.data), run_id), blob) if blob is not None else None


def load_request(storage: Storage, run_id: str) -> Request:
    """Return the run's request; raises MissingError, or DamagedError or VersionSkewError if it cannot be used."""
    blob = storage.runs.need(RunPaths(run_id).request)
    return _checked(storage, blob, Request.load_stored(blob.data), run_id)


def _checked(storage: Storage, blob: Blob, document: D, run_id: str) -> D:
    if document.run_id != run_id:
        raise DamagedError(f"The document belongs to the run {document.run_id[:60]!r}", "Start a new run")
    RecordedHashes(storage, run_id).check(document, blob.data)
    return document
