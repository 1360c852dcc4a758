"""Storage in memory for benchmarks: `Container` and `Queue` with their verbs kept, the network left out."""

from collections.abc import Iterator

from frame_tools.contracts import paths
from frame_tools.contracts.messages import BatchMessage
from frame_tools.storage.blobs import Blob, BlobInfo, Container, sha256_of
from frame_tools.storage.deployment import Storage
from frame_tools.storage.queues import Queue


class MemoryContainer(Container):
    """A container whose blobs are a dictionary; the verbs that scoring and joining use."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.blobs: dict[str, bytes] = {}

    @property
    def name(self) -> str:
        """The container's name."""
        return self._name

    def read(self, name: str, *, limit: int | None = None) -> Blob | None:
        """Return the blob, or None."""
        data = self.blobs.get(name)
        return None if data is None else Blob(data=data, etag=_etag(data))

    def info(self, name: str) -> BlobInfo | None:
        """Return what a listing would say."""
        data = self.blobs.get(name)
        return None if data is None else BlobInfo(name=name, size=len(data), etag=_etag(data), created=None, md5=None)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Yield what lies under `prefix`, in name order."""
        for name in sorted(self.blobs):
            if name.startswith(prefix) and (found := self.info(name)) is not None:
                yield found

    def write(self, name: str, data: bytes) -> str:
        """Keep the blob."""
        self.blobs[name] = data
        return _etag(data)

    def create(self, name: str, data: bytes) -> bool:
        """Keep the blob unless there is one."""
        return self.blobs.setdefault(name, data) is data


class MemoryQueue(Queue):
    """A queue that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[BatchMessage] = []

    def send(self, message: BatchMessage) -> None:
        """Keep the message."""
        self.messages.append(message)


def memory_storage() -> Storage:
    """Return storage that lives in this process."""
    return Storage(
        input=MemoryContainer(paths.INPUT),
        triggers=MemoryContainer(paths.TRIGGERS),
        work=MemoryContainer(paths.WORK),
        output=MemoryContainer(paths.OUTPUT),
        runs=MemoryContainer(paths.RUNS),
        logs=MemoryContainer(paths.LOGS),
        scripts=MemoryContainer(paths.SCRIPTS),
        frame_batches=MemoryQueue(),
        finished_batches=MemoryQueue(),
    )


def _etag(data: bytes) -> str:
    return f'"{sha256_of(data)[:16]}"'
