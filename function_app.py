"""The Azure Functions entry points. Each parses its event, calls one handler and responds.

The Functions host imports this file to index the functions, so nothing is opened at import; clients are created on
first use.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import azure.functions as func

from frame_tools.contracts import paths
from frame_tools.contracts.errors import InputError, InternalError
from frame_tools.contracts.messages import decode_body
from orchestration.api.operations import OPERATIONS, perform
from orchestration.api.replies import JSON, problem_for
from orchestration.app import App, application
from orchestration.handlers import finish_batch as finish_batch_handler
from orchestration.handlers import poison as poison_handlers
from orchestration.handlers import start_run as start_run_handler
from orchestration.handlers import submit_batch as submit_batch_handler
from orchestration.handlers import sweep as sweep_handler
from orchestration.settings import HostSettings
from orchestration.telemetry.tracing import Invocation, Span, annotate_from_message
from orchestration.web.functions import page
from orchestration.web.security import is_from_other_site

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(page)

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
    """GET /api/runs: the runs, newest first, page by page."""
    return _respond(context, req)


@app.route(route="api/runs", methods=["POST"])
def post_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /api/runs: start a run, as the upload of a trigger file does."""
    return _respond(context, req)


@app.route(route="api/uploads", methods=["POST"])
def post_upload(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /api/uploads: signed URLs for the upload of a run's files."""
    return _respond(context, req)


@app.route(route="api/previews", methods=["POST"])
def post_preview(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /api/previews: have a few frames of an uploaded clip painted in several looks."""
    return _respond(context, req)


@app.route(route="api/previews/{preview_id}", methods=["GET"])
def get_preview(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/previews/{preview_id}: a preview, and its pictures as they are painted."""
    return _respond(context, req)


@app.route(route="api/runs/{run_id}/frames", methods=["GET"])
def list_frames(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/runs/{run_id}/frames: frames before and after painting, as short-lived URLs."""
    return _respond(context, req)


@app.route(route="api/runs/{run_id}/batches", methods=["GET"])
def list_batches(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/runs/{run_id}/batches: the run's batches with their states."""
    return _respond(context, req)


@app.route(route="api/runs/{run_id}/logs", methods=["GET"])
def list_logs(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/runs/{run_id}/logs: the last lines of a task's output."""
    return _respond(context, req)


@app.route(route="api/runs/{run_id}", methods=["GET"])
def get_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/runs/{run_id}: the run's current status, computed from durable state."""
    return _respond(context, req)


@app.route(route="api/runs/{run_id}/resubmit", methods=["POST"])
def resubmit_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /api/runs/{run_id}/resubmit: `missing` (default), `failed`, `all`, batch numbers, or `all` with options."""
    return _respond(context, req)


@app.route(route="api/runs/{run_id}/cancel", methods=["POST"])
def cancel_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /api/runs/{run_id}/cancel: end the run; a video that has already been committed is kept."""
    return _respond(context, req)


@app.route(route="api/programs", methods=["GET"])
def list_programs(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/programs: the operator's programs, which the scorers model and script run."""
    return _respond(context, req)


@app.route(route="api/preflight", methods=["GET"])
def preflight(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/preflight: every check of the deployment, before any compute is paid for."""
    return _respond(context, req)


@app.route(route="api/openapi.json", methods=["GET"])
def get_openapi(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/openapi.json: the description of this interface."""
    from orchestration.api.openapi import openapi_document  # needed by nothing else

    return func.HttpResponse(json.dumps(openapi_document()), mimetype=JSON, charset="utf-8")


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


def _respond(context: func.Context, req: func.HttpRequest) -> func.HttpResponse:
    """Execute the operation of the function that was called; an error becomes a problem document."""
    operation = OPERATIONS[context.function_name]
    try:
        _refuse_other_sites(req)
        with _invocation(context) as (services, span):
            span.annotate(req.route_params.get("run_id", ""))
            app_used = services.interactive or services
            reply = perform(app_used, operation, path=req.route_params, query=req.params, body=req.get_body())
    except Exception as error:  # every error is an answer: a defect is a 500 with a correlation id
        reply = problem_for(error, operation=operation.name, correlation_id=context.invocation_id)
    return func.HttpResponse(reply.body, status_code=reply.status, mimetype=reply.media_type, charset="utf-8")


def _refuse_other_sites(req: func.HttpRequest) -> None:
    """Raise InputError if a web page of another site makes a browser send the request."""
    if req.method == "POST" and is_from_other_site(req.headers, req.url):
        raise InputError("The request comes from a web page of another site", "Send it from a program")
