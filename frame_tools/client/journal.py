"""What was painted into a folder, so that the same command skips what is finished and resumes what was started."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from frame_tools.client.painting import Painting
from frame_tools.media.files import write_atomically
from frame_tools.storage.blobs import md5_of

JOURNAL_FILE: Final = ".impasto.json"


class Journal:
    """The entries of a folder, by the name of the output: digest, run id, and, once finished, the summary."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / JOURNAL_FILE
        self._entries = _read(self._file)

    def has(self, painting: Painting) -> bool:
        """Return whether an earlier command wrote, or began, this output."""
        return painting.out.name in self._entries

    def finished(self, painting: Painting, digest: str) -> Mapping[str, Any] | None:
        """Return the entry of a painting that exists with the same input and options, or None."""
        entry = self._entries.get(painting.out.name)
        is_same = entry is not None and entry.get("digest") == digest and entry.get("status") == "finished"
        return entry if is_same and painting.out.is_file() and painting.derived.exist(painting.out) else None

    def started(self, painting: Painting, digest: str) -> str | None:
        """Return the run that was started for the same input and options, or None.

        It may have finished, if files of it are missing here.
        """
        entry = self._entries.get(painting.out.name)
        if entry is None or entry.get("digest") != digest:
            return None
        return str(entry["run_id"])

    def record(self, painting: Painting, digest: str, status: str, **fields: Any) -> None:
        """Record a painting's state, and write the file."""
        self._entries[painting.out.name] = {"digest": digest, "status": status, **fields}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file, (json.dumps(self._entries, indent=1, ensure_ascii=False) + "\n").encode())


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the file; a missing or damaged file has none, so everything is painted again."""
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return (
        {name: entry for name, entry in entries.items() if isinstance(entry, dict)} if isinstance(entries, dict) else {}
    )


def digest_of(painting: Painting) -> str:
    """Return a hash of a painting's options, the size and time of its video, and the content of its other files."""
    digest = hashlib.sha256(painting.trigger.model_copy(update={"label": None}).dumps())
    stat = painting.video.stat()
    digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
    for name, path in sorted(painting.extras.items()):
        digest.update(name.encode() + md5_of(path))
    return digest.hexdigest()
