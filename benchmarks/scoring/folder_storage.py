"""Storage in the files of a folder, to measure a task without a storage service on the same cores."""

from collections.abc import Iterator
from pathlib import Path

from frame_tools.contracts import paths
from frame_tools.contracts.messages import BatchMessage
from frame_tools.storage.blobs import Blob, BlobInfo, Container
from frame_tools.storage.deployment import Storage
from frame_tools.storage.queues import Queue


class FolderContainer(Container):
    """A container whose blobs are files; the operations that scoring uses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """The container's name."""
        return self._folder.name

    def read(self, name: str, *, limit: int | None = None) -> Blob | None:
        """Return the blob, or None; of a blob larger than `limit` bytes, the first limit + 1 bytes."""
        try:
            with self._path(name).open("rb") as file:
                data = file.read(-1 if limit is None else limit + 1)
        except FileNotFoundError:
            return None
        return Blob(data=data, etag=self._etag(name))

    def info(self, name: str) -> BlobInfo | None:
        """Return the properties of a blob, or None."""
        path = self._path(name)
        if not path.is_file():
            return None
        return BlobInfo(name=name, size=path.stat().st_size, etag=self._etag(name), created=None, md5=None)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Yield the blobs under `prefix`, in name order."""
        files = (path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*"))
        for name in sorted(name for name in files if name.startswith(prefix)):
            if (info := self.info(name)) is not None:
                yield info

    def write(self, name: str, data: bytes) -> str:
        """Write the file."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return self._etag(name)

    def create(self, name: str, data: bytes) -> bool:
        """Write the file unless it exists."""
        if self._path(name).exists():
            return False
        self.write(name, data)
        return True

    def delete(self, name: str, *, etag: str | None = None) -> bool:
        """Delete the file, only if its ETag is `etag` where given."""
        if self.info(name) is None or etag not in (None, self._etag(name)):
            return False
        self._path(name).unlink()
        return True

    def _path(self, name: str) -> Path:
        return self._folder / name

    def _etag(self, name: str) -> str:
        status = self._path(name).stat()
        return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'


class SilentQueue(Queue):
    """A queue that discards messages."""

    def __init__(self) -> None:
        """Connect to nothing."""

    def send(self, message: BatchMessage) -> None:
        """Discard the message."""


def folder_storage(folder: Path) -> Storage:
    """Return storage with a folder for each container below `folder`."""
    return Storage(
        input=FolderContainer(folder / paths.INPUT),
        triggers=FolderContainer(folder / paths.TRIGGERS),
        work=FolderContainer(folder / paths.WORK),
        output=FolderContainer(folder / paths.OUTPUT),
        runs=FolderContainer(folder / paths.RUNS),
        logs=FolderContainer(folder / paths.LOGS),
        scripts=FolderContainer(folder / paths.SCRIPTS),
        frame_batches=SilentQueue(),
        finished_batches=SilentQueue(),
    )
