"""State transitions of tasks."""

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local_cloud.batch_service.contracts.requests import TaskConstraints
from local_cloud.batch_service.state import transitions
from local_cloud.batch_service.state.models import ProcessExit, Task

AT = dt.datetime(2026, 1, 22, 20, 18, 17, 854394, tzinfo=dt.UTC)


def make_task(retries: int) -> Task:
    constraints = TaskConstraints(max_task_retry_count=retries)
    times: dict[str, Any] = dict.fromkeys(("last_modified", "creation_time", "state_transition_time"), AT)
    return Task(id="t", command_line="x", e_tag="0x1", constraints=constraints, **times)


@given(retries=st.integers(0, 5), codes=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_task_runs_until_success_or_retry_limit(retries: int, codes: list[int]) -> None:
    task = make_task(retries)
    runs = 0
    for code in codes:
        task = transitions.task_ended(task, ProcessExit(code, timed_out=False), upload_failure=None, at=AT)
        runs += 1
        if task.state == "completed":
            break
    expected = next((i + 1 for i, code in enumerate(codes[: retries + 1]) if code == 0), retries + 1)
    assert runs == expected
    assert task.execution_info.retry_count == runs - 1
    assert (task.execution_info.result == "success") == (codes[runs - 1] == 0)
    assert (task.execution_info.failure_info is None) == (codes[runs - 1] == 0)
    assert task.e_tag == "0x1"
