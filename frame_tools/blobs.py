"""Blob storage in the few verbs that Impasto needs; the only importer of `azure.storage.blob`.

Every write is whole: a blob appears complete under its name or not at all. `create` (If-None-Match: *) and `replace`
(If-Match) let exactly one of several writers win, which is what the handlers build on.
https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
"""

import base64
import hashlib
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import requests
from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import (
    BlobBlock,
    BlobLeaseClient,
    BlobProperties,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    ExponentialRetry,
    generate_container_sas,
)
from requests.adapters import HTTPAdapter

from frame_tools.accounts import Account
from frame_tools.errors import DamagedError, InputError, MissingError

CONNECTIONS: Final = 32
LEASE_SECONDS: Final = 60
RANGE_BYTES: Final = 4 * 2**20


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

    def is_there(self) -> bool:
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
        return _info(name, found, etag=str(found.etag))

    def exists(self, name: str) -> bool:
        """Say whether the blob is there."""
        return self.info(name) is not None

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Yield what lies under `prefix` (end it with "/", or siblings come along), in name order."""
        try:
            for item in self._client.list_blobs(name_starts_with=prefix, results_per_page=5000):
                # A listing gives ETags bare, every other call with quotes: make them equal.
                yield _info(item.name, item, etag=f'"{item.etag.strip(chr(34))}"')
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


class Lease:
    """A lease that is renewed in the background until it is closed or lost."""

    def __init__(self, client: BlobLeaseClient) -> None:
        self._client = client
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether the lease could not be renewed: somebody else may hold it now."""
        return self._lost.is_set()

    def _renew(self) -> None:
        while not self._stop.wait(LEASE_SECONDS / 3):
            try:
                self._client.renew()
            except AzureError:  # refused, or not reached in all the client's own tries
                self._lost.set()
                return

    def close(self) -> None:
        """Stop renewing and let go."""
        self._stop.set()
        self._thread.join()
        try:
            self._client.release()
        except AzureError:
            self._lost.set()


class BlockWriter:
    """Stages blocks of a new blob and commits their list once (If-None-Match: *).

    https://learn.microsoft.com/rest/api/storageservices/put-block-list
    """

    def __init__(self, client: ContainerClient, name: str) -> None:
        self._client = client.get_blob_client(name)

    def stage(self, block_id: str, data: bytes) -> None:
        """Send one block; nothing is visible yet. Ids of one blob have equal length."""
        self._client.stage_block(base64.b64encode(block_id.encode()).decode(), data)

    def commit(self, block_ids: Sequence[str]) -> None:
        """Make the blob of these blocks, in this order; raises AlreadyThereError if the name is taken."""
        try:
            self._client.commit_block_list(
                [BlobBlock(block_id=base64.b64encode(i.encode()).decode()) for i in block_ids],
                match_condition=MatchConditions.IfMissing,
            )
        except (ResourceExistsError, ResourceModifiedError):
            raise AlreadyThereError(str(self._client.blob_name)) from None


class AlreadyThereError(Exception):
    """The blob was committed by somebody else before."""


class RangedReader(io.RawIOBase):
    """A blob as a seekable file that keeps one range of 4 MiB in memory."""

    def __init__(self, client: ContainerClient, info: BlobInfo) -> None:
        super().__init__()
        self._client = client
        self._info = info
        self._position = 0
        self._start = 0
        self._held = b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can seek."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in bytes and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._info.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the position on; returns how many bytes, 0 at the end."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes (all that is left for -1) from the position on."""
        wanted = self._info.size - self._position if size < 0 else min(size, self._info.size - self._position)
        parts: list[bytes] = []
        while wanted > 0:
            if not self._start <= self._position < self._start + len(self._held):
                self._fetch()
            offset = self._position - self._start
            part = self._held[offset : offset + wanted]
            parts.append(part)
            self._position += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def _fetch(self) -> None:
        length = min(RANGE_BYTES, self._info.size - self._position)
        try:
            self._held = self._client.download_blob(
                self._info.name,
                offset=self._position,
                length=length,
                etag=self._info.etag,
                match_condition=MatchConditions.IfNotModified,
            ).readall()
        except ResourceModifiedError:
            raise DamagedError(f"The blob {self._info.name} changed while it was read", "Start the run anew") from None
        self._start = self._position


class BlobAccount:
    """The blob service of one storage account; safe to share between threads."""

    def __init__(self, account: Account) -> None:
        options = _client_options()
        if account.connection_string:
            try:
                self._client = BlobServiceClient.from_connection_string(account.connection_string, **options)
            except ValueError as error:
                raise InputError(
                    f"The setting {account.setting} is no storage connection string",
                    "Copy it from local.settings.json.example, or from the account",
                ) from error
        else:
            self._client = BlobServiceClient(str(account.blob_url), credential=account.credential(), **options)

    def container(self, name: str) -> Container:
        """Return a container by name; it need not exist yet."""
        return Container(self._client.get_container_client(name))

    def signed_url(self, container: str, *, permissions: str, start: datetime, end: datetime) -> str:
        """Return the container's URL with a signature that allows `permissions` ("cwl", "rl") until `end`.

        Signed by our identity (a user delegation key), or by the emulator's key where that is how we got in.
        https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
        """
        account = str(self._client.account_name)
        key = getattr(self._client.credential, "account_key", None)
        signer = (
            {"account_key": key} if key else {"user_delegation_key": self._client.get_user_delegation_key(start, end)}
        )
        signature = generate_container_sas(
            account, container, permission=permissions, start=start, expiry=end, **signer
        )
        return f"{self._client.get_container_client(container).url}?{signature}"


def container_at(signed_url: str) -> Container:
    """Open a container by a URL that carries its signature; raises InputError if it is no such URL."""
    try:
        return Container(ContainerClient.from_container_url(signed_url, **_client_options()))
    except ValueError as error:
        raise InputError("That is no URL of a container", "Ask whoever gave it to you for a new one") from error


def _client_options() -> dict[str, Any]:
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return {
        "transport": RequestsTransport(session=session, session_owner=False),
        # The SDK's own first pause is 15 s, an age for a throttled second.
        "retry_policy": ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=5),
    }


def sha256_of(data: bytes) -> str:
    """Return the lower-case hex sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def md5_of(path: Path) -> bytes:
    """Return the MD5 of a file's content: a fingerprint to spare an upload, no protection."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, _md5).digest()


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _info(name: str, found: BlobProperties, *, etag: str) -> BlobInfo:
    md5 = found.content_settings.content_md5
    return BlobInfo(
        name=name, size=int(found.size), etag=etag, created=found.creation_time, md5=bytes(md5) if md5 else None
    )
