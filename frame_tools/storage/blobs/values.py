"""What is said of a blob: its bytes, its listing, its fingerprints."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobProperties


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A blob's bytes with the ETag they had when read."""

    data: bytes
    etag: str


@dataclass(frozen=True, kw_only=True)
class BlobInfo:
    """What a listing says of a blob."""

    name: str
    size: int
    etag: str
    created: datetime | None
    md5: bytes | None
    """Of the content, where the writer or the service noted it."""


def sha256_of(data: bytes) -> str:
    """Return the lower-case hex sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def md5_of(path: Path) -> bytes:
    """Return the MD5 of a file's content: a fingerprint to spare an upload, no protection."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, _md5).digest()


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def info_of(name: str, found: BlobProperties, *, etag: str) -> BlobInfo:
    """Return what a listing or a head request says, with the ETag in quotes."""
    md5 = found.content_settings.content_md5
    return BlobInfo(
        name=name, size=int(found.size), etag=etag, created=found.creation_time, md5=bytes(md5) if md5 else None
    )
