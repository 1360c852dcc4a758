"""The durable state of a run: what it is, how it is read, and single facts of it."""

from orchestration.state.lookups import (
    job_numbers,
    open_runs,
    read_task_error,
    run_name,
    slots_held_by,
    write_failure,
)
from orchestration.state.reading import read_state
from orchestration.state.values import AnyState, RunState, UnreadableRun

__all__ = [
    "AnyState",
    "RunState",
    "UnreadableRun",
    "job_numbers",
    "open_runs",
    "read_state",
    "read_task_error",
    "run_name",
    "slots_held_by",
    "write_failure",
]
