"""Links to blobs in memory."""

import datetime as dt
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class InMemoryLinks:
    """Links to blobs in memory, which a test's server answers."""

    origin: str = "http://memory.invalid"

    def view(self, container: str, name: str, *, now: dt.datetime, download: str = "") -> str:
        """Return the link of a blob; it has no signature."""
        del now
        return f"{self.origin}/{container}/{quote(name)}" + (f"?download={quote(download)}" if download else "")

    def upload(self, container: str, name: str, *, now: dt.datetime) -> tuple[str, dt.datetime]:
        """Return the link of a blob, and when it expires."""
        return f"{self.origin}/{container}/{quote(name)}?upload", now + dt.timedelta(hours=1)
