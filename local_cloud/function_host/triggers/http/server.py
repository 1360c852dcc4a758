"""The host's HTTP server: functions by route, the Event Grid webhooks and part of the admin API.

A returned string becomes text/plain; an unhandled exception becomes 500 without a body. Header names reach the
function in lowercase; values of a repeated query parameter are joined by a comma, empty query values are dropped.
Source: Azure/azure-webjobs-sdk-extensions, WebJobs.Extensions.Http; Azure/azure-functions-host, WebJobs.Script.WebHost
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web
from azure.core.exceptions import AzureError

from local_cloud.function_host.config.settings import DEFAULT_BODY_BYTES
from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.invoker import Invoker, TriggerEvent
from local_cloud.function_host.invocation.values import (
    Datum,
    InvocationResult,
    bytes_datum,
    http_datum,
    json_datum,
    text_datum,
)
from local_cloud.function_host.storage.clients import short_error
from local_cloud.function_host.triggers.blob.trigger import BlobQueue
from local_cloud.function_host.triggers.blob.webhook import WEBHOOK_PATH as BLOB_WEBHOOK_PATH
from local_cloud.function_host.triggers.blob.webhook import handle_webhook
from local_cloud.function_host.triggers.event_grid.webhook import WEBHOOK_PATH as EVENT_WEBHOOK_PATH
from local_cloud.function_host.triggers.event_grid.webhook import EventGridWebhook
from local_cloud.function_host.triggers.http.cors import Cors
from local_cloud.function_host.triggers.http.keys import Keys
from local_cloud.function_host.triggers.http.routes import Route, find_route
from local_cloud.function_host.triggers.timer.trigger import Timer

_log = logging.getLogger(__name__)


class HttpServer:
    """Handles requests; `keys` None disables authorization."""

    def __init__(
        self,
        routes: Sequence[Route],
        invoker: Invoker,
        *,
        blob_queue: BlobQueue,
        event_webhook: EventGridWebhook,
        warmup_functions: Sequence[Function] = (),
        timers: Sequence[Timer],
        keys: Keys | None,
        host_id: str,
        cors: Cors = Cors(),  # noqa: B008 - frozen
        max_body_bytes: int = DEFAULT_BODY_BYTES,
    ) -> None:
        self._routes = tuple(routes)
        self._invoker = invoker
        self._blob_queue = blob_queue
        self._event_webhook = event_webhook
        self._warmup_functions = tuple(warmup_functions)
        self._timers = {timer.function.name.lower(): timer for timer in timers}
        self._keys = keys
        self._host_id = host_id
        self._cors = cors
        self._max_body_bytes = max_body_bytes
        self._calls: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=self._max_body_bytes, middlewares=[self._cors.middleware()])
        app.router.add_get("/admin/host/ping", self._ping)
        app.router.add_post("/admin/host/ping", self._ping)
        app.router.add_get("/admin/host/status", self._status)
        app.router.add_post("/admin/functions/{name}", self._run_timer)
        app.router.add_get("/admin/warmup", self._warm_up)
        app.router.add_post("/admin/warmup", self._warm_up)
        app.router.add_post(BLOB_WEBHOOK_PATH, self._blob_events)
        app.router.add_post(EVENT_WEBHOOK_PATH, self._events)
        app.router.add_route("*", "/{path:.*}", self._function)
        return app

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _status(self, request: web.Request) -> web.Response:
        self._authorize_admin(request)
        return web.json_response({"id": self._host_id, "state": "Running"})

    async def _run_timer(self, request: web.Request) -> web.Response:
        """Start a timer's function now and respond at once, like the real host's admin API."""
        self._authorize_admin(request)
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="send a JSON object, for example {}")
        timer = self._timers.get(request.match_info["name"].lower())
        if timer is None:
            raise web.HTTPNotFound(text="only timer functions can be run through the admin API here")
        call = asyncio.create_task(timer.fire(None, past_due=False))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return web.Response(status=HTTPStatus.ACCEPTED)

    async def _warm_up(self, request: web.Request) -> web.Response:
        self._authorize_admin(request)
        for function in self._warmup_functions:
            await self._invoker.invoke(function, TriggerEvent(json_datum({}), reason="Warming up"))
        return web.Response()

    async def _events(self, request: web.Request) -> web.Response:
        self._authorize(request, "system")
        kind, name = request.headers.get("aeg-event-type", ""), request.query.get("functionName", "")
        status, body = await self._event_webhook.handle(kind, name, await request.read())
        if isinstance(body, Mapping):
            return web.json_response(dict(body), status=status)
        return web.Response(status=status, text=body)

    async def _blob_events(self, request: web.Request) -> web.Response:
        self._authorize(request, "system")
        try:
            answer = await handle_webhook(
                request.headers.get("aeg-event-type", ""),
                request.query.get("functionName", ""),
                body=await request.read(),
                queue=self._blob_queue,
            )
        except AzureError as error:
            _log.warning("An event could not be queued; its sender must retry: %s", short_error(error))
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        if isinstance(answer.body, Mapping):
            return web.json_response(dict(answer.body), status=answer.status)
        return web.Response(status=answer.status, text=answer.body)

    async def _function(self, request: web.Request) -> web.Response:
        match = find_route(self._routes, request.method, request.rel_url.raw_path)
        if match is None:
            if request.path == "/":
                return web.Response()  # the host's home page
            raise web.HTTPNotFound(text="")
        route, parameters = match
        function = route.function
        self._authorize(request, str(function.trigger.arguments.get("authLevel", "function")).lower())
        try:
            datum = await _request_datum(request, parameters)
        except web.HTTPRequestEntityTooLarge:
            # The real host's limit ends in an unhandled exception.
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        event = TriggerEvent(
            datum=datum,
            reason="This function was programmatically called via the host APIs.",
            data={**parameters, "method": request.method},
        )
        return to_response(function, await self._invoker.invoke(function, event))

    def _authorize(self, request: web.Request, level: str) -> None:
        if self._keys is not None and not self._keys.allows(level, _offered_key(request)):
            raise web.HTTPUnauthorized(text="")

    def _authorize_admin(self, request: web.Request) -> None:
        """Require the master key; another valid key gives 403, anything else 401."""
        if self._keys is not None and self._keys.is_known(key := _offered_key(request)) and key != self._keys.master:
            raise web.HTTPForbidden(text="")
        self._authorize(request, "admin")


def _offered_key(request: web.Request) -> str:
    return request.headers.get("x-functions-key") or request.query.get("code") or ""


async def _request_datum(request: web.Request, parameters: Mapping[str, str]) -> Datum:
    def texts(pairs: Mapping[str, str]) -> dict[str, Datum]:
        return {name: text_datum(value) for name, value in pairs.items()}

    query = {name: ",".join(request.query.getall(name)) for name in request.query}

    return http_datum(
        {
            "method": text_datum(request.method),
            "url": text_datum(str(request.url)),
            "headers": texts({name.lower(): value for name, value in request.headers.items()}),
            "params": texts(parameters),
            "query": texts({name: value for name, value in query.items() if value}),
            "body": bytes_datum(await request.read()),
        }
    )


def to_response(function: Function, outcome: InvocationResult) -> web.Response:
    """Return the HTTP response of a call. As in the real host, returning None gives 500 and an unset output 200."""
    if not outcome.ok:
        return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
    name = next((binding.name for binding in function.outputs if binding.type == "http"), None)
    datum = outcome.output(name) if name is not None else None
    if datum is None:
        return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR if name == "$return" else HTTPStatus.OK)
    if datum.type != "http":
        return web.Response(text=str(datum.value))
    value = datum.value
    response = web.Response(status=int(value["status_code"].value), body=value["body"].value)
    for header, content in value["headers"].items():
        response.headers[header] = content.value
    for cookie in value["cookies"] or ():
        for morsel in cookie.values():
            response.headers.add("Set-Cookie", morsel.OutputString())
    return response
