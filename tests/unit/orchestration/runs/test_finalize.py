"""How a run ends: the log line that alerts select, and the error data in the outcome."""

import logging

import pytest

from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from orchestration.runs import finalize
from tests.support.memory_world import Memory

RUN = "clip-0123456789"


@pytest.mark.parametrize(
    ("status", "level"),
    [("finished", "INFO"), ("failed", "ERROR"), ("refused", "INFO"), ("cancelled", "INFO")],
)
def test_end_logs_the_event_as_a_field(status: finalize.Status, level: str, caplog: pytest.LogCaptureFixture) -> None:
    world = Memory().world()
    with caplog.at_level(logging.INFO):
        finalize.end(world.app, RUN, name="clip", status=status, reason="R", code=ErrorCode.RUN_TIMED_OUT)
    (record,) = [record for record in caplog.records if record.name == finalize.__name__]
    assert (record.levelname, record.__dict__["fields"]["event"]) == (level, f"run_{status}")


def test_end_stores_code_and_next_step() -> None:
    world = Memory().world()
    finalize.end(
        world.app,
        RUN,
        name="clip",
        status="failed",
        reason="R",
        code=ErrorCode.POOL_UNUSABLE,
        next_step=NextStep.ASK_OPERATOR,
    )
    outcome = world.outcome(RUN)
    assert (outcome.version, outcome.code, outcome.next_step) == (2, "pool_unusable", "ask_operator")
    assert world.storage.runs.exists(RunPaths(RUN).outcome)
