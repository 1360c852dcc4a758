"""How a run ends: the log line that alerts select, and the error data in the outcome."""

import logging

import pytest

from frame_tools.contracts.choices import RunOutcome
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from orchestration.runs import finalize
from orchestration.runs.finalize import finalize_run
from tests.support.memory_world import InMemoryCloud

RUN = "clip-0123456789"


@pytest.mark.parametrize(
    ("status", "level"),
    [("finished", "INFO"), ("failed", "ERROR"), ("refused", "INFO"), ("cancelled", "INFO")],
)
def test_finalize_logs_the_event_as_a_field(status: RunOutcome, level: str, caplog: pytest.LogCaptureFixture) -> None:
    world = InMemoryCloud().world()
    with caplog.at_level(logging.INFO):
        finalize_run(world.app, RUN, name="clip", status=status, reason="R", code=ErrorCode.RUN_TIMED_OUT)
    (record,) = [record for record in caplog.records if record.name == finalize.__name__]
    assert (record.levelname, record.__dict__["fields"]["event"]) == (level, f"run_{status}")


def test_finalize_stores_code_and_next_step() -> None:
    world = InMemoryCloud().world()
    finalize_run(
        world.app,
        RUN,
        name="clip",
        status="failed",
        reason="R",
        code=ErrorCode.POOL_UNUSABLE,
        next_step=NextStep.ASK_OPERATOR,
    )
    outcome = world.outcome(RUN)
    assert (outcome.version, outcome.code, outcome.next_step) == (3, "pool_unusable", "ask_operator")
    assert world.storage.runs.exists(RunPaths(RUN).outcome)
