"""The triggers: each parses its event, calls one handler, answers. All thinking is in `orchestration/`.

Azure's host imports this file to list the functions, so nothing is opened here; clients are made on first use.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import azure.functions as func

from frame_tools.contracts import paths
from frame_tools.contracts.errors import ImpastoError, MissingError, TemporaryError
from orchestration import preflight as check
from orchestration.app import App, application
from orchestration.handlers import cancel, poison, resubmit
from orchestration.handlers.finish_batch import finish_batch as handle_finish_batch
from orchestration.handlers.start_run import start_run as handle_start_run
from orchestration.handlers.submit_batch import submit_batch as handle_submit_batch
from orchestration.handlers.sweep import sweep as handle_sweep
from orchestration.reporting import status
from orchestration.settings import HostSettings
from orchestration.telemetry.tracing import Invocation, Span, about_message

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

HOST = HostSettings.from_environment(os.environ)


@app.blob_trigger(
    arg_name="blob", path=f"{paths.TRIGGERS}/{{name}}", connection="DATA", source=func.BlobSource(HOST.trigger_source)
)
def start_run(blob: func.InputStream, context: func.Context) -> None:
    """A trigger file is there: start its run."""
    with _invoked(context) as (made, span):
        run_id = handle_start_run(made, str(blob.name).removeprefix(f"{paths.TRIGGERS}/"))
        span.about(run_id or "")


@app.queue_trigger(arg_name="message", queue_name=paths.FRAME_BATCHES, connection="OPS")
def submit_batch(message: func.QueueMessage, context: func.Context) -> None:
    """A step is to be done: make its Batch task."""
    _take(context, message, handle_submit_batch)


@app.queue_trigger(arg_name="message", queue_name=paths.FINISHED_BATCHES, connection="OPS")
def finish_batch(message: func.QueueMessage, context: func.Context) -> None:
    """A step has ended: when it was the last, join segments and sound."""
    _take(context, message, handle_finish_batch)


@app.timer_trigger(arg_name="timer", schedule=HOST.sweep_schedule, use_monitor=True)
def sweep(timer: func.TimerRequest, context: func.Context) -> None:
    """It is time to look for runs that stand still."""
    with _invoked(context) as (made, _span):
        handle_sweep(made)


@app.queue_trigger(arg_name="message", queue_name=paths.BLOB_TRIGGER_POISON, connection="DATA")
def trigger_poisoned(message: func.QueueMessage, context: func.Context) -> None:
    """`start_run` failed five times on a trigger file. The host keeps this queue in the account of the blob."""
    _take(context, message, poison.trigger_poisoned)


@app.queue_trigger(arg_name="message", queue_name=paths.FRAME_BATCHES_POISON, connection="OPS")
def batch_poisoned(message: func.QueueMessage, context: func.Context) -> None:
    """`submit_batch` failed five times on a message."""
    _take(context, message, poison.batch_poisoned)


@app.queue_trigger(arg_name="message", queue_name=paths.FINISHED_BATCHES_POISON, connection="OPS")
def finish_poisoned(message: func.QueueMessage, context: func.Context) -> None:
    """`finish_batch` failed five times on a message."""
    _take(context, message, poison.finish_poisoned)


@app.route(route="runs", methods=["GET"])
def list_runs(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/runs: id and status of every run."""
    return _answer(context, req, lambda made: {"runs": status.list_runs(made)})


@app.route(route="runs/{run_id}", methods=["GET"])
def get_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/runs/{run_id}: where the run is, computed now."""
    run_id = req.route_params["run_id"]
    return _answer(context, req, lambda made: status.run_status(made, run_id))


@app.route(route="runs/{run_id}/resubmit", methods=["POST"])
def resubmit_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /api/runs/{run_id}/resubmit: `missing` (default), `failed`, `all`, batch numbers, or `all` with options."""
    run_id, body = req.route_params["run_id"], req.get_body()

    def handle(made: App) -> dict[str, Any]:
        wish = resubmit.parse_resubmit_request(body)
        return {"run_id": resubmit.resubmit(made, run_id, wish.which, wish.options)}

    return _answer(context, req, handle, code=202)


@app.route(route="runs/{run_id}/cancel", methods=["POST"])
def cancel_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /api/runs/{run_id}/cancel: end the run; a video that is already there stays."""
    run_id = req.route_params["run_id"]

    def handle(made: App) -> dict[str, Any] | None:
        cancel.cancel(made, run_id)
        return status.run_status(made, run_id)

    return _answer(context, req, handle)


@app.route(route="preflight", methods=["GET"])
def preflight(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /api/preflight: whether a run can be done at all, check by check, before anything is paid for."""
    return _answer(context, req, check.preflight)


def _text(message: func.QueueMessage) -> str:
    """Return a message's body as text; bytes that are no UTF-8 are shown, not refused, so that they can be kept."""
    return message.get_body().decode("utf-8", "backslashreplace")


@contextmanager
def _invoked(context: func.Context) -> Iterator[tuple[App, Span]]:
    """Give the app and the span of this call, a child of the host's own."""
    trace = context.trace_context
    call = Invocation(
        function=context.function_name,
        invocation_id=context.invocation_id,
        traceparent=trace.trace_parent or "",
        tracestate=trace.trace_state or "",
    )
    made = application()
    with made.spans.invocation(call) as span:
        yield made, span


def _take(context: func.Context, message: func.QueueMessage, handle: Callable[[App, str], None]) -> None:
    """Hand a queue message's text to its handler."""
    text = _text(message)
    with _invoked(context) as (made, span):
        about_message(span, text)
        handle(made, text)


def _answer(
    context: func.Context,
    req: func.HttpRequest,
    handle: Callable[[App], dict[str, Any] | None],
    *,
    code: int = 200,
) -> func.HttpResponse:
    """Answer as JSON: what the handler returns, 404 for nothing; 400, 404 or 503 with words for a refusal."""
    try:
        with _invoked(context) as (made, span):
            span.about(req.route_params.get("run_id", ""))
            body = handle(made)
    except MissingError as error:
        return _json({"error": error.what, "remedy": error.remedy}, 404)
    except ImpastoError as error:
        code = 503 if isinstance(error, TemporaryError) else 400
        return _json({"error": error.what, "remedy": error.remedy}, code)
    if body is None:
        return _json({"error": "There is no such run", "remedy": "GET /api/runs lists them"}, 404)
    return _json(body, code)


def _json(body: dict[str, Any], code: int) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(body, ensure_ascii=False), status_code=code, mimetype="application/json", charset="utf-8"
    )
