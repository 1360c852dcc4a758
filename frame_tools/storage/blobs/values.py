"""Values of a blob: its content, its properties, its hashes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from azure.storage.blob import BlobProperties

T = TypeVar("T")
_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Blob:
    """The content of a blob and its ETag when it was read."""

    data: bytes
    etag: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BlobInfo:
    """The properties of a blob; small, because listings have hundreds of thousands."""

    name: str
    size: int
    etag: str
    created: datetime | None
    md5: bytes | None
    """MD5 of the content, if it was recorded: by the service for a blob written in one request, else by the writer."""
    modified: datetime | None = None
    """When the blob was last written."""
    metadata: Mapping[str, str] = field(default_factory=lambda: _NO_METADATA)
    """Names and values that were written with the blob; only in listings that ask for them."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a listing."""

    items: tuple[T, ...]
    marker: str
    """Where the listing continues; empty at its end."""


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of `data` in lowercase hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def md5_of_bytes(data: bytes) -> bytes:
    """Return the MD5 of `data`, for comparing it with a listing; not for security."""
    return hashlib.md5(data, usedforsecurity=False).digest()


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
        modified=properties.last_modified,
        metadata=dict(properties.metadata or {}),
    )
