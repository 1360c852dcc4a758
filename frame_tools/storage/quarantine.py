"""Quarantine of damaged documents: moved within the run, so that they can be made again and still be examined."""

from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.ports import BlobContainer


def quarantine(runs: BlobContainer, run_id: str, name: str, *, etag: str | None = None) -> bool:
    """Move a blob of the run to `damaged/` below it; return whether this call moved it.

    With `etag`, only that version of the blob is moved: another process may have replaced the damaged one meanwhile.
    """
    blob = runs.read(name)
    if blob is None or etag not in (None, blob.etag):
        return False
    runs.create(RunPaths(run_id).quarantined(name, blob.etag), blob.data)
    return runs.delete(name, etag=blob.etag)
