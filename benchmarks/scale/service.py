"""A storage account in memory, below the real storage SDK: it answers the REST calls of blobs and queues."""

import base64
import datetime as dt
import email.utils
import io
import itertools
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from frame_tools.storage.blobs import AlreadyThereError, BlobInfo
from frame_tools.storage.in_memory import BlobStore, InMemoryContainer

HOST: Final = "storage.invalid"
CONNECTION: Final = (
    f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={base64.b64encode(b'key').decode()};"
    f"BlobEndpoint=http://{HOST}/account;QueueEndpoint=http://{HOST}/account"
)
"""Connection string of the account."""
Answer = tuple[int, Mapping[str, str], bytes]
MISSING: Final[Answer] = (404, {"x-ms-error-code": "BlobNotFound"}, b"")
EXISTS: Final[Answer] = (409, {"x-ms-error-code": "BlobAlreadyExists"}, b"")
CHANGED: Final[Answer] = (412, {"x-ms-error-code": "ConditionNotMet"}, b"")


class StorageService:
    """Containers and queues that exist as soon as they are used."""

    def __init__(self) -> None:
        self.stores: dict[str, BlobStore] = {}
        self.queues: dict[str, list[str]] = {}
        self._leases = itertools.count(1)

    def container(self, name: str) -> InMemoryContainer:
        """Return a container, for preparing it without a request."""
        return InMemoryContainer(name, self.stores.setdefault(name, BlobStore()))

    def answer(self, adapter: HTTPAdapter, request: PreparedRequest) -> Response:
        """Return the answer to a request."""
        parts = urlsplit(str(request.url))
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        segments = [unquote(segment) for segment in parts.path.split("/", 3)[2:]]
        body = request.body if isinstance(request.body, bytes) else _read(request.body)
        received = CaseInsensitiveDict({name: str(value) for name, value in request.headers.items()})
        status, headers, data = self._handle(str(request.method), segments, query, received, body)
        sent = {"Content-Length": str(len(data)), "Date": email.utils.formatdate(usegmt=True), **headers}
        raw = HTTPResponse(
            body=io.BytesIO(b"" if request.method == "HEAD" else data),
            headers=sent,
            status=status,
            preload_content=False,
            request_method=request.method,
        )
        return adapter.build_response(request, raw)

    def _handle(
        self, method: str, segments: list[str], query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        if len(segments) == 2 and segments[1].partition("/")[0] == "messages":
            return self._message(method, segments[0], body)
        container = self.container(segments[0])
        if query.get("comp") == "list":
            return _list(container, query)
        if len(segments) == 1:
            return 201 if method == "PUT" else 200, {}, b""
        if method in ("GET", "HEAD"):
            return _read_blob(container, segments[1], headers)
        if method == "DELETE":
            deleted = container.delete(segments[1], etag=headers.get("If-Match"))
            return (202, {}, b"") if deleted else MISSING
        return self._put(container, segments[1], query, headers, body)

    def _put(
        self, container: InMemoryContainer, name: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        match query.get("comp"):
            case "lease":
                status = 201 if headers.get("x-ms-lease-action") == "acquire" else 200
                return status, {"x-ms-lease-id": str(next(self._leases)), "ETag": '"0x1"'}, b""
            case "appendblock":
                if not container.exists(name):
                    return MISSING
                return 201, {"x-ms-blob-append-offset": str(container.append(name, body)), "ETag": '"0x1"'}, b""
            case "block":
                container.block_writer(name).stage(query["blockid"], body)
                return 201, {}, b""
            case "blocklist":
                return _commit(container, name, body)
        if headers.get("x-ms-blob-type") == "AppendBlob":
            container.append(name, b"")
            return 201, {"ETag": '"0x1"'}, b""
        etag = headers.get("If-Match")
        if headers.get("If-None-Match") == "*" and container.exists(name):
            return EXISTS
        if etag is not None and (container.info(name) or _NOTHING).etag != etag:
            return CHANGED
        metadata = {key[len("x-ms-meta-") :]: value for key, value in headers.items() if key.startswith("x-ms-meta-")}
        return 201, {"ETag": container.write(name, body, metadata=metadata)}, b""

    def _message(self, method: str, queue: str, body: bytes) -> Answer:
        """Send a message, or peek at an empty queue."""
        if method == "POST":
            self.queues.setdefault(queue, []).append(body.decode())
        now = email.utils.formatdate(usegmt=True)
        message = (
            f"<QueueMessage><MessageId>1</MessageId><InsertionTime>{now}</InsertionTime>"
            f"<ExpirationTime>{now}</ExpirationTime><PopReceipt>1</PopReceipt>"
            f"<TimeNextVisible>{now}</TimeNextVisible></QueueMessage>"
        )
        listed = f"<QueueMessagesList>{message if method == 'POST' else ''}</QueueMessagesList>"
        return 201 if method == "POST" else 200, _XML, listed.encode()


_XML: Final = {"Content-Type": "application/xml"}
_NOTHING: Final = BlobInfo(name="", size=0, etag="", created=None, md5=None)


def _read(body: object) -> bytes:
    """Return the bytes of a request's body, which may be text, a file or nothing."""
    if isinstance(body, str):
        return body.encode()
    read = getattr(body, "read", None)
    return bytes(read()) if read else b""


def _properties(info: BlobInfo) -> dict[str, str]:
    created = info.created or dt.datetime.now(dt.UTC)
    headers = {
        "ETag": info.etag,
        "Last-Modified": email.utils.format_datetime(info.modified or created, usegmt=True),
        "x-ms-creation-time": email.utils.format_datetime(created, usegmt=True),
        "x-ms-blob-type": "BlockBlob",
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
    }
    return headers | ({"Content-MD5": base64.b64encode(info.md5).decode()} if info.md5 else {})


def _read_blob(container: InMemoryContainer, name: str, headers: Mapping[str, str]) -> Answer:
    """Answer GET and HEAD; a GET may ask for a range."""
    info, blob = container.info(name), container.read(name)
    if info is None or blob is None:
        return MISSING
    sent, range_header = _properties(info), headers.get("x-ms-range") or headers.get("Range")
    if range_header is None:
        return 200, sent, blob.data
    first, _, last = range_header.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last or info.size), info.size - 1)
    if start >= info.size:
        return 416, {"x-ms-error-code": "InvalidRange"}, b""
    return 206, sent | {"Content-Range": f"bytes {start}-{end}/{info.size}"}, blob.data[start : end + 1]


