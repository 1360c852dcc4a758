"""Reading entities of a table, for table inputs; a small client, because no other code here uses tables.

Source: https://learn.microsoft.com/rest/api/storageservices/query-entities (signed with Shared Key Lite)
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import ClientResponseError, ClientSession
from azure.core.exceptions import AzureError
from yarl import URL

_VERSION = "2019-02-02"


class TableError(AzureError):
    """A table cannot be read."""


async def query_entities(connection_string: str, table: str, options: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the entities of a table, without those of further pages; none if the table does not exist.

    `options` are OData options such as `$filter` and `$top`. Raises TableError.
    """
    fields = dict(field.split("=", 1) for field in connection_string.split(";") if "=" in field)
    endpoint = fields.get("TableEndpoint", "").rstrip("/")
    if not endpoint:
        raise TableError("the connection string has no TableEndpoint; add it")
    path = f"{urlsplit(endpoint).path}/{table}()"
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in options.items())
    url = URL(f"{endpoint}/{table}()?{query}", encoded=True)
    async with (
        ClientSession() as session,
        session.get(url, headers=_headers(fields["AccountName"], fields["AccountKey"], path)) as response,
    ):
        if response.status == 404:
            return []
        try:
            response.raise_for_status()
        except ClientResponseError as error:
            raise TableError(f"the table {table} cannot be read: {error.status} {error.message}") from error
        content = await response.json()
    return list(content["value"])


def _headers(account: str, key: str, path: str) -> dict[str, str]:
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    signed = hmac.digest(base64.b64decode(key), f"{date}\n/{account}{path}".encode(), hashlib.sha256)
    return {
        "Authorization": f"SharedKeyLite {account}:{base64.b64encode(signed).decode()}",
        "Accept": "application/json;odata=nometadata",
        "x-ms-date": date,
        "x-ms-version": _VERSION,
    }
