"""A person's second chance: `missing` and `failed` go on with the run, `all` and named batches make a new one.

Nothing committed is overwritten: a new run has an id, a plan and a video of its own, and takes over the segments of
the batches that are not redone. `all` may come with other options: the same input, painted otherwise.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from frame_tools.contracts import ids
from frame_tools.contracts.base import Document, explain_validation_error
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import Outcome
from frame_tools.contracts.trigger import MAX_TRIGGER_BYTES, Trigger
from orchestration.app import App, now
from orchestration.handlers.start_run import open_run
from orchestration.runs.admission import take_slot
from orchestration.runs.advance import advance
from orchestration.runs.scheduling import place
from orchestration.state import RunState, read_state

Which = Literal["missing", "failed", "all"] | list[Annotated[int, Field(strict=True)]]
_WHICH: Final[TypeAdapter[Which]] = TypeAdapter(Which)
MAX_OFFSPRING: Final = 1000


class ResubmitRequest(Document):
    """What to do again, and with which of the words of `Options`; null takes a word back to its default."""

    which: Which = "missing"
    options: dict[str, Any] = Field(default_factory=dict)


def parse_resubmit_request(body: bytes) -> ResubmitRequest:
    """Read the HTTP body: empty (missing), a bare or quoted word, a JSON list of batch numbers, or an object of both.

    Raises InputError in words.
    """
    text = body.decode("utf-8", "replace").strip()
    if len(body) > MAX_TRIGGER_BYTES:
        raise InputError(f"The body has {len(body)} bytes", f"Send at most {MAX_TRIGGER_BYTES}")
    wish = _parse_object(text) if text.startswith("{") else ResubmitRequest(which=_parse_which(text))
    if wish.options and wish.which != "all":
        raise InputError(
            "Other options are possible with all only: the batches of one video must match",
            'Send {"which": "all", "options": {…}}, or leave the options out',
        )
    return wish


def _parse_object(text: str) -> ResubmitRequest:
    try:
        wish = ResubmitRequest.model_validate_json(text)
    except ValidationError as error:
        if any(detail["loc"][:1] == ("which",) for detail in error.errors(include_url=False)):
            raise _not_understood(text) from None
        raise InputError(*explain_validation_error(error, "body", ResubmitRequest)) from None
    strange = [word for word in wish.options if word not in Options.model_fields]
    if strange and strange[0] in Trigger.model_fields:
        raise InputError(
            f"The options can't be used: {strange[0]!r} stays as it was in a resubmission",
            "For another one put a trigger file; the word input lets it use the same folder",
        )
    if strange:
        near = get_close_matches(strange[0], Options.model_fields, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(
            f"The options can't be used: unknown word {strange[0][:60]!r}{meant}",
            f"The words they may hold are: {', '.join(Options.model_fields)}",
        )
    return wish


def _parse_which(text: str) -> Which:
    if not text:
        return "missing"
    try:
        return _WHICH.validate_json(text if text[0] in '["' else f'"{text}"', strict=True)
    except ValidationError:
        raise _not_understood(text) from None


def _not_understood(text: str) -> InputError:
    return InputError(
        f"The body {text[:60]!r} is not understood",
        'Send missing, failed, all, a list like [0, 3], or {"which": "all", "options": {"strength": 0.5}}',
    )


def resubmit(app: App, run_id: str, which: Which, options: Mapping[str, Any] | None = None) -> str:
    """Resubmit, `all` perhaps with other options; returns the id of the run that goes on: the same, or a new one."""
    state = read_state(app.storage, ids.check_run_id(run_id))
    if state is None:
        raise MissingError(
            f"There is no run {run_id}", "GET /api/runs lists them; a refused trigger has to be put again"
        )
    if which in ("missing", "failed"):
        return go_on(app, state, only_failed=which == "failed")
    return repaint(app, state, options) if options else redo(app, state, which)


def go_on(app: App, state: RunState, *, only_failed: bool) -> str:
    """Score again what is missing (or only what failed for good), in the same run."""
    run_id = state.run_id
    if state.outcome is not None and state.outcome.status == "finished":
        return run_id
    if state.outcome is not None and state.outcome.status == "refused":
        raise InputError(
            f"The run was refused: {state.outcome.reason}", "Put the trigger file again when that is mended"
        )
    steps: list[int | str] = list(state.failed_batches if only_failed else state.missing)
    if state.plan is None and state.request.trigger.video and state.split is None:
        steps = ["split"]
    for failure in state.failures:
        app.storage.runs.delete(RunPaths(run_id).failure(failure))
    for prefix in (RunPaths(run_id).retries, RunPaths(run_id).errors):
        for left in list(app.storage.runs.list(prefix)):
            app.storage.runs.delete(left.name)
    app.storage.runs.delete(RunPaths(run_id).cancelled)
    app.storage.runs.write(RunPaths(run_id).resumed, now().isoformat().encode())
    app.storage.runs.create(RunPaths(run_id).open_mark, b"")
    _reopen(app, state)
    app.storage.runs.create(RunPaths(run_id).open_mark, b"")  # a handler that was cleaning up may have removed it
    if steps and take_slot(app, run_id) and state.queued:
        place(app, run_id, steps)
    advance(app, run_id)
    return run_id


def _reopen(app: App, state: RunState) -> None:
    """Take back the ending, of whatever moment: the person wants the run to go on."""
    blob = app.storage.runs.read(RunPaths(state.run_id).outcome)
    if blob is not None and Outcome.load_stored(blob.data).status in ("failed", "cancelled"):
        app.storage.runs.delete(RunPaths(state.run_id).outcome, etag=blob.etag)


def redo(app: App, state: RunState, which: Which) -> str:
    """Make a new run that scores `which` batches anew and keeps the others."""
    if state.plan is None:
        raise InputError("The run has no plan yet", "Resubmit missing")
    batches = tuple(range(state.plan.batch_count)) if which == "all" else tuple(sorted(set(map(int, which))))
    if not batches or not set(batches) <= set(range(state.plan.batch_count)):
        raise InputError(
            f"The run has the batches 0 to {state.plan.batch_count - 1}, not {list(batches)[:10]}", "Name some of those"
        )
    if lacking := set(state.missing).difference(batches):
        raise InputError(
            f"Batch {min(lacking)} is to be kept but has no receipt", "Resubmit missing first, or name it too"
        )
    request = _offspring(app, state.request, batches)
    open_run(app, request)
    return request.run_id


def repaint(app: App, state: RunState, options: Mapping[str, Any]) -> str:
    """Make a new run that does all of the same input with other options; raises InputError if they don't fit."""
    if state.plan is None:
        raise InputError("The run has no plan yet", "Resubmit missing")
    request = state.request
    words = request.trigger.model_dump(mode="json", exclude_none=True) | dict(options)
    try:
        trigger = Trigger.model_validate({word: value for word, value in words.items() if value is not None})
    except ValidationError as error:
        raise InputError(*explain_validation_error(error, "body", Options)) from None
    offspring = _offspring(app, request.model_copy(update={"trigger": trigger}), ())
    open_run(app, offspring)
    return offspring.run_id


def _offspring(app: App, parent: Request, batches: tuple[int, ...]) -> Request:
    """Claim the next id of a run made from `parent`; without `batches` it does all of them, planned anew."""
    for number in range(1, MAX_OFFSPRING):
        if app.storage.runs.create(RunPaths(parent.run_id).child_run(number), b""):
            run_id = ids.run_id_for(parent.trigger_blob, f"{parent.run_id}+{number}")
            return parent.model_copy(
                update={
                    "run_id": run_id,
                    "correlation_id": run_id,
                    "received_at": now().isoformat(),
                    "parent": parent.run_id,
                    "redo": batches,
                }
            )
    raise InputError(f"{parent.run_id} has been redone {MAX_OFFSPRING} times", "Put a trigger file of another name")
