"""The next action of a run, from its state alone."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import BlobRef, Plan, Request
from frame_tools.contracts.receipt import Failure, Outcome, SplitReceipt
from frame_tools.contracts.trigger import Trigger
from orchestration.reporting.status import derive_status
from orchestration.runs.decide import decide
from orchestration.state import RunState

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
LIMIT = dt.timedelta(hours=48)
RUN = "clip-0123456789"
SHA = "0" * 64
OUTCOME = Outcome(run_id=RUN, status="failed", reason="R", name="clip", ended_at=NOW.isoformat())
SPLIT = SplitReceipt(run_id=RUN, manifest_sha256=SHA, frame_count=6, task_id="split", finished_at=NOW.isoformat())
PLAN = Plan(
    run_id=RUN,
    name="clip",
    correlation_id=RUN,
    options=Options(scorer="copy"),
    borders=(0, 2, 4, 6),
    manifest_sha256=SHA,
    frames=BlobRef(container="input", name="clip/frames/"),
    container="mp4",
)


def request(**changes: Any) -> Request:
    values: dict[str, Any] = {
        "run_id": RUN,
        "name": "clip",
        "trigger_blob": "clip.json",
        "trigger_etag": '"0x1"',
        "trigger": Trigger(scorer="copy"),
        "folder": "clip",
        "received_at": (NOW - dt.timedelta(hours=1)).isoformat(),
        "correlation_id": RUN,
    }
    return Request(**values | changes)


def failure(step: str) -> Failure:
    return Failure(
        run_id=RUN,
        step=step,
        reason=f"{step} broke",
        remedy="Fix it.",
        code=ErrorCode.INVALID_INPUT,
        next_step=NextStep.FIX_INPUT,
        failed_at=NOW.isoformat(),
    )


def state(**changes: Any) -> RunState:
    """A run that was admitted and has no plan yet."""
    values: dict[str, Any] = {
        "request": request(),
        "resumed_at": None,
        "plan": None,
        "split": None,
        "receipts": frozenset(),
        "failures": {},
        "queued": {},
        "has_slot": True,
        "is_open": True,
        "cancelled": False,
        "outcome": None,
        "product": None,
    }
    return RunState(**values | changes)


VIDEO = {"request": request(trigger=Trigger(scorer="copy", video="film.mp4"))}
EXPIRED = {"request": request(received_at=(NOW - LIMIT - dt.timedelta(seconds=1)).isoformat())}
ALL_RECEIPTS = frozenset({0, 1, 2})


@pytest.mark.parametrize(
    ("changes", "action", "status"),
    [
        ({"has_slot": False}, "admit", "waiting"),
        ({}, "plan", "planning"),
        (VIDEO, "split", "splitting"),
        ({**VIDEO, "queued": {"split": NOW}}, "wait", "splitting"),
        ({**VIDEO, "failures": {"split": failure("split")}}, "fail", "splitting"),
        ({**VIDEO, "split": SPLIT}, "plan", "planning"),
        ({"request": request(trigger=Trigger(scorer="copy", video="film.mp4"), parent="p")}, "plan", "splitting"),
        ({"plan": PLAN}, "queue", "scoring"),
        ({"plan": PLAN, "queued": {"batches": NOW}}, "wait", "scoring"),
        ({"plan": PLAN, "queued": {"batches": NOW}, "receipts": {0, 2}}, "wait", "scoring"),
        (
            {"plan": PLAN, "receipts": {0}, "failures": {"00001": failure("00001")}, "queued": {"batches": NOW}},
            "wait",
            "scoring",
        ),
        ({"plan": PLAN, "receipts": {0, 2}, "failures": {"00001": failure("00001")}}, "fail", "scoring"),
        ({"plan": PLAN, "receipts": ALL_RECEIPTS, "failures": {"00001": failure("00001")}}, "join", "joining"),
        ({"plan": PLAN, "receipts": ALL_RECEIPTS}, "join", "joining"),
        ({"plan": PLAN, "receipts": ALL_RECEIPTS, "failures": {"join": failure("join")}}, "fail", "joining"),
        ({"plan": PLAN, "receipts": ALL_RECEIPTS, "product": "v"}, "finish", "joining"),
        ({"cancelled": True}, "cancel", "cancelled"),
        ({"cancelled": True, "has_slot": False}, "cancel", "cancelled"),
        ({"cancelled": True, "product": "v", "plan": PLAN}, "finish", "joining"),
        (EXPIRED, "fail", "planning"),
        ({**EXPIRED, "has_slot": False}, "fail", "waiting"),
        ({**EXPIRED, "product": "v", "plan": PLAN}, "finish", "joining"),
        ({"plan": PLAN, "receipts": ALL_RECEIPTS, "has_unrecorded_product": True}, "join", "joining"),
        ({**EXPIRED, "plan": PLAN, "receipts": ALL_RECEIPTS, "has_unrecorded_product": True}, "fail", "joining"),
        ({**EXPIRED, "resumed_at": NOW.isoformat()}, "plan", "planning"),
        ({"outcome": OUTCOME}, "clean_up", "failed"),
        ({"outcome": OUTCOME, "product": "v", "cancelled": True}, "clean_up", "failed"),
    ],
)
def test_decide_and_status(changes: dict[str, Any], action: str, status: str) -> None:
    run = state(**changes)
    assert decide(run, now=NOW, run_limit=LIMIT).action == action
    assert derive_status(run) == status


def test_failure_names_batches_and_first_reason() -> None:
    run = state(plan=PLAN, receipts={1}, failures={"00000": failure("00000"), "00002": failure("00002")})
    step = decide(run, now=NOW, run_limit=LIMIT)
    assert step.reason == "Batches 0, 2 failed: 00000 broke"
    assert step.remedy == "Fix it. Then resubmit what is missing."


states = st.builds(
    state,
    plan=st.sampled_from([None, PLAN]),
    split=st.sampled_from([None, SPLIT]),
    request=st.sampled_from([request(), VIDEO["request"], EXPIRED["request"], request(parent="p", redo=(1,))]),
    receipts=st.frozensets(st.integers(0, 2)),
    failures=st.sets(st.sampled_from(["split", "join", "00000", "00001", "00002"])).map(
        lambda steps: {step: failure(step) for step in steps}
    ),
    queued=st.sets(st.sampled_from(["split", "batches", "join"])).map(lambda stages: dict.fromkeys(stages, NOW)),
    has_slot=st.booleans(),
    is_open=st.booleans(),
    cancelled=st.booleans(),
    outcome=st.sampled_from([None, OUTCOME]),
    product=st.sampled_from([None, "clip/video.mp4"]),
)


@given(states)
def test_outcome_then_product_then_cancel_take_precedence(run: RunState) -> None:
    step = decide(run, now=NOW, run_limit=LIMIT)
    assert (step.action == "clean_up") == (run.outcome is not None)
    if run.outcome is None:
        assert (step.action == "finish") == (run.product is not None)
        if run.product is None:
            assert (step.action == "cancel") == run.cancelled
    if step.action == "fail":
        assert step.reason
        assert step.remedy


@given(states)
def test_run_without_slot_is_only_admitted_or_ended(run: RunState) -> None:
    action = decide(run, now=NOW, run_limit=LIMIT).action
    if not run.has_slot:
        assert action in ("clean_up", "finish", "cancel", "fail", "admit")
    else:
        assert action != "admit"


@given(states)
def test_join_needs_every_receipt(run: RunState) -> None:
    if decide(run, now=NOW, run_limit=LIMIT).action == "join":
        assert run.plan is not None
        assert run.receipts == frozenset(range(run.plan.batch_count))


@pytest.mark.parametrize(
    ("failed_with", "next_step", "appended"),
    [
        (NextStep.RESUBMIT, NextStep.RESUBMIT, False),
        (NextStep.START_NEW_RUN, NextStep.START_NEW_RUN, False),
        (NextStep.FIX_INPUT, NextStep.RESUBMIT, True),
        (NextStep.ASK_OPERATOR, NextStep.RESUBMIT, True),
        (None, None, False),
    ],
)
def test_remedy_says_once_how_to_continue(
    failed_with: NextStep | None, next_step: NextStep | None, appended: bool
) -> None:
    """The next step decides, not the wording; a failure of version 1 has none and keeps its remedy."""
    remedy = "Do not resubmit a trigger file"
    broken = failure("00001").model_copy(update={"remedy": remedy, "next_step": failed_with})
    step = decide(state(plan=PLAN, receipts={0, 2}, failures={"00001": broken}), now=NOW, run_limit=LIMIT)
    assert (step.next_step, step.code) == (next_step, ErrorCode.INVALID_INPUT)
    assert (step.remedy != f"{remedy}.") == appended
