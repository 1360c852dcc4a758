"""The status blob of a timer: its last and next occurrence.

The blob is `azure-webjobs-hosts/timers/<host id>/Host.Functions.<name>/status`.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.core.exceptions import AzureError, ResourceNotFoundError

from local_cloud.function_host.storage.clients import Storage, short_error

NEVER = datetime.min.replace(tzinfo=UTC)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TimerStatus:
    """The times of a timer, timezone-aware."""

    last: datetime
    """The end of the last call; NEVER before the first."""
    next: datetime
    updated: datetime
    """The time from which `next` was computed."""

    def to_record(self) -> dict[str, str]:
        """Return the JSON object of the status blob, which the function receives too."""
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }

    @classmethod
    def from_json(cls, text: bytes) -> "TimerStatus":
        """Parse a status blob. Raises ValueError, KeyError or TypeError if it is invalid."""
        record = json.loads(text)
        last, following, updated = (datetime.fromisoformat(record[key]) for key in ("Last", "Next", "LastUpdated"))
        return cls(last, following, updated)


class TimerStatusStore:
    """The status blob of one timer."""

    def __init__(self, storage: Storage, host_id: str, function: str) -> None:
        self._storage = storage
        self._name = f"timers/{host_id}/{function}/status"

    async def read(self) -> TimerStatus | None:
        """Return the recorded status; None if there is none or it is invalid. Raises AzureError."""
        container = await self._storage.hosts_container()
        try:
            download = await container.get_blob_client(self._name).download_blob()
            return TimerStatus.from_json(await download.readall())
        except ResourceNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("%s is invalid and will be replaced: %r", self._name, error)
            return None

    async def write(self, status: TimerStatus) -> None:
        """Write the status; if storage fails, the previous status stays and the next call writes again."""
        try:
            container = await self._storage.hosts_container()
            blob = container.get_blob_client(self._name)
            await blob.upload_blob(json.dumps(status.to_record()).encode(), overwrite=True)
        except AzureError as error:
            _log.warning("%s was not written: %s", self._name, short_error(error))
