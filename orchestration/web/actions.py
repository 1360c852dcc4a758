"""What the page's buttons do: upload, preview, start, cancel, paint what is missing, paint again with other options."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

from frame_tools.contracts import ids
from frame_tools.contracts.answers import StartedRun, UploadGrant
from frame_tools.contracts.calls import StartRun, UploadRequest, parse_body
from frame_tools.contracts.errors import ImpastoError, InputError, MissingError, sentence
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.preview_call import OrderPreview, PreviewAnswer
from orchestration.app import App
from orchestration.handlers.cancel import cancel
from orchestration.handlers.grant_upload import grant_upload
from orchestration.handlers.order_preview import order_preview
from orchestration.handlers.resubmit import parse_resubmit_request, resubmit
from orchestration.handlers.start_posted_run import start_posted_run
from orchestration.state import read_state
from orchestration.web.again import changed_options
from orchestration.web.parts import Answer
from orchestration.web.run_view import request_of

Form = Mapping[str, Sequence[str]]
MAX_RUNS: Final = 200
"""Runs that one click changes."""
MAX_FORM_BYTES: Final = 64 * 2**10


def perform(app: App, action: str, body: bytes) -> Answer:
    """Do an action; raises InputError if it cannot be done for any of the runs, MissingError for an unknown action."""
    if action == "upload":
        return _json(grant_upload(app, parse_body(UploadRequest, body)))
    if action == "start":
        return _json(start_posted_run(app, parse_body(StartRun, body)))
    if action == "preview":
        return _json(order_preview(app, parse_body(OrderPreview, body)))
    if action not in _ACTIONS:
        raise MissingError(f"There is no action {action[:40]!r}", "Load the page again.")
    return _change_runs(app, action, parse_qs(body[:MAX_FORM_BYTES].decode("utf-8", "replace"), keep_blank_values=True))


def _json(answer: StartedRun | UploadGrant | PreviewAnswer) -> Answer:
    return Answer(answer.model_dump_json(), media_type="application/json")


def _change_runs(app: App, action: str, form: Form) -> Answer:
    run_ids = [ids.check_run_id(run_id) for run_id in form.get("run", ())]
    if not 1 <= len(run_ids) <= MAX_RUNS:
        raise InputError(f"{len(run_ids)} runs are selected", f"Select 1 to {MAX_RUNS} runs.")
    continued: list[str] = []
    errors: list[tuple[str, ImpastoError]] = []
    for run_id in run_ids:
        try:
            continued.append(_ACTIONS[action](app, run_id, form))
        except ImpastoError as error:
            errors.append((run_id, error))
    if not continued:
        raise errors[0][1]
    if len(run_ids) == 1 and continued[0] != run_ids[0]:
        return Answer("", {"HX-Redirect": f"/ui/runs/{continued[0]}"})
    done = {"say": _done_text(action, len(continued)), "problem": _problem(errors)}
    return Answer("", {"HX-Trigger": json.dumps({"runs-changed": "", "run-changed": "", "action-done": done})})


def _done_text(action: str, count: int) -> str:
    """Return what was done, for the page to announce."""
    runs = f"{count} run{'' if count == 1 else 's'}"
    return {"cancel": f"{runs} cancelled", "redo": f"Painting what is missing of {runs}", "again": f"{runs} started"}[
        action
    ]


def _problem(errors: Sequence[tuple[str, ImpastoError]]) -> str:
    """Return which runs were left out and why; empty if none was."""
    if not errors:
        return ""
    run_id, error = errors[0]
    others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"Left out: {run_id}{others}. {sentence(error.what)} {error.remedy}".strip()


def _cancel(app: App, run_id: str, form: Form) -> str:
    del form
    if not app.storage.runs.exists(RunPaths(run_id).open_mark) and app.storage.runs.exists(RunPaths(run_id).outcome):
        raise InputError("It has already ended", "Only runs in progress can be cancelled.")
    cancel(app, run_id)
    return run_id


def _redo(app: App, run_id: str, form: Form) -> str:
    del form
    return resubmit(app, run_id, "missing")


def _again(app: App, run_id: str, form: Form) -> str:
    """Create a run of the same input with the form's options."""
    request = request_of(read_state(app.storage, run_id))
    if request is None:
        raise MissingError(f"There is no run {run_id}", "The list of runs has all of them.")
    options = changed_options(request.trigger, form)
    parsed = parse_resubmit_request(json.dumps({"which": "all", "options": options}).encode())
    return resubmit(app, run_id, parsed.which, parsed.options)


_ACTIONS: Final[Mapping[str, Callable[[App, str, Form], str]]] = {"cancel": _cancel, "redo": _redo, "again": _again}
