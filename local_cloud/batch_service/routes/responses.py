"""Request and response format shared by all routes: headers, bodies and preconditions."""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web
from pydantic.alias_generators import to_camel

from local_cloud.batch_service.contracts import validation
from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.contracts.serialization import WireModel, http_date
from local_cloud.batch_service.routes.odata import paginate, select_properties
from local_cloud.batch_service.service import BatchService
from local_cloud.batch_service.state.models import Entity, Job, Pool, Task

API_VERSION = "2025-06-01"
MAX_BODY = 1_048_576  # bytes; the limit in the service's own error message
JSON_TYPE = "application/json; odata=minimalmetadata"

SERVICE = web.AppKey("service", BatchService)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Body = TypeVar("Body", bound=WireModel)


def _properties(model: type[WireModel]) -> frozenset[str]:
    """Return the property names of Azure's entity: the model's and those that are not supported here."""
    aliases = (to_camel(name) for name in model.model_fields)
    return frozenset({*aliases, *validation.UNSUPPORTED_PROPERTIES, "url", "stats"})


_PROPERTIES: Mapping[str, frozenset[str]] = {
    "jobs": _properties(Job) | {"networkConfiguration"},
    "tasks": _properties(Task) | {"authenticationTokenSettings"},
    "pools": _properties(Pool) - {"nodes", "nodesMade"}
    | {"currentDedicatedNodes", "currentLowPriorityNodes", "enableInterNodeCommunication", "resizeTimeout"}
    | {"autoScaleRun", "resourceTags", "targetNodeCommunicationMode", "currentNodeCommunicationMode"}
    | {"upgradePolicy", "userAccounts"},
}
"""Property names that $filter and $select accept, by kind of entity."""


def new_request_id() -> str:
    """Return a new request id."""
    return str(uuid.uuid4())


def json_response(
    body: Mapping[str, Any] | None = None, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a JSON response with the headers that all responses have."""
    every = {"DataServiceVersion": "3.0", "request-id": new_request_id()} | dict(headers or {})
    if body is None:
        return web.Response(status=status, headers=every)
    return web.Response(
        status=status, headers=every | {"Content-Type": JSON_TYPE}, body=json.dumps(body).encode("utf-8")
    )


def entity_headers(entity: Entity, *, url: str | None = None) -> dict[str, str]:
    """Return ETag (unquoted, as the service sends it), Last-Modified and, for a new entity, its location."""
    headers = {"ETag": entity.e_tag, "Last-Modified": http_date(entity.last_modified)}
    return headers if url is None else headers | {"DataServiceId": url, "Location": url}


def operation_headers(request: web.Request, entity: Entity) -> dict[str, str]:
    """Return the headers of an operation that changed an entity: its new ETag and the operation's URL."""
    return entity_headers(entity) | {"DataServiceId": str(request.url.with_query(None))}


def check_preconditions(request: web.Request, entity: Entity) -> None:
    """Check If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since.

    Clients quote the ETag, the service does not. Raises BatchError (ConditionNotMet, 412) or, for a GET of an unchanged
    entity, web.HTTPNotModified.
    """
    last_modified = entity.last_modified.replace(microsecond=0)  # HTTP dates have whole seconds
    unmodified_since, modified_since = request.if_unmodified_since, request.if_modified_since
    if unmodified_since is not None and last_modified > unmodified_since:
        raise BatchError("ConditionNotMet")
    if_match = request.headers.get("If-Match")
    if if_match is not None and if_match.strip('"') not in (entity.e_tag, "*"):
        raise BatchError("ConditionNotMet")
    none_match = request.headers.get("If-None-Match")
    is_known = none_match is not None and none_match.strip('"') in (entity.e_tag, "*")
    if is_known or (modified_since is not None and last_modified <= modified_since):
        if request.method in ("GET", "HEAD"):
            raise web.HTTPNotModified(headers=entity_headers(entity))
        raise BatchError("ConditionNotMet")


async def read_json(request: web.Request) -> object:
    """Return the JSON of a request. Raises BatchError: RequestBodyTooLarge above 1 MiB, or InvalidRequestBody."""
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise BatchError("RequestBodyTooLarge", values={"MaxLimit": str(MAX_BODY)}) from error
    try:
        return json.loads(raw)
    except ValueError as error:
        raise BatchError("InvalidRequestBody", values={"Reason": str(error)}) from error


async def read_body(request: web.Request, kind: type[Body]) -> Body:
    """Return the validated body of a request. Raises BatchError."""
    return validation.validate_body(kind, await read_json(request))


def selected_properties(request: web.Request, body: Mapping[str, Any], *, kind: str) -> dict[str, Any]:
    """Return the properties of an entity that the query selects. Raises BatchError (InvalidQueryParameterValue)."""
    return select_properties(body, request.query.get("$select"), names=_PROPERTIES[kind])


def list_response(
    request: web.Request, entities: Sequence[Mapping[str, Any]], *, kind: str, key: str = "id"
) -> web.Response:
    """Return the requested page of a list; `odata.nextLink` refers to the next page."""
    base_url = request.app[SERVICE].base_url
    page = paginate(entities, request.query, key=key, names=_PROPERTIES.get(kind))
    body: dict[str, Any] = {"odata.metadata": f"{base_url}/$metadata#{kind}", "value": page.items}
    if page.next_token is not None:
        query = dict(request.query) | {"$skiptoken": page.next_token}
        body["odata.nextLink"] = str(request.url.with_query(query))
    return json_response(body)
