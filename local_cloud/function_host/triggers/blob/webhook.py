"""The Event Grid webhook, `POST /runtime/webhooks/blobs?functionName=Host.Functions.<name>`: blobs by notification.

Azurite sends no events; post them as Event Grid would. Each blob of an event goes to the internal queue without a
receipt, so an event that arrives twice runs the function twice, as in Azure.
Source: Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Blobs, BlobsExtensionConfigProvider.cs
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from local_cloud.function_host.triggers.blob.receipts import BlobVersion
from local_cloud.function_host.triggers.blob.trigger import BlobQueue

WEBHOOK_PATH = "/runtime/webhooks/blobs"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WebhookResponse:
    """An HTTP status and body; a mapping is sent as JSON."""

    status: int
    body: str | Mapping[str, str] = ""


async def handle_webhook(kind: str, function: str, *, body: bytes, queue: BlobQueue) -> WebhookResponse:
    """Handle one request: `kind` is its aeg-event-type header, `function` its functionName. Raises AzureError.

    As in the real host, an invalid body gives 500 and events for an unknown function are accepted and dropped. Unlike
    it, a missing functionName gives 400: the real host accepts the request and then shuts down.
    """
    if not function:
        return WebhookResponse(400, "functionName is missing; add ?functionName=Host.Functions.<name>")
    try:
        match kind.lower():
            case "subscriptionvalidation":
                return WebhookResponse(200, {"validationResponse": _events(body)[0]["data"]["validationCode"]})
            case "notification":
                versions = [blob_version(event) for event in _events(body)]
            case "unsubscribe":
                return WebhookResponse(202)
            case _:
                return WebhookResponse(
                    400, "aeg-event-type must be SubscriptionValidation, Notification or Unsubscribe"
                )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        return WebhookResponse(500, f"the body is not a list of Event Grid events or one CloudEvent: {error!r}")
    if not queue.has_trigger(function):
        _log.warning("Events for %s are dropped: it is not a blob trigger of this app", function)
        return WebhookResponse(202)
    for version in versions:
        await queue.put(function, version)
    return WebhookResponse(202)


def blob_version(event: Mapping[str, Any]) -> BlobVersion:
    """Return the blob of a BlobCreated event. Raises KeyError, TypeError or ValueError for an invalid event."""
    data = event["data"]
    container, name = _split_url(data["url"])
    return BlobVersion(container, name, data["eTag"].strip('"'), data["blobType"])


def _events(body: bytes) -> list[Any]:
    content = json.loads(body)
    return content if isinstance(content, list) else [content]


def _split_url(url: str) -> tuple[str, str]:
    """Return container and blob name; at an address such as 127.0.0.1 the path begins with the account name."""
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip("/")
    if _is_path_style(parts.hostname or ""):
        path = path.partition("/")[2]
    container, _, name = path.partition("/")
    if not container or not name:
        raise ValueError(f"{url!r} is not the URL of a blob")
    return container, name


def _is_path_style(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