def _commit(container: InMemoryContainer, name: str, body: bytes) -> Answer:
    """Answer the commit of a list of blocks."""
    writer, text = container.block_writer(name), body.decode()
    blocks = [part.split("</Latest>")[0] for part in text.split("<Latest>")[1:]]
    try:
        return 201, {"ETag": writer.commit(blocks)}, b""
    except AlreadyThereError:
        return EXISTS


def _list(container: InMemoryContainer, query: Mapping[str, str]) -> Answer:
    """Answer a listing, with the elements and properties that the service sends for each blob.

    One with a delimiter has the folders only.
    """
    if "delimiter" in query:
        folders = container.folder_page(marker=query.get("marker", ""), limit=int(query.get("maxresults", 5000)))
        names = "".join(f"<BlobPrefix><Name>{escape(name)}/</Name></BlobPrefix>" for name in folders.items)
        return _enumeration(container, query, names, folders.marker)
    page = container.page(
        query.get("prefix", ""),
        marker=query.get("marker", ""),
        limit=int(query.get("maxresults", 5000)),
        with_metadata="metadata" in query.get("include", ""),
    )
    return _enumeration(container, query, "".join(_element(item) for item in page.items), page.marker)


def _enumeration(container: InMemoryContainer, query: Mapping[str, str], blobs: str, marker: str) -> Answer:
    echo = "".join(
        f"<{tag}>{escape(query[name])}</{tag}>"
        for tag, name in (("Prefix", "prefix"), ("Marker", "marker"), ("MaxResults", "maxresults"))
        if name in query
    )
    xml = (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://{HOST}/" '
        f'ContainerName="{container.name}">{echo}<Blobs>{blobs}</Blobs><NextMarker>{escape(marker)}</NextMarker>'
        "</EnumerationResults>"
    )
    return 200, _XML, xml.encode()


def _element(item: BlobInfo) -> str:
    properties = _properties(item)
    fields = {
        "Creation-Time": properties["x-ms-creation-time"],
        "Last-Modified": properties["Last-Modified"],
        "Etag": item.etag.strip('"'),
        "Content-Length": str(item.size),
        "Content-Type": properties["Content-Type"],
        "Content-Encoding": "",
        "Content-Language": "",
        "Content-CRC64": "",
        "Content-MD5": properties.get("Content-MD5", ""),
        "Cache-Control": "",
        "Content-Disposition": "",
        "BlobType": "BlockBlob",
        "AccessTier": "Hot",
        "AccessTierInferred": "true",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    texts = "".join(f"<{tag}>{text}</{tag}>" if text else f"<{tag} />" for tag, text in fields.items())
    metadata = "".join(f"<{key}>{escape(text)}</{key}>" for key, text in item.metadata.items())
    name = f"<Name>{escape(item.name)}</Name>"
    if any(character in item.name for character in "￾￿"):
        name = f'<Name Encoded="true">{quote(item.name)}</Name>'
    return (
        f"<Blob>{name}<Properties>{texts}</Properties>"
        f"{f'<Metadata>{metadata}</Metadata>' if metadata else ''}<OrMetadata /></Blob>"
    )
