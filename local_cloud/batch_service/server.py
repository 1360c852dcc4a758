"""The HTTP server: all routes, request checks (faults, authorization, API version) and error responses.

The Authorization header must be present and use SharedKey. The signature is not verified, because anyone who reaches
the loopback port could start the service as well. Bearer tokens are rejected: Azure clients do not send them over http.
"""

import asyncio
import logging
import re
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from local_cloud.batch_service.contracts.errors import BatchError, error_response
from local_cloud.batch_service.execution.image import Image
from local_cloud.batch_service.faults import HttpError
from local_cloud.batch_service.routes.fault_routes import add_fault_routes
from local_cloud.batch_service.routes.file_routes import add_file_routes
from local_cloud.batch_service.routes.job_routes import add_job_routes
from local_cloud.batch_service.routes.pool_routes import add_pool_routes
from local_cloud.batch_service.routes.prepare_route import add_prepare_route
from local_cloud.batch_service.routes.responses import (
    API_VERSION,
    MAX_BODY,
    SERVICE,
    Handler,
    json_response,
    new_request_id,
)
from local_cloud.batch_service.routes.serializers import EntitySerializer
from local_cloud.batch_service.routes.task_routes import add_task_routes
from local_cloud.batch_service.service import BatchService, PoolShape

T = TypeVar("T", bound=web.StreamResponse)
_log = logging.getLogger(__name__)
_UNSUPPORTED_OPERATIONS = re.compile(
    r"\w+ /(jobschedules|applications|certificates|lifetimejobstats|lifetimepoolstats|poolusagemetrics)(/.*)?"
    r"|(PATCH|PUT) /pools/[^/]+"
    r"|\w+ /pools/[^/]+/(nodes/.+|stopresize|removenodes|updateproperties|upgradeos)"
    r"|GET /jobs/[^/]+/jobpreparationandreleasetaskstatus"
    r"|DELETE /jobs/[^/]+/tasks/[^/]+/files/.+"
    r"|GET /jobs/[^/]+/tasks/[^/]+/subtasksinfo"
)


async def serve(
    listener: socket.socket,
    *,
    data: Path,
    pools: Mapping[str, PoolShape],
    images: Mapping[str, Image],
    ready: Callable[[str], None],
    job_quota: int | None = None,
    boot_seconds: float = 0.0,
) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT; `ready` is called with the URL when requests are answered."""
    host, port = listener.getsockname()[:2]
    base_url = f"http://{host}:{port}"
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    service = BatchService(data, images=images, base_url=base_url, job_quota=job_quota, boot_seconds=boot_seconds)
    service.start(pools)
    runner = web.AppRunner(make_app(service), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        ready(base_url)
        await stopping.wait()
    finally:
        await service.stop()
        await runner.cleanup()


def make_app(service: BatchService) -> web.Application:
    """Return the application of a service."""
    app = web.Application(middlewares=[_format_errors, _inject_faults, _check_request], client_max_size=MAX_BODY)
    app[SERVICE] = service
    serializer = EntitySerializer(service.base_url, service.scheduler)
    add_job_routes(app, serializer)
    add_task_routes(app, serializer)
    add_file_routes(app)
    add_pool_routes(app, serializer)
    add_fault_routes(app)
    add_prepare_route(app)
    return app


@web.middleware
async def _format_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    request_id = new_request_id()
    headers = {"request-id": request_id}
    try:
        return _with_client_request_id(request, await handler(request))
    except web.HTTPNotFound:
        error = _unsupported(request) or BatchError("ResourceNotFound")
    except web.HTTPMethodNotAllowed:
        error = _unsupported(request) or BatchError("UnsupportedHttpVerb")
    except web.HTTPException:
        raise
    except BatchError as raised:
        error = raised
    except Exception:
        # One failing request must not end the service; the client gets the real service's response for it.
        _log.exception("%s %s broke", request.method, request.path)
        error = BatchError("InternalError")
    body = error_response(error, request_id, base_url=request.app[SERVICE].base_url)
    return _with_client_request_id(request, json_response(body, status=error.status, headers=headers))


def _with_client_request_id(request: web.Request, response: T) -> T:
    wants_id = request.headers.get("return-client-request-id", "").lower() == "true"
    if wants_id and (client_request_id := request.headers.get("client-request-id")):
        response.headers["client-request-id"] = client_request_id
    return response


@web.middleware
async def _inject_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    service = request.app[SERVICE]
    fault = None if _is_local(request) else service.faults.consume_http_error(request.method, request.path)
    if fault is None:
        return await handler(request)
    return _fault_response(fault, service)


@web.middleware
async def _check_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    if _is_local(request):
        return await handler(request)
    if not request.headers.get("Authorization", "").startswith("SharedKey "):
        reason = "Send Authorization: SharedKey <account>:<signature>, for example by AzureNamedKeyCredential."
        raise BatchError("AuthenticationFailed", values={"AuthenticationErrorDetail": reason})
    version = request.query.get("api-version")
    if version is None:
        raise BatchError("MissingRequiredQueryParameter", values={"QueryParameterName": "api-version"})
    if version != API_VERSION:
        raise BatchError("UnsupportedRequestVersion", values={"Reason": f"this service supports {API_VERSION} only"})
    return await handler(request)


def _unsupported(request: web.Request) -> BatchError | None:
    """Return the error for an operation that Azure Batch has and this service has not, else None."""
    if not _UNSUPPORTED_OPERATIONS.fullmatch(f"{request.method} {request.path}"):
        return None
    reason = f"The local Batch service does not support {request.method} {request.path}."
    return BatchError("NotImplemented", values={"Reason": reason})


def _is_local(request: web.Request) -> bool:
    return request.path.startswith("/local/")


def _fault_response(fault: HttpError, service: BatchService) -> web.Response:
    error = BatchError(fault.error_code)
    body = error_response(error, new_request_id(), base_url=service.base_url)
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return json_response(body, status=error.status, headers=headers)
