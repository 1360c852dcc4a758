"""Sources of a task's frames: blobs, or the folder on which the node mounts their container.

Paintings, documents and all writes use the SDK in both modes: receipts need ETags, and writes need conditions.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from frame_tools.contracts.choices import MAX_FRAME_BYTES
from frame_tools.contracts.errors import ImpastoError, InputError, InternalError, NextStep, TemporaryError
from frame_tools.contracts.plan import BlobRef
from frame_tools.storage.deployment import Storage
from frame_tools.storage.mode import STORAGE_MODE
from frame_tools.storage.ports import BlobContainer

MOUNTS_FOLDER: Final = "AZ_BATCH_NODE_MOUNTS_DIR"
"""Set by Batch: https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables"""


def _flags(*names: str) -> int:
    """Return these flags of `os`; Windows lacks most of them, but imports this module for previews."""
    return sum(getattr(os, name, 0) for name in names)


# Batch mounts exist on Linux only. O_NONBLOCK: opening a pipe must not wait for its other end.
_FOLDER_FLAGS: Final = _flags("O_RDONLY", "O_DIRECTORY", "O_CLOEXEC")
_FILE_FLAGS: Final = _flags("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
_NOT_REGULAR_ERRNOS: Final = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO}
"""Error numbers of open() for a link, for a link or file in place of a folder, for a folder, and for a socket."""


_CHECK_MOUNT: Final = "The task is retried; if this persists, check the mount of the node, or set STORAGE_MODE to sdk"


class FrameError(InputError):
    """A frame that cannot be used."""


class FrameSource(Protocol):
    """Frames by name."""

    def read(self, name: str) -> bytes:
        """Return the file of a frame; thread-safe.

        Raises FrameError if it does not exist, is too large or is not a regular file, TemporaryError if it cannot be
        read now.
        """


@dataclass(frozen=True)
class BlobFrames:
    """Frames as blobs of a container, under a prefix that is empty or ends with "/"."""

    container: BlobContainer
    prefix: str

    def read(self, name: str) -> bytes:
        """Return the blob."""
        blob = self.container.read(self.prefix + _checked(name), limit=MAX_FRAME_BYTES)
        if blob is None:
            raise _missing(name)
        if len(blob.data) > MAX_FRAME_BYTES:
            raise _too_large(name)
        return blob.data


@dataclass(frozen=True)
class MountedFrames:
    """The same frames as files under the mount point of their container."""

    folder: Path
    blobs: BlobFrames
    """Consulted when the folder lacks a file: a permanent failure must not come from a stale cache."""

    def read(self, name: str) -> bytes:
        """Return the file. Links are not followed: an uploader can create one through the metadata of a blob."""
        parts = [*self.blobs.prefix.split("/")[:-1], _checked(name)]
        try:
            return _read_beneath(self.folder, parts)
        except FileNotFoundError:
            self.blobs.read(name)
            raise TemporaryError(
                f"Frame {name!r} is in the container {self.blobs.container.name}, but not in the mounted folder",
                _CHECK_MOUNT,
            ) from None
        except PermissionError:
            raise InternalError(
                f"The task has no permission to read the mounted frame {name!r}",
                "Grant read access to the mount (docs/deploy.md, Mounts), or set STORAGE_MODE to sdk",
            ) from None
        except OSError as error:
            raise _read_error(name, error) from error


def open_frames(environ: Mapping[str, str], storage: Storage, ref: BlobRef) -> FrameSource:
    """Return the frames under `ref`, read as the task's environment selects.

    Raises InternalError if that is a mount and this node does not have it.
    """
    blobs = BlobFrames(storage.data_container(ref.container), ref.name)
    mode = environ.get(STORAGE_MODE) or "sdk"
    if mode == "sdk":
        return blobs
    if mode != "mount":
        raise InternalError(f"STORAGE_MODE {mode[:40]!r} is invalid", "Set it to sdk or mount")
    for part in ref.name.split("/")[:-1]:
        _checked(part)
    mounts = environ.get(MOUNTS_FOLDER)
    folder = Path(mounts or "", ref.container)
    if not mounts or not folder.is_dir():
        raise InternalError(
            f"STORAGE_MODE is mount, but {MOUNTS_FOLDER} on this node has no folder {ref.container}",
            "Deploy the pool with mounts blobfuse or nfs (only new nodes get identities and mounts),"
            " or set STORAGE_MODE to sdk",
        )
    return MountedFrames(folder, blobs)


def _checked(name: str) -> str:
    """Return `name` if it stays within its folder; raises InputError otherwise."""
    if name in ("", ".", "..") or set(name) & {"/", "\\", "\0"}:
        raise InputError(f"{name[:60]!r} is not a valid frame name", "Number the frames 000001.jpg, 000002.jpg, …")
    return name


def _missing(name: str) -> FrameError:
    return FrameError(
        f"Frame {name!r} no longer exists",
        "Upload it again, then resubmit the missing batches",
        next_step=NextStep.RESUBMIT,
    )


def _too_large(name: str) -> FrameError:
    return FrameError(
        f"Frame {name!r} has more than {MAX_FRAME_BYTES} bytes",
        "Upload a smaller one, then resubmit the missing batches",
        next_step=NextStep.RESUBMIT,
    )


def _read_error(name: str, error: OSError) -> ImpastoError:
    if error.errno == errno.EFBIG:
        return _too_large(name)
    if error.errno == errno.ENAMETOOLONG:
        return FrameError(f"The name {name[:60]!r}… is too long for a mounted folder", "Use shorter frame names")
    if error.errno in _NOT_REGULAR_ERRNOS:
        return FrameError(
            f"Frame {name!r} is a link, a folder or a pipe, or is reached through a link",
            "Upload it again as a regular file, without metadata, then resubmit the missing batches",
            next_step=NextStep.RESUBMIT,
        )
    return TemporaryError(
        f"The mounted frame {name!r} cannot be read: {error.strerror}",
        _CHECK_MOUNT,
    )


def _read_beneath(folder: Path, parts: Sequence[str]) -> bytes:
    """Read a regular file, opening each part of its path relative to the one before; raises OSError."""
    with ExitStack() as descriptors:
        parent = descriptors.enter_context(_open_descriptor(os.fspath(folder), _FOLDER_FLAGS))
        for part in parts[:-1]:
            parent = descriptors.enter_context(_open_descriptor(part, _FOLDER_FLAGS | os.O_NOFOLLOW, parent))
        file = descriptors.enter_context(_open_descriptor(parts[-1], _FILE_FLAGS, parent))
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if status.st_size > MAX_FRAME_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        with open(file, "rb", closefd=False) as source:
            return source.read()


@contextmanager
def _open_descriptor(name: str, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
