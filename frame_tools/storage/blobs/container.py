"""A blob container on Azure."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobClient, ContainerClient, ContentSettings, StorageErrorCode

from frame_tools.contracts.errors import MissingError
from frame_tools.storage.blobs.large import BlockWriter, RangedReader
from frame_tools.storage.blobs.lease import Lease, acquire_lease, break_infinite_lease
from frame_tools.storage.blobs.listing import list_pages, quoted
from frame_tools.storage.blobs.values import Blob, BlobInfo, Page, info_of, md5_of

T = TypeVar("T")
PAGE_SIZE: Final = 5000
"""Blobs in one listing request; the maximum of the service."""
READERS: Final = 16
"""Half of the connections that all calls of a process share."""


class Container:
    """A container of a storage account; safe to share between threads."""

    def __init__(self, client: ContainerClient) -> None:
        self._client = client

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self._client.container_name)

    @property
    def url(self) -> str:
        """The container's URL without a signature."""
        return str(self._client.url).split("?", 1)[0]

    @property
    def readers(self) -> int:
        """How many blobs may be read at a time."""
        return READERS

    def ensure(self) -> None:
        """Create the container unless it exists."""
        try:
            self._client.create_container()
        except ResourceExistsError:
            return

    def is_created(self) -> bool:
        """Return whether the container exists; raises HttpResponseError if access is denied."""
        return bool(self._client.exists())

    def read(self, name: str, *, limit: int | None = None) -> Blob | None:
        """Return a blob, or None if it does not exist; of a blob larger than `limit` bytes, the first limit + 1."""
        try:
            part: dict[str, Any] = {} if limit is None else {"offset": 0, "length": limit + 1}
            stream = self._client.download_blob(name, max_concurrency=1, **part)
            return Blob(data=stream.readall(), etag=str(stream.properties.etag))
        except ResourceNotFoundError:
            return None
        except HttpResponseError as error:
            if error.status_code == 416:  # the range of an empty blob
                return Blob(data=b"", etag=str((info := self.info(name)) and info.etag))
            raise

    def need(self, name: str) -> Blob:
        """Return a blob; raises MissingError if it does not exist."""
        blob = self.read(name)
        if blob is None:
            raise MissingError(f"The blob {self.name}/{name} does not exist", "Check the run id and the name")
        return blob

    def info(self, name: str) -> BlobInfo | None:
        """Return the properties of a blob, or None if it does not exist."""
        try:
            properties = self._client.get_blob_client(name).get_blob_properties()
        except ResourceNotFoundError:
            return None
        return info_of(name, properties, etag=str(properties.etag))

    def exists(self, name: str) -> bool:
        """Return whether a blob exists."""
        return self.info(name) is not None

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Yield the blobs whose names start with `prefix`, in name order. End a folder with "/" to exclude siblings."""
        try:
            for page in list_pages(self._client, prefix, limit=PAGE_SIZE):
                yield from page.items
        except ResourceNotFoundError:
            return

    def folders(self) -> Iterator[str]:
        """Yield the names of the top-level folders, in name order."""
        try:
            for item in self._client.walk_blobs(delimiter="/"):
                if item.name.endswith("/"):
                    yield item.name.removesuffix("/")
        except ResourceNotFoundError:
            return

    def page(
        self, prefix: str, *, marker: str = "", limit: int = PAGE_SIZE, with_metadata: bool = False
    ) -> Page[BlobInfo]:
        """Return at most `limit` blobs whose names start with `prefix`, in name order, from `marker` on.

        Raises HttpResponseError with status 400 for a marker that the service does not know.
        """
        if not with_metadata:
            return next(list_pages(self._client, prefix, marker=marker, limit=limit), Page((), ""))
        pages = self._client.list_blobs(name_starts_with=prefix, results_per_page=limit, include=["metadata"]).by_page(
            marker or None
        )
        items = tuple(info_of(item.name, item, etag=quoted(item.etag)) for item in next(pages, ()))
        return Page(items, str(getattr(pages, "continuation_token", None) or ""))

    def folder_page(self, *, marker: str = "", limit: int = PAGE_SIZE) -> Page[str]:
        """Return the names of the top-level folders among the next `limit` names, in name order, from `marker` on.

        Raises HttpResponseError with status 400 for a marker that the service does not know.
        """
        pages = self._client.walk_blobs(delimiter="/", results_per_page=limit).by_page(marker or None)
        items = tuple(item.name.removesuffix("/") for item in next(pages, ()) if item.name.endswith("/"))
        return Page(items, str(getattr(pages, "continuation_token", None) or ""))

    def write(self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write or overwrite a blob; returns its ETag."""
        blob = self._client.get_blob_client(name)
        options: dict[str, Any] = {"overwrite": True, "max_concurrency": 1}
        options |= {"metadata": dict(metadata)} if metadata else {}
        return str(_without_lease(blob, lambda: blob.upload_blob(data, **options))["etag"])

    def create(self, name: str, data: bytes) -> bool:
        """Write a blob unless it exists; returns whether this call created it."""
        try:
            self._client.get_blob_client(name).upload_blob(
                data, overwrite=True, match_condition=MatchConditions.IfMissing, max_concurrency=1
            )
        except (ResourceExistsError, ResourceModifiedError):
            return False
        return True

    def replace(self, name: str, data: bytes, *, etag: str) -> str | None:
        """Overwrite a blob only while its ETag is `etag`; returns its new ETag, or None if it had another one."""
        condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        blob = self._client.get_blob_client(name)
        try:
            return str(blob.upload_blob(data, overwrite=True, max_concurrency=1, **condition)["etag"])
        except (ResourceNotFoundError, ResourceModifiedError):
            return None

    def delete(self, name: str, *, etag: str | None = None) -> bool:
        """Delete a blob (if given, only while its ETag is `etag`); returns whether this call deleted it."""
        condition: dict[str, Any] = {}
        if etag is not None:
            condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        blob = self._client.get_blob_client(name)
        try:
            _without_lease(blob, lambda: blob.delete_blob(**condition))
        except (ResourceNotFoundError, ResourceModifiedError):
            return False
        return True

    def append(self, name: str, record: bytes) -> int:
        """Append `record` to an append blob, created if missing; returns its size before, in bytes."""
        client = self._client.get_blob_client(name)
        try:
            return int(str(client.append_block(record)["blob_append_offset"]))
        except ResourceNotFoundError:
            with suppress(ResourceExistsError, ResourceModifiedError):  # another handler has created it meanwhile
                client.create_append_blob(match_condition=MatchConditions.IfMissing)
            return int(str(client.append_block(record)["blob_append_offset"]))

    def upload_file(self, name: str, path: Path) -> None:
        """Write a blob from a file of any size, block by block, and record the MD5 of its content."""
        digest = md5_of(path)
        with path.open("rb") as source:
            self._client.get_blob_client(name).upload_blob(
                source,
                length=path.stat().st_size,
                overwrite=True,
                max_concurrency=4,
                content_settings=ContentSettings(content_md5=bytearray(digest)),
            )

    def download_to(self, name: str, target: IO[bytes]) -> str | None:
        """Write a blob of any size to an open file, range by range; returns its ETag, or None if it does not exist."""
        try:
            stream = self._client.download_blob(name, max_concurrency=4)
            stream.readinto(target)
        except ResourceNotFoundError:
            return None
        return str(stream.properties.etag)

    def open(self, name: str) -> "RangedReader":
        """Open a blob for reading and seeking without loading it; raises MissingError."""
        info = self.info(name)
        if info is None:
            raise MissingError(f"The blob {self.name}/{name} does not exist", "Check whether it was deleted")
        return RangedReader(self._client, info)

    def block_writer(self, name: str) -> "BlockWriter":
        """Return a writer for a large new blob, which becomes visible when its blocks are committed."""
        return BlockWriter(self._client, name)

    @contextmanager
    def lease(self, name: str) -> Iterator["Lease | None"]:
        """Hold a renewed lease on a blob (created if missing) in the `with` block; None if another process holds it.

        The lease of a process that is killed expires within 60 seconds. Impasto takes no infinite lease: somebody
        else's is broken.
        """
        self.create(name, b"")
        client = acquire_lease(self._client.get_blob_client(name))
        if client is None:
            yield None
            return
        lease = Lease(client)
        try:
            yield lease
        finally:
            lease.close()


def _without_lease(blob: BlobClient, action: Callable[[], T]) -> T:
    """Return what the action on a blob returns, after breaking an infinite lease if that is why it was refused."""
    try:
        return action()
    except HttpResponseError as error:
        if getattr(error, "error_code", None) != StorageErrorCode.LEASE_ID_MISSING or not break_infinite_lease(blob):
            raise
    return action()
