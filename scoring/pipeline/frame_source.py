"""Where a task reads its frames: from blobs, or from the folder that the node mounts their container on.

Paintings, documents and every write go by the SDK in both modes: receipts need ETags, and writes their conditions.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from frame_tools.contracts.errors import ImpastoError, InputError, InternalError, NextStep, TemporaryError
from frame_tools.contracts.plan import BlobRef
from frame_tools.storage.blobs import Container
from frame_tools.storage.deployment import Storage
from frame_tools.storage.mode import STORAGE_MODE

MOUNTS_FOLDER: Final = "AZ_BATCH_NODE_MOUNTS_DIR"
"""Set by Batch: https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables"""
MAX_FRAME_BYTES: Final = 200 * 2**20
"""As the plan allows; the frame may have been replaced since."""

# Batch's mounts are Linux only. O_NONBLOCK: to open a pipe must not wait for its other end.
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_PLAIN: Final = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO}
"""What opening says of a link, of a link or file in a folder's place, of a folder, and of a socket."""


class FrameSource(Protocol):
    """Frames by name."""

    def read(self, name: str) -> bytes:
        """Return the frame's file; safe to call from several threads.

        Raises InputError if it is not there, too large or no plain file, TemporaryError if it can't be read now.
        """


@dataclass(frozen=True)
class BlobFrames:
    """Frames as blobs of a container, below a prefix that is empty or ends with "/"."""

    container: Container
    prefix: str

    def read(self, name: str) -> bytes:
        """Return the blob."""
        blob = self.container.read(self.prefix + _checked(name), limit=MAX_FRAME_BYTES)
        if blob is None:
            raise _gone(name)
        if len(blob.data) > MAX_FRAME_BYTES:
            raise _too_large(name)
        return blob.data


@dataclass(frozen=True)
class MountedFrames:
    """The same frames as files below the folder that shows their container."""

    folder: Path
    blobs: BlobFrames
    """Asked where the folder has no such file: an answer that ends the step must not come from a cache."""

    def read(self, name: str) -> bytes:
        """Return the file. No link is followed: an uploader can make one by the metadata of a blob."""
        parts = [*self.blobs.prefix.split("/")[:-1], _checked(name)]
        try:
            return _read_beneath(self.folder, parts)
        except FileNotFoundError:
            self.blobs.read(name)
            raise TemporaryError(
                f"The frame {name!r} is in the container {self.blobs.container.name}, but not in the mounted folder",
                "It is tried again; if it goes on, look at the node's mount, or set STORAGE_MODE to sdk",
            ) from None
        except PermissionError:
            raise InternalError(
                f"The task may not read the mounted frame {name!r}",
                "Let others read the mount, as docs/deploy.md says under Mounts, or set STORAGE_MODE to sdk",
            ) from None
        except OSError as error:
            raise _refusal(name, error) from error


def open_frames(environ: Mapping[str, str], storage: Storage, ref: BlobRef) -> FrameSource:
    """Return the frames below `ref`, read in the way that the task's environment names.

    Raises InternalError where that is a mount that this node has not.
    """
    blobs = BlobFrames(storage.data_container(ref.container), ref.name)
    mode = environ.get(STORAGE_MODE) or "sdk"
    if mode == "sdk":
        return blobs
    if mode != "mount":
        raise InternalError(f"STORAGE_MODE is {mode[:40]!r}", "Set it to sdk or mount")
    for part in ref.name.split("/")[:-1]:
        _checked(part)
    mounts = environ.get(MOUNTS_FOLDER)
    folder = Path(mounts or "", ref.container)
    if not mounts or not folder.is_dir():
        raise InternalError(
            f"STORAGE_MODE is mount, but this node has no folder {ref.container} in {MOUNTS_FOLDER}",
            "Deploy the pool with mounts blobfuse or nfs (identities and mounts reach new nodes only),"
            " or set STORAGE_MODE to sdk",
        )
    return MountedFrames(folder, blobs)


def _checked(name: str) -> str:
    """Return a name that stays in its folder; frames' names may hold more than those that we give ourselves."""
    if name in ("", ".", "..") or set(name) & {"/", "\\", "\0"}:
        raise InputError(f"{name[:60]!r} can't be a frame's name", "Number the frames 000001.jpg, 000002.jpg, …")
    return name


def _gone(name: str) -> InputError:
    return InputError(
        f"The frame {name!r} is not there any more",
        "Upload it again, then resubmit what is missing",
        next_step=NextStep.RESUBMIT,
    )


def _too_large(name: str) -> InputError:
    return InputError(
        f"The frame {name!r} has more than {MAX_FRAME_BYTES} bytes",
        "Upload a smaller one, then resubmit what is missing",
        next_step=NextStep.RESUBMIT,
    )


def _refusal(name: str, error: OSError) -> ImpastoError:
    if error.errno == errno.EFBIG:
        return _too_large(name)
    if error.errno == errno.ENAMETOOLONG:
        return InputError(f"The name {name[:60]!r}… is too long for a mounted folder", "Give the frames shorter names")
    if error.errno in _NOT_PLAIN:
        return InputError(
            f"The frame {name!r} is a link, a folder or a pipe, or lies behind a link",
            "Upload it again as a plain file, without metadata, then resubmit what is missing",
            next_step=NextStep.RESUBMIT,
        )
    return TemporaryError(
        f"The mounted frame {name!r} could not be read: {error.strerror}",
        "It is tried again; if it goes on, look at the node's mount, or set STORAGE_MODE to sdk",
    )


def _read_beneath(folder: Path, parts: Sequence[str]) -> bytes:
    """Read a plain file, each part of its path opened from the one before; raises OSError."""
    with ExitStack() as opened:
        place = opened.enter_context(_opened(os.fspath(folder), _FOLDER))
        for part in parts[:-1]:
            place = opened.enter_context(_opened(part, _FOLDER | os.O_NOFOLLOW, place))
        file = opened.enter_context(_opened(parts[-1], _FILE, place))
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if status.st_size > MAX_FRAME_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        with open(file, "rb", closefd=False) as source:
            return source.read()


@contextmanager
def _opened(name: str, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
