"""The Azure Functions entry points. Each parses its event, calls one handler and responds.

The Functions host imports this file to index the functions, so nothing is opened at import; clients are created on
first use.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import azure.functions as func
from azure.core.exceptions import AzureError

from frame_tools.contracts import paths
from frame_tools.contracts.errors import (
    DamagedError,
    ErrorCode,
    ImpastoError,
    InputError,
    InternalError,
    MissingError,
    TemporaryError,
)
from frame_tools.contracts.messages import decode_body
from orchestration import preflight as preflight_checks
from orchestration.app import App, application
from orchestration.handlers import cancel as cancel_handler
from orchestration.handlers import finish_batch as finish_batch_handler
from orchestration.handlers import poison as poison_handlers
from orchestration.handlers import resubmit as resubmit_handler
from orchestration.handlers import start_run as start_run_handler
from orchestration.handlers import submit_batch as submit_batch_handler
from orchestration.handlers import sweep as sweep_handler
from orchestration.reporting import listing, status
from orchestration.service_errors import service_error
from orchestration.settings import HostSettings
from orchestration.telemetry.tracing import Invocation, Span, annotate_from_message

_log = logging.getLogger(f"orchestration.{__name__}")

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

HOST_SETTINGS = HostSettings.from_environment(os.environ)


@app.blob_trigger(
    arg_name="blob",
    path=f"{paths.TRIGGERS}/{{name}}",
    connection="DATA",
    source=func.BlobSource(HOST_SETTINGS.trigger_source),
)
def start_run(blob: func.InputStream, context: func.Context) -> None:
    """Start the run of a new trigger file."""
    with _invocation(context) as (services, span):
        run_id = start_run_handler.start_run(services, str(blob.name).removeprefix(f"{paths.TRIGGERS}/"))
        span.annotate(run_id or "")


@app.queue_trigger(arg_name="message", queue_name=paths.FRAME_BATCHES, connection="OPS", data_type=func.DataType.BINARY)
def submit_batch(message: func.QueueMessage, context: func.Context) -> None:
    """Create the Batch task of a step."""
    _handle_message(context, message, submit_batch_handler.submit_batch)


@app.queue_trigger(
    arg_name="message", queue_name=paths.FINISHED_BATCHES, connection="OPS", data_type=func.DataType.BINARY
)
def finish_batch(message: func.QueueMessage, context: func.Context) -> None:
    """Count a finished step; after the last one, join segments and audio."""
    _handle_message(context, message, finish_batch_handler.finish_batch)


@app.timer_trigger(arg_name="timer", schedule=HOST_SETTINGS.sweep_schedule, use_monitor=True)
def sweep(timer: func.TimerRequest, context: func.Context) -> None:
    """Find stalled runs and repair or fail them."""
    with _invocation(context) as (services, _span):
        sweep_handler.sweep(services)


@app.queue_trigger(
    arg_name="message", queue_name=paths.BLOB_TRIGGER_POISON, connection="DATA", data_type=func.DataType.BINARY
)
def trigger_poisoned(message: func.QueueMessage, context: func.Context) -> None:
    """Start the run of a trigger file on which `start_run` failed five times; fail it if the cause is permanent.

    The host keeps this queue in the account that `DATA__queueServiceUri` names: the ops account in Azure.
    """
    _handle_message(context, message, poison_handlers.trigger_poisoned)


@app.queue_trigger(
    arg_name="message", queue_name=paths.FRAME_BATCHES_POISON, connection="OPS", data_type=func.DataType.BINARY
)
def batch_poisoned(message: func.QueueMessage, context: func.Context) -> None:
    """Record why the step of a message on which `submit_batch` failed five times is delayed."""
    _handle_message(context, message, poison_handlers.batch_poisoned)


@app.queue_trigger(
    arg_name="message", queue_name=paths.FINISHED_BATCHES_POISON, connection="OPS", data_type=func.DataType.BINARY
)
def finish_poisoned(message: func.QueueMessage, context: func.Context) -> None:
    """Record why the run of a message on which `finish_batch` failed five times is delayed."""
    _handle_message(context, message, poison_handlers.finish_poisoned)


@app.route(route="api/runs", methods=["GET"])
def list_runs(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/runs: the runs, newest first; ?status=, ?label= and ?limit= select some of them."""
    query = dict(req.params)

    def handle(services: App) -> dict[str, Any]:
        return {"runs": listing.list_runs(services, listing.RunFilter.from_query(query))}

    return _respond(context, req, handle)


