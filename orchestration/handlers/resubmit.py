"""Resubmission of a run: `missing` and `failed` resume it, `all` and batch numbers create a new run.

Nothing that has been committed is overwritten: a new run has its own id, plan and video, and reuses the segments of the
batches that it does not score again. `all` accepts other options: the same input, painted differently.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from frame_tools.contracts import ids
from frame_tools.contracts.base import Document, explain_validation_error
from frame_tools.contracts.errors import DamagedError, ErrorCode, InputError, MissingError
from frame_tools.contracts.json_types import WHOLE, all_nullable
from frame_tools.contracts.options import Options, rename_old_options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import Outcome
from frame_tools.contracts.trigger import MAX_TRIGGER_BYTES, Trigger
from frame_tools.storage.quarantine import quarantine
from orchestration.app import App
from orchestration.delays import end_delay
from orchestration.documents import load_own
from orchestration.handlers.start_run import open_run
from orchestration.reporting.watched_status import forget_status
from orchestration.runs.admission import acquire_slot
from orchestration.runs.advance import advance
from orchestration.runs.corrected_input import accept_corrected_frames
from orchestration.runs.repair import repair_inputs
from orchestration.runs.scheduling import ensure_tasks
from orchestration.state import RunState, UnreadableRun, read_state

Which = Literal["missing", "failed", "all"] | list[Annotated[int, Field(strict=True), WHOLE]]
_WHICH: Final[TypeAdapter[Which]] = TypeAdapter(Which)
SHORT_BODIES: Final[tuple[Mapping[str, Any], ...]] = (
    {"enum": ["missing", "failed", "all"]},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1},
)
"""JSON schemas of the bodies that are no object."""
MAX_CHILD_RUNS: Final = 1000
"""New runs that may be created from one run."""


def _options_schema(schema: dict[str, Any]) -> None:
    schema.update(all_nullable(Options.model_json_schema()), description="Options to change; null resets one.")


class ResubmitRequest(Document):
    """What to score again, and which of `Options` to change; null resets an option to its default."""

    which: Which = "missing"
    options: Annotated[dict[str, Any], AfterValidator(rename_old_options)] = Field(
        default_factory=dict, json_schema_extra=_options_schema
    )


def parse_resubmit_request(body: bytes) -> ResubmitRequest:
    """Parse the HTTP body: empty (missing), a bare or quoted word, a JSON list of batch numbers, or a JSON object.

    Raises InputError if the body is invalid.
    """
    if len(body) > MAX_TRIGGER_BYTES:
        raise InputError(f"The body has {len(body)} bytes", f"Send at most {MAX_TRIGGER_BYTES}")
    text = body.decode("utf-8", "replace").strip()
    request = _parse_object(text) if text.startswith("{") else ResubmitRequest(which=_parse_which(text))
    if request.options and request.which != "all":
        raise InputError(
            "Options can only be changed with all, because the batches of one video must match",
            'Send {"which": "all", "options": {…}}, or omit the options',
        )
    return request


def _parse_object(text: str) -> ResubmitRequest:
    try:
        request = ResubmitRequest.model_validate_json(text)
    except ValidationError as error:
        if any(detail["loc"][:1] == ("which",) for detail in error.errors(include_url=False)):
            raise _invalid_body(text) from None
        raise InputError(*explain_validation_error(error, "body", ResubmitRequest)) from None
    unknown = [name for name in request.options if name not in Options.model_fields]
    if unknown and unknown[0] in Trigger.model_fields:
        raise InputError(
            f"The options are invalid: {unknown[0]!r} cannot be changed by a resubmission",
            "Upload a new trigger file; its option input can name the same folder",
        )
    if unknown:
        matches = get_close_matches(unknown[0], Options.model_fields, n=1)
        hint = f" (did you mean {matches[0]!r}?)" if matches else ""
        raise InputError(
            f"The options are invalid: unknown option {unknown[0][:60]!r}{hint}",
            f"Valid options are: {', '.join(Options.model_fields)}",
        )
    return request


def _parse_which(text: str) -> Which:
    if not text:
        return "missing"
    try:
        return _WHICH.validate_json(text if text[0] in '["' else f'"{text}"', strict=True)
    except ValidationError:
        raise _invalid_body(text) from None


def _invalid_body(text: str) -> InputError:
    return InputError(
        f"The body {text[:60]!r} is invalid",
        'Send missing, failed, all, a list like [0, 3], or {"which": "all", "options": {"strength": 0.5}}',
    )


def resubmit(app: App, run_id: str, which: Which, options: Mapping[str, Any] | None = None) -> str:
    """Resubmit a run; return the id of the run that continues: the same run, or a new one.

    `options` may accompany `all` only. Raises InputError or MissingError, DamagedError if the run's request is damaged,
    and VersionSkewError if another version of Impasto has to continue the run.
    """
    state = read_state(app.storage, ids.check_run_id(run_id))
    if state is None:
        raise MissingError(
            f"There is no run {run_id}",
            "GET /api/runs lists them; for a refused trigger file, upload the trigger file again",
        )
    if state.skew is not None:
        raise state.skew
    if isinstance(state, UnreadableRun):
        raise DamagedError(
            f"The request of the run {run_id} is damaged: {state.error.what}",
            "Upload the trigger file again to start a new run",
        )
    if which in ("missing", "failed"):
        return resume(app, state, only_failed=which == "failed")
    return rerun_with_options(app, state, options) if options else rerun_batches(app, state, which)


def resume(app: App, state: RunState, *, only_failed: bool) -> str:
    """Score the missing batches (or only those that failed permanently) in the same run; return its id."""
    run_id = state.run_id
    if state.outcome is not None and state.outcome.status == "finished":
        return run_id
    if state.outcome is not None and state.outcome.status == "refused":
        raise InputError(
            f"The run was refused: {state.outcome.reason}", "Fix the cause, then upload the trigger file again"
        )
    is_planned_again = repair_inputs(app, state, frames_are_damaged=_has_damaged_input(state))
    if not is_planned_again:
        accept_corrected_frames(app, state)
    steps: list[int | str] = list(state.failed_batches if only_failed else state.missing)
    if state.plan is None and state.request.trigger.needs_split and state.split is None:
        steps = ["split"]
    _delete_failures(app, state)
    app.storage.runs.delete(RunPaths(run_id).cancelled)
    app.storage.runs.write(RunPaths(run_id).resumed, app.clock.now().isoformat().encode())
    app.storage.runs.create(RunPaths(run_id).open_mark, b"")
    _delete_outcome(app, state)
    app.storage.runs.create(RunPaths(run_id).open_mark, b"")  # a handler that was cleaning up may have deleted it
    forget_status(app.storage, run_id, app.clock.now())
    if not is_planned_again and steps and acquire_slot(app, run_id) and state.queued:
        ensure_tasks(app, run_id, steps)
    advance(app, run_id)
    return run_id


def _has_damaged_input(state: RunState) -> bool:
    """Return whether a step failed because data that Impasto had stored was damaged or replaced."""
    codes = (ErrorCode.DAMAGED_DATA, ErrorCode.INPUT_CHANGED)
    return any(failure.code in codes for failure in state.failures.values())


def _delete_failures(app: App, state: RunState) -> None:
    """Delete failure records, retry claims, task errors and the delay, so that every step may be retried."""
    end_delay(app, state.run_id)
    for failure in state.failures:
        app.storage.runs.delete(RunPaths(state.run_id).failure(failure))
    run = RunPaths(state.run_id)
    for prefix in (run.retries, run.errors, run.old_errors):
        for item in list(app.storage.runs.list(prefix)):
            app.storage.runs.delete(item.name)


def _delete_outcome(app: App, state: RunState) -> None:
    """Delete a failed, cancelled or damaged outcome, whenever it was written: the user wants the run to continue."""
    name = RunPaths(state.run_id).outcome
    blob = app.storage.runs.read(name)
    if blob is None:
        return
    try:
        outcome = load_own(Outcome, blob.data, state.run_id)
    except DamagedError:
        quarantine(app.storage.runs, state.run_id, name, etag=blob.etag)
        return
    if outcome.status in ("failed", "cancelled"):
        app.storage.runs.delete(name, etag=blob.etag)


def rerun_batches(app: App, state: RunState, which: Which) -> str:
    """Create a run that scores the batches `which` again and keeps the others; return its id. Raises InputError."""
    if state.plan is None:
        raise InputError("The run has no plan yet", "Resubmit missing")
    batches = tuple(range(state.plan.batch_count)) if which == "all" else tuple(sorted(set(map(int, which))))
    if not batches or not set(batches) <= set(range(state.plan.batch_count)):
        raise InputError(
            f"The run has the batches 0 to {state.plan.batch_count - 1}, not {list(batches)[:10]}",
            "Name batches in this range",
        )
    if incomplete := set(state.missing).difference(batches):
        raise InputError(
            f"Batch {min(incomplete)} cannot be kept because it has no receipt", "Resubmit missing first, or include it"
        )
    request = _claim_child_run(app, state.request, batches)
    open_run(app, request)
    return request.run_id


def rerun_with_options(app: App, state: RunState, options: Mapping[str, Any]) -> str:
    """Create a run over all of the same input with other options; return its id. Raises InputError if they conflict."""
    if state.plan is None:
        raise InputError("The run has no plan yet", "Resubmit missing")
    request = state.request
    values = request.trigger.model_dump(mode="json", exclude_none=True) | dict(options)
    try:
        trigger = Trigger.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise InputError(*explain_validation_error(error, "body", Options)) from None
    child_run = _claim_child_run(app, request.model_copy(update={"trigger": trigger}), ())
    open_run(app, child_run)
    return child_run.run_id


def _claim_child_run(app: App, parent: Request, batches: tuple[int, ...]) -> Request:
    """Claim the next id of a run created from `parent`; without `batches` it scores all of them with a new plan."""
    for number in range(1, MAX_CHILD_RUNS):
        if app.storage.runs.exists(RunPaths(parent.run_id).old_child_run(number)):
            continue  # an earlier version of Impasto gave this number to a run
        if app.storage.runs.create(RunPaths(parent.run_id).child_run(number), b""):
            run_id = ids.run_id_for(parent.trigger_blob, f"{parent.run_id}+{number}")
            return parent.model_copy(
                update={
                    "run_id": run_id,
                    "correlation_id": run_id,
                    "received_at": app.clock.now().isoformat(),
                    "parent": parent.run_id,
                    "redo": batches,
                }
            )
    raise InputError(
        f"The run {parent.run_id} has been resubmitted {MAX_CHILD_RUNS} times",
        "Upload a trigger file with another name",
    )
