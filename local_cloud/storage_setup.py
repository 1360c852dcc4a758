"""What the templates do with storage accounts in Azure, done to the emulator: containers, queues, origins of uploads.

Requests are signed here with the account's key: Azure's SDK takes longer to import than everything else to start.
https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from http.client import HTTPConnection
from typing import Final

from local_cloud.accounts import DATA_ACCOUNT, DATA_KEY, OPS_ACCOUNT, OPS_KEY, Ports

HOSTS: Final = ("127.0.0.1", "localhost")
CONTAINERS: Final[Mapping[str, tuple[str, ...]]] = {
    DATA_ACCOUNT: ("input", "triggers", "work", "output"),
    OPS_ACCOUNT: ("runs", "logs", "scripts", "hashes"),
}
QUEUES: Final[Mapping[str, tuple[str, ...]]] = {
    DATA_ACCOUNT: ("webjobs-blobtrigger-poison",),
    OPS_ACCOUNT: ("frame-batches", "finished-batches", "frame-batches-poison", "finished-batches-poison"),
}
_KEYS: Final = {DATA_ACCOUNT: DATA_KEY, OPS_ACCOUNT: OPS_KEY}
_VERSION: Final = "2021-12-02"
_CREATED: Final = (201, 204, 409)
"""Made, there already (a queue), there already (a container)."""
_ACCEPTED: Final = (202,)
_SECONDS: Final = 30.0


def make_containers(ports: Ports) -> None:
    """Make the containers and queues that do not exist. Raises OSError with the emulator's answer."""
    with _Requests(ports.blob) as blobs:
        for account, names in CONTAINERS.items():
            for name in names:
                blobs.put(account, name, {"restype": "container"}, expected=_CREATED)
    with _Requests(ports.queue) as queues:
        for account, names in QUEUES.items():
            for name in names:
                queues.put(account, name, {}, expected=_CREATED)


def allow_uploads(ports: Ports) -> None:
    """Let pages of the function host read and write blobs of the data account, if a signature allows it."""
    origins = ",".join(f"http://{host}:{ports.functions}" for host in HOSTS)
    rule = (
        f"<CorsRule><AllowedOrigins>{origins}</AllowedOrigins><AllowedMethods>GET,HEAD,PUT</AllowedMethods>"
        "<AllowedHeaders>content-type,x-ms-*</AllowedHeaders><ExposedHeaders>etag,x-ms-*</ExposedHeaders>"
        "<MaxAgeInSeconds>3600</MaxAgeInSeconds></CorsRule>"
    )
    body = f"<StorageServiceProperties><Cors>{rule}</Cors></StorageServiceProperties>".encode()
    with _Requests(ports.blob) as blobs:
        blobs.put(DATA_ACCOUNT, "", {"comp": "properties", "restype": "service"}, body=body, expected=_ACCEPTED)


class _Requests:
    """A connection to one service of the emulator."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=_SECONDS)

    def __enter__(self) -> "_Requests":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def put(
        self, account: str, name: str, query: Mapping[str, str], *, expected: Iterable[int], body: bytes = b""
    ) -> None:
        """Send one PUT. Raises OSError if the answer has another status."""
        path = f"/{account}/{name}"
        arguments = "&".join(f"{key}={value}" for key, value in query.items())
        headers = signed_headers(
            account, path, query, length=len(body), date=format_datetime(datetime.now(UTC), usegmt=True)
        )
        self._connection.request("PUT", f"{path}?{arguments}" if arguments else path, body=body, headers=headers)
        response = self._connection.getresponse()
        answer = response.read().decode("utf-8", "replace")
        if response.status not in expected:
            raise OSError(f"The storage emulator answers PUT {path} with {response.status}: {answer}")


def signed_headers(account: str, path: str, query: Mapping[str, str], *, length: int, date: str) -> dict[str, str]:
    """Return the headers of a PUT whose body has `length` bytes, signed with the account's key."""
    headers = {"x-ms-date": date, "x-ms-version": _VERSION}
    lines = ["PUT", "", "", str(length) if length else "", *[""] * 8]
    lines += [f"{name}:{value}" for name, value in headers.items()]
    lines += [f"/{account}{path}", *(f"{key}:{query[key]}" for key in sorted(query))]
    signature = hmac.digest(base64.b64decode(_KEYS[account]), "\n".join(lines).encode(), hashlib.sha256)
    return {
        **headers,
        "Content-Length": str(length),
        "Authorization": f"SharedKey {account}:{base64.b64encode(signature).decode()}",
    }
