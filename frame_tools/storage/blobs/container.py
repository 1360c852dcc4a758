"""One container and its verbs: read, list, write whole, create once, append, lease."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import ContainerClient, ContentSettings

from frame_tools.contracts.errors import MissingError
from frame_tools.storage.blobs.large import BlockWriter, RangedReader
from frame_tools.storage.blobs.lease import LEASE_SECONDS, Lease
from frame_tools.storage.blobs.values import Blob, BlobInfo, info_of, md5_of


class Container:
    """One container of a storage account."""

    def __init__(self, client: ContainerClient) -> None:
        self._client = client

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self._client.container_name)

    @property
    def url(self) -> str:
        """The container's URL without any signature."""
        return str(self._client.url).split("?", 1)[0]

    def ensure(self) -> None:
        """Create the container unless it exists."""
        try:
            self._client.create_container()
        except ResourceExistsError:
            return

    def is_created(self) -> bool:
        """Whether the container exists; raises HttpResponseError if we may not look."""
        return bool(self._client.exists())

    def read(self, name: str, *, limit: int | None = None) -> Blob | None:
        """Return the blob, or None if it is not there; of a larger one than `limit` bytes, the first limit + 1."""
        try:
            part: dict[str, Any] = {} if limit is None else {"offset": 0, "length": limit + 1}
            stream = self._client.download_blob(name, max_concurrency=1, **part)
            return Blob(data=stream.readall(), etag=str(stream.properties.etag))
        except ResourceNotFoundError:
            return None
        except HttpResponseError as error:
            if error.status_code == 416:  # a range of an empty blob
                return Blob(data=b"", etag=str((info := self.info(name)) and info.etag))
            raise

    def need(self, name: str) -> Blob:
        """Return the blob; raises MissingError if it is not there."""
        blob = self.read(name)
        if blob is None:
            raise MissingError(f"The blob {self.name}/{name} is not there", "Was it deleted, or is the run id another?")
        return blob

    def info(self, name: str) -> BlobInfo | None:
        """Return size and ETag of a blob, or None if it is not there."""
        try:
            found = self._client.get_blob_client(name).get_blob_properties()
        except ResourceNotFoundError:
            return None
        return info_of(name, found, etag=str(found.etag))

    def exists(self, name: str) -> bool:
        """Say whether the blob is there."""
        return self.info(name) is not None

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Yield what lies under `prefix` (end it with "/", or siblings come along), in name order."""
        try:
            for item in self._client.list_blobs(name_starts_with=prefix, results_per_page=5000):
                # A listing gives ETags bare, every other call with quotes: make them equal.
                yield info_of(item.name, item, etag=f'"{item.etag.strip(chr(34))}"')
        except ResourceNotFoundError:
            return

    def folders(self) -> Iterator[str]:
        """Yield the names of the container's top folders, in name order."""
        try:
            for item in self._client.walk_blobs(delimiter="/"):
                if item.name.endswith("/"):
                    yield item.name.removesuffix("/")
        except ResourceNotFoundError:
            return

    def write(self, name: str, data: bytes) -> str:
        """Write or overwrite a blob; returns its ETag."""
        return str(self._client.get_blob_client(name).upload_blob(data, overwrite=True, max_concurrency=1)["etag"])

    def create(self, name: str, data: bytes) -> bool:
        """Write a blob unless it exists; returns whether this call made it."""
        try:
            self._client.get_blob_client(name).upload_blob(
                data, overwrite=True, match_condition=MatchConditions.IfMissing, max_concurrency=1
            )
        except (ResourceExistsError, ResourceModifiedError):
            return False
        return True

    def delete(self, name: str, *, etag: str | None = None) -> bool:
        """Delete a blob (only if its ETag is still `etag`, where given); returns whether this call did."""
        condition: dict[str, Any] = {}
        if etag is not None:
            condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            self._client.get_blob_client(name).delete_blob(**condition)
        except (ResourceNotFoundError, ResourceModifiedError):
            return False
        return True

    def append(self, name: str, record: bytes) -> int:
        """Append `record` to an append blob, made if missing; returns how many bytes stood before it."""
        client = self._client.get_blob_client(name)
        try:
            return int(str(client.append_block(record)["blob_append_offset"]))
        except ResourceNotFoundError:
            with suppress(ResourceExistsError, ResourceModifiedError):  # another handler made it in between
                client.create_append_blob(match_condition=MatchConditions.IfMissing)
            return int(str(client.append_block(record)["blob_append_offset"]))

    def upload_file(self, name: str, path: Path) -> None:
        """Write a blob from a file of any size, block by block, with the MD5 of its content noted."""
        digest = md5_of(path)
        with path.open("rb") as source:
            self._client.get_blob_client(name).upload_blob(
                source,
                length=path.stat().st_size,
                overwrite=True,
                max_concurrency=4,
                content_settings=ContentSettings(content_md5=bytearray(digest)),
            )

    def download_to(self, name: str, target: IO[bytes]) -> bool:
        """Write a large blob into an open file, part by part; returns False if it is not there."""
        try:
            self._client.download_blob(name, max_concurrency=4).readinto(target)
        except ResourceNotFoundError:
            return False
        return True

    def open(self, name: str) -> "RangedReader":
        """Open a blob for reading and seeking without holding it; raises MissingError."""
        info = self.info(name)
        if info is None:
            raise MissingError(f"The blob {self.name}/{name} is not there", "Was it deleted?")
        return RangedReader(self._client, info)

    def block_writer(self, name: str) -> "BlockWriter":
        """Return a target for a large new blob that appears only when its blocks are committed."""
        return BlockWriter(self._client, name)

    @contextmanager
    def lease(self, name: str) -> Iterator["Lease | None"]:
        """Hold a renewed lease on the blob `name` (made if missing); yields None if somebody else holds it.

        The lease dies with its process within 60 seconds, so a killed holder strands nobody.
        """
        self.create(name, b"")
        try:
            client = self._client.get_blob_client(name).acquire_lease(lease_duration=LEASE_SECONDS)
        except ResourceExistsError:
            yield None
            return
        lease = Lease(client)
        try:
            yield lease
        finally:
            lease.close()
