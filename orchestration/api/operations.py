"""The operations of the HTTP interface: for each, its route, what it takes, and what it answers.

The functions of `function_app.py` are called as the operations are. The OpenAPI document is made of this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

from frame_tools.contracts import answers, calls, ids
from frame_tools.contracts.answers import Answer
from frame_tools.contracts.base import Document
from frame_tools.contracts.errors import MissingError
from frame_tools.contracts.preview_call import OrderPreview, PreviewAnswer
from frame_tools.contracts.preview_paths import PREVIEW_ID, check_preview_id
from orchestration.api.replies import Reply, answer_with
from orchestration.app import App
from orchestration.handlers import cancel, resubmit
from orchestration.handlers.grant_upload import grant_upload
from orchestration.handlers.order_preview import order_preview
from orchestration.handlers.start_posted_run import start_posted_run
from orchestration.preflight import preflight
from orchestration.previews.answer import preview_answer
from orchestration.reporting import listing, status
from orchestration.reporting.batches import batches_page
from orchestration.reporting.frames import frames_page
from orchestration.reporting.programs import list_programs
from orchestration.reporting.task_logs import log_tail
from orchestration.reporting.watched_status import watched_status

ID_PATTERNS: Final = {"run_id": ids.RUN_ID.pattern, "preview_id": f"^{PREVIEW_ID.pattern}$"}
"""Parameters of paths, and the patterns of their values."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request: the run or preview that its path names, its parsed query, and its body."""

    run_id: str
    preview_id: str
    query: Any
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation. `handle` returns the fields of `answer`, or None if there is no such run or preview."""

    name: str
    """Name of its function."""
    method: Literal["GET", "POST"]
    path: str
    summary: str
    answer: type[Answer]
    handle: Callable[[App, Call], Answer | Mapping[str, Any] | None]
    query: type[Document] = calls.NoQuery
    body: type[Document] | None = None
    other_bodies: tuple[Mapping[str, Any], ...] = ()
    """Schemas of other bodies that it accepts; then it accepts no body, too."""
    status: HTTPStatus = HTTPStatus.OK

    @property
    def path_parameters(self) -> Mapping[str, str]:
        """What the path names, and the pattern of its ids."""
        return {name: pattern for name, pattern in ID_PATTERNS.items() if f"{{{name}}}" in self.path}


def _cancel(app: App, call: Call) -> Mapping[str, Any] | None:
    cancel.cancel(app, call.run_id)
    return status.run_status(app, call.run_id)


def _resubmit(app: App, call: Call) -> Mapping[str, Any]:
    request = resubmit.parse_resubmit_request(call.body)
    return {"run_id": resubmit.resubmit(app, call.run_id, request.which, request.options)}


OPERATIONS: Final[Mapping[str, Operation]] = {
    operation.name: operation
    for operation in (
        Operation(
            name="list_runs",
            method="GET",
            path="api/runs",
            summary="List the runs, newest first",
            query=calls.RunsQuery,
            answer=answers.RunPage,
            handle=lambda app, call: listing.list_page(app, call.query),
        ),
        Operation(
            name="post_run",
            method="POST",
            path="api/runs",
            summary="Start a run, as the upload of a trigger file does; the same name and options are the same run",
            body=calls.StartRun,
            answer=answers.StartedRun,
            status=HTTPStatus.ACCEPTED,
            handle=lambda app, call: start_posted_run(app, calls.parse_body(calls.StartRun, call.body)),
        ),
        Operation(
            name="post_upload",
            method="POST",
            path="api/uploads",
            summary="Return signed URLs for the upload of a run's files",
            body=calls.UploadRequest,
            answer=answers.UploadGrant,
            status=HTTPStatus.CREATED,
            handle=lambda app, call: grant_upload(app, calls.parse_body(calls.UploadRequest, call.body)),
        ),
        Operation(
            name="post_preview",
            method="POST",
            path="api/previews",
            summary="Have a few frames of an uploaded clip painted in several looks; the same files and looks are the"
            " same preview",
            body=OrderPreview,
            answer=PreviewAnswer,
            status=HTTPStatus.ACCEPTED,
            handle=lambda app, call: order_preview(app, calls.parse_body(OrderPreview, call.body)),
        ),
        Operation(
            name="get_preview",
            method="GET",
            path="api/previews/{preview_id}",
            summary="Return a preview: its state, and its pictures as short-lived URLs as they are painted",
            answer=PreviewAnswer,
            handle=lambda app, call: preview_answer(app, check_preview_id(call.preview_id)),
        ),
        Operation(
            name="list_frames",
            method="GET",
            path="api/runs/{run_id}/frames",
            summary="List a run's frames before and after painting, as short-lived URLs",
            query=calls.FramesQuery,
            answer=answers.FramePage,
            handle=lambda app, call: frames_page(app, call.run_id, call.query),
        ),
        Operation(
            name="list_batches",
            method="GET",
            path="api/runs/{run_id}/batches",
            summary="List a run's batches with their states",
            query=calls.BatchesQuery,
            answer=answers.BatchPage,
            handle=lambda app, call: batches_page(app, call.run_id, call.query),
        ),
        Operation(
            name="list_logs",
            method="GET",
            path="api/runs/{run_id}/logs",
            summary="Return the last lines of a task's output",
            query=calls.LogsQuery,
            answer=answers.LogTail,
            handle=lambda app, call: log_tail(app, call.run_id, call.query),
        ),
        Operation(
            name="get_run",
            method="GET",
            path="api/runs/{run_id}",
            summary="Return a run's current status, at most a few seconds old",
            answer=answers.RunStatus,
            handle=lambda app, call: watched_status(app, call.run_id),
        ),
        Operation(
            name="cancel_run",
            method="POST",
            path="api/runs/{run_id}/cancel",
            summary="End a run; a video that has already been committed is kept",
            answer=answers.RunStatus,
            handle=_cancel,
        ),
        Operation(
            name="resubmit_run",
            method="POST",
            path="api/runs/{run_id}/resubmit",
            summary="Score again what is missing, what failed, or everything with other options",
            body=resubmit.ResubmitRequest,
            other_bodies=resubmit.SHORT_BODIES,
            answer=answers.Resubmitted,
            status=HTTPStatus.ACCEPTED,
            handle=_resubmit,
        ),
        Operation(
            name="list_programs",
            method="GET",
            path="api/programs",
            summary="List the operator's programs, which the scorers model and script run",
            answer=answers.ProgramList,
            handle=lambda app, _call: list_programs(app),
        ),
        Operation(
            name="preflight",
            method="GET",
            path="api/preflight",
            summary="Check the deployment, before any compute is paid for",
            answer=answers.Preflight,
            handle=lambda app, _call: preflight(app),
        ),
    )
}


def perform(app: App, operation: Operation, *, path: Mapping[str, str], query: Mapping[str, str], body: bytes) -> Reply:
    """Execute an operation; `path` has the parameters of its path.

    Raises InputError for an invalid request, and what its handler raises.
    """
    named = {name: path.get(name, "") for name in ID_PATTERNS}
    call = Call(**named, query=calls.parse_query(operation.query, query), body=body)
    fields = operation.handle(app, call)
    if fields is None:
        raise MissingError("There is no such run", "GET /api/runs lists them")
    return answer_with(operation.answer, fields, status=operation.status)
