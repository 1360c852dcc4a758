"""Values of a blob: its content, its properties, its hashes."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobProperties


@dataclass(frozen=True, kw_only=True)
class Blob:
    """The content of a blob and its ETag when it was read."""

    data: bytes
    etag: str


@dataclass(frozen=True, kw_only=True)
class BlobInfo:
    """The properties of a blob."""

    name: str
    size: int
    etag: str
    created: datetime | None
    md5: bytes | None
    """MD5 of the content, if the writer or the service recorded it."""


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of `data` in lowercase hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def md5_of(path: Path) -> bytes:
    """Return the MD5 of a file's content, for detecting unchanged files; not for security."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, _md5).digest()


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def info_of(name: str, properties: BlobProperties, *, etag: str) -> BlobInfo:
    """Return the properties from a listing or a HEAD request, with the ETag in quotes."""
    md5 = properties.content_settings.content_md5
    return BlobInfo(
        name=name,
        size=int(properties.size),
        etag=etag,
        created=properties.creation_time,
        md5=bytes(md5) if md5 else None,
    )
