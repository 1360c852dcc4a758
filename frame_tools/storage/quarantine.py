"""Quarantine of damaged documents: moved within the run, so that they can be made again and still be examined."""

from typing import Final

from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.ports import BlobContainer

MAX_BYTES: Final = 32 * 2**20


def quarantine(runs: BlobContainer, run_id: str, name: str, *, etag: str | None = None) -> bool:
    """Move a blob of the run to `damaged/` below it; return whether this call moved it.

    Of a blob larger than any document, only the beginning is kept. With `etag`, only that version of the blob is moved:
    another process may have replaced the damaged one meanwhile.
    """
    blob = runs.read(name, limit=MAX_BYTES)
    if blob is None or etag not in (None, blob.etag):
        return False
    runs.create(RunPaths(run_id).quarantined(name, blob.etag), blob.data)
    return runs.delete(name, etag=blob.etag)