@app.route(route="api/runs/{run_id}", methods=["GET"])
def get_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/runs/{run_id}: the run's current status, computed from durable state."""
    run_id = req.route_params["run_id"]
    return _respond(context, req, lambda services: status.run_status(services, run_id))


@app.route(route="api/runs/{run_id}/resubmit", methods=["POST"])
def resubmit_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /api/runs/{run_id}/resubmit: `missing` (default), `failed`, `all`, batch numbers, or `all` with options."""
    run_id, body = req.route_params["run_id"], req.get_body()

    def handle(services: App) -> dict[str, Any]:
        request = resubmit_handler.parse_resubmit_request(body)
        return {"run_id": resubmit_handler.resubmit(services, run_id, request.which, request.options)}

    return _respond(context, req, handle, status_code=202)


@app.route(route="api/runs/{run_id}/cancel", methods=["POST"])
def cancel_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /api/runs/{run_id}/cancel: end the run; a video that has already been committed is kept."""
    run_id = req.route_params["run_id"]

    def handle(services: App) -> dict[str, Any] | None:
        cancel_handler.cancel(services, run_id)
        return status.run_status(services, run_id)

    return _respond(context, req, handle)


@app.route(route="api/preflight", methods=["GET"])
def preflight(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/preflight: every check of the deployment, before any compute is paid for."""
    return _respond(context, req, preflight_checks.preflight)


@contextmanager
def _invocation(context: func.Context) -> Iterator[tuple[App, Span]]:
    """Yield the app and the span of this invocation, a child of the host's span."""
    trace = context.trace_context
    call = Invocation(
        function=context.function_name,
        invocation_id=context.invocation_id,
        traceparent=trace.trace_parent or "",
        tracestate=trace.trace_state or "",
    )
    services = _services()
    with services.spans.invocation(call) as span:
        yield services, span


def _services() -> App:
    """Return the app; invalid settings are the deployment's fault, not the caller's."""
    try:
        return application()
    except InputError as error:
        raise InternalError(error.what, error.remedy) from error


def _handle_message(context: func.Context, message: func.QueueMessage, handle: Callable[[App, str], None]) -> None:
    """Pass a queue message's text to its handler."""
    text = decode_body(message.get_body())
    with _invocation(context) as (services, span):
        annotate_from_message(span, text)
        handle(services, text)


def _respond(
    context: func.Context,
    req: func.HttpRequest,
    handle: Callable[[App], dict[str, Any] | None],
    *,
    status_code: int = 200,
) -> func.HttpResponse:
    """Return the handler's result as JSON, 404 for None, and an error status for an exception.

    InputError is 400, MissingError 404, DamagedError 409, TemporaryError and an error of a service 503. Any other
    exception is the app's fault: 500 with the invocation id as correlation id, and the details in the log only.
    """
    try:
        with _invocation(context) as (services, span):
            span.annotate(req.route_params.get("run_id", ""))
            body = handle(services.interactive or services)
    except InputError as error:
        return _error_response(error, 400)
    except MissingError as error:
        return _error_response(error, 404)
    except DamagedError as error:
        return _error_response(error, 409)
    except TemporaryError as error:
        return _error_response(error, 503)
    except AzureError as error:
        _log.warning("%s failed: %s", context.function_name, error)
        described = service_error(error, "Azure Storage")
        return _error_response(described, 503 if isinstance(described, TemporaryError) else 500)
    except Exception:  # the caller gets a correlation id, never the details of an unexpected error
        _log.exception("%s failed; correlation id %s", context.function_name, context.invocation_id)
        return _json_response(
            {
                "error": "The request failed because of an internal error",
                "remedy": f"Search the Function App log for the correlation id {context.invocation_id}",
                "code": ErrorCode.INTERNAL_ERROR,
                "correlation_id": context.invocation_id,
            },
            500,
        )
    if body is None:
        return _error_response(MissingError("There is no such run", "GET /api/runs lists them"), 404)
    return _json_response(body, status_code)


def _error_response(error: ImpastoError, status_code: int) -> func.HttpResponse:
    body = {"error": error.what, "remedy": error.remedy, "code": error.code, "next_step": error.next_step}
    return _json_response(body, status_code)


def _json_response(body: dict[str, Any], status_code: int) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(body, ensure_ascii=False), status_code=status_code, mimetype="application/json", charset="utf-8"
    )
