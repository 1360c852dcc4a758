"""Short-lived links to single blobs, for browsers: videos and pictures never go through the app."""

import datetime as dt
import threading
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from azure.storage.blob import generate_blob_sas

from frame_tools.storage.blobs.account import BlobAccount

LIFETIME: Final = dt.timedelta(hours=1)
"""The least time for which a link works."""
STEP: Final = dt.timedelta(hours=1)
"""Links of the same interval of this length are equal, so that a page that is drawn again loads nothing again."""
CLOCK_SKEW: Final = dt.timedelta(minutes=15)


@dataclass(frozen=True)
class SignedLinks:
    """Links to blobs of one account, each signed for reading that blob only; safe to share between threads."""

    account: BlobAccount
    _keys: dict[dt.datetime, dict[str, Any]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def origin(self) -> str:
        """The origin of all links, scheme://host:port."""
        parts = urlsplit(self.account.url)
        return f"{parts.scheme}://{parts.netloc}"

    def view(self, container: str, name: str, *, now: dt.datetime, download: str = "") -> str:
        """Return a link that reads one blob; with `download`, browsers store it under that name."""
        disposition: dict[str, Any] = {"content_disposition": f'attachment; filename="{download}"'} if download else {}
        return self._sign(container, name, "r", *_interval(now), **disposition)

    def upload(self, container: str, name: str, *, now: dt.datetime) -> tuple[str, dt.datetime]:
        """Return a link that creates or replaces one blob, whole or in blocks, and when it expires."""
        start, end = _interval(now)
        return self._sign(container, name, "cw", start, end), end

    def _sign(
        self, container: str, name: str, permission: str, start: dt.datetime, end: dt.datetime, **options: Any
    ) -> str:
        signature = generate_blob_sas(
            self.account.name,
            container,
            name,
            permission=permission,
            start=start,
            expiry=end,
            **options,
            **self._signer(start, end),
        )
        return f"{self.account.blob_url(container, name)}?{signature}"

    def _signer(self, start: dt.datetime, end: dt.datetime) -> dict[str, Any]:
        """Return the key of an interval; a user delegation key costs a request, so the last is kept."""
        with self._lock:
            if start not in self._keys:
                self._keys.clear()
                self._keys[start] = self.account.signer(start, end)
            return self._keys[start]


def _interval(now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return start and end of the links that are signed now."""
    seconds = STEP.total_seconds()
    begin = dt.datetime.fromtimestamp(now.timestamp() // seconds * seconds, dt.UTC)
    return begin - CLOCK_SKEW, begin + STEP + LIFETIME
