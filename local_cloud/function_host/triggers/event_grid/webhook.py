"""The webhook of Event Grid triggers, `POST /runtime/webhooks/eventgrid?functionName=<name>`.

Each event of a request runs the function once; if one of these calls fails, Event Grid gets 500 and sends all again.
Source: Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.EventGrid, HttpRequestProcessor.cs
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.invoker import Invoker, TriggerEvent
from local_cloud.function_host.invocation.values import json_datum

WEBHOOK_PATH = "/runtime/webhooks/eventgrid"
Answer = tuple[HTTPStatus, str | Mapping[str, str]]
"""HTTP status and body; a mapping is sent as JSON."""


class EventGridWebhook:
    """Runs the functions that have an Event Grid trigger."""

    def __init__(self, functions: Sequence[Function], invoker: Invoker) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._invoker = invoker

    async def handle(self, kind: str, name: str, body: bytes) -> Answer:
        """Handle one request: `kind` is its aeg-event-type header, `name` its functionName."""
        function = self._functions.get(name.lower())
        if function is None:
            return HTTPStatus.NOT_FOUND, f"cannot find function: '{name}'"
        try:
            content: Any = json.loads(body or b"null")
            events = content if isinstance(content, list) else [content]
            match kind.lower():
                case "subscriptionvalidation":
                    return HTTPStatus.OK, {"validationResponse": events[0]["data"]["validationCode"]}
                case "notification":
                    return await self._run(function, events)
                case "unsubscribe":
                    return HTTPStatus.ACCEPTED, ""
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, f"the body is not a list of Event Grid events: {error!r}"
        return HTTPStatus.BAD_REQUEST, "aeg-event-type must be SubscriptionValidation, Notification or Unsubscribe"

    async def _run(self, function: Function, events: Sequence[Any]) -> Answer:
        calls = [
            self._invoker.invoke(
                function,
                TriggerEvent(
                    json_datum(event),
                    reason="EventGrid trigger fired",
                    data=event if isinstance(event, dict) else {},
                ),
            )
            for event in events
        ]
        results = await asyncio.gather(*calls)
        return (HTTPStatus.ACCEPTED if all(r.ok for r in results) else HTTPStatus.INTERNAL_SERVER_ERROR), ""
