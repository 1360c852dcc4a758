"""A timer's memory: when it fired last and is to fire next.

It lies in the blob `azure-webjobs-hosts/timers/<host id>/Host.Functions.<name>/status`.
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
    """The times of one timer, aware."""

    last: datetime
    """The last call's end; NEVER before the first."""
    next: datetime
    updated: datetime
    """The moment from which `next` was computed."""

    def to_record(self) -> dict[str, str]:
        """As it lies in the status blob and reaches the function."""
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }

    @classmethod
    def from_json(cls, text: bytes) -> "TimerStatus":
        """Read a status blob. Raises ValueError, KeyError or TypeError for another shape."""
        record = json.loads(text)
        last, following, updated = (datetime.fromisoformat(record[key]) for key in ("Last", "Next", "LastUpdated"))
        return cls(last, following, updated)


class TimerStatusStore:
    """The status blob of one timer."""

    def __init__(self, storage: Storage, host_id: str, function: str) -> None:
        self._storage = storage
        self._name = f"timers/{host_id}/{function}/status"

    async def read(self) -> TimerStatus | None:
        """What is recorded; None if nothing is, or nothing that can be understood. Raises AzureError."""
        container = await self._storage.hosts_container()
        try:
            download = await container.get_blob_client(self._name).download_blob()
            return TimerStatus.from_json(await download.readall())
        except ResourceNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("%s cannot be understood, starting anew: %r", self._name, error)
            return None

    async def write(self, status: TimerStatus) -> None:
        """Record the status; if storage fails, the old one stands and the next call records again."""
        try:
            container = await self._storage.hosts_container()
            blob = container.get_blob_client(self._name)
            await blob.upload_blob(json.dumps(status.to_record()).encode(), overwrite=True)
        except AzureError as error:
            _log.warning("%s was not written: %s", self._name, short_error(error))
