"""State transitions of tasks and jobs: pure functions of the old value and the time.

    task   active -> running -> completed; running -> active by retry or requeue, completed -> active by reactivation
    job    active <-> disabled, either -> completed -> deleted

ETag and lastModified do not change here: only users' operations change them (`changed_by_user`).
"""

from datetime import datetime
from typing import TypeVar

from local_cloud.batch_service.contracts.requests import NameValue
from local_cloud.batch_service.contracts.serialization import etag
from local_cloud.batch_service.state.models import (
    Entity,
    FailureInfo,
    Job,
    JobExecution,
    JobState,
    ProcessExit,
    Task,
    TaskExecution,
    TaskNode,
    TaskState,
)

E = TypeVar("E", bound=Entity)


def changed_by_user(entity: E, *, at: datetime) -> E:
    """Return the entity with a new ETag and lastModified."""
    return entity.model_copy(update={"e_tag": etag(at), "last_modified": at})


def task_started(task: Task, node: TaskNode, *, at: datetime) -> Task:
    """Assign a task to a node and make it running; `startTime` is that of its latest run."""
    execution = task.execution_info.model_copy(update={"start_time": at})
    return _task_to(task, "running", at=at, execution=execution).model_copy(update={"node_info": node})


def task_ended(task: Task, process_exit: ProcessExit, *, upload_failure: FailureInfo | None, at: datetime) -> Task:
    """Complete a task after its process has exited, or make it active again if it failed and may be retried.

    A run that exceeded its time limit counts as a nonzero exit code (its recorded failure is FailureExitCode), so it is
    retried too. A failed upload turns a success into a failure and is not retried.
    """
    failure = _timeout_failure() if process_exit.timed_out else _exit_code_failure() if process_exit.exit_code else None
    if failure is not None and _may_retry(task):
        return _retried(task, at=at)
    return _completed(task, exit_code=process_exit.exit_code, failure=failure or upload_failure, at=at)


def task_failed(task: Task, failure: FailureInfo, *, at: datetime) -> Task:
    """Complete a task that could not be started: no exit code, no retry."""
    return _completed(task, exit_code=None, failure=failure, at=at)


def task_terminated(task: Task, *, at: datetime) -> Task:
    """Complete a task because a user terminated it or its job."""
    failure = FailureInfo(category="UserError", code="TaskEnded", message="Task Was Ended by User Request")
    return _completed(task, exit_code=None, failure=failure, at=at)


def task_requeued(task: Task, *, by_user: bool, at: datetime) -> Task:
    """Make a running task active again. Only requeues by a user are counted (a choice; undocumented for evictions)."""
    execution = TaskExecution(
        retry_count=task.execution_info.retry_count,
        last_retry_time=task.execution_info.last_retry_time,
        requeue_count=task.execution_info.requeue_count + by_user,
        last_requeue_time=at if by_user else task.execution_info.last_requeue_time,
    )
    return _task_to(task, "active", at=at, execution=execution)


def task_reactivated(task: Task, *, at: datetime) -> Task:
    """Make a failed task active again, without exit code and failure, and with all its retries."""
    execution = TaskExecution(
        requeue_count=task.execution_info.requeue_count, last_requeue_time=task.execution_info.last_requeue_time
    )
    return _task_to(task, "active", at=at, execution=execution)


def job_to(job: Job, state: JobState, *, at: datetime) -> Job:
    """Change a job's state; intermediate states are not shown as previous state (recorded: terminated from active)."""
    passing = job.state in ("disabling", "enabling", "terminating")
    previous = job.previous_state if passing else job.state
    previous_time = job.previous_state_transition_time if passing else job.state_transition_time
    return job.model_copy(
        update={
            "state": state,
            "state_transition_time": at,
            "previous_state": previous,
            "previous_state_transition_time": previous_time,
        }
    )


def job_completed(job: Job, *, at: datetime) -> Job:
    """Complete a job; its reason was set when it began to end."""
    execution = job.execution_info.model_copy(update={"end_time": at})
    return job_to(job, "completed", at=at).model_copy(update={"execution_info": execution})


def job_ending(job: Job, reason: str, *, at: datetime) -> Job:
    """Begin to terminate a job."""
    execution: JobExecution = job.execution_info.model_copy(update={"terminate_reason": reason})
    return job_to(job, "terminating", at=at).model_copy(update={"execution_info": execution})


def _task_to(task: Task, state: TaskState, *, at: datetime, execution: TaskExecution) -> Task:
    return task.model_copy(
        update={
            "state": state,
            "state_transition_time": at,
            "previous_state": task.state,
            "previous_state_transition_time": task.state_transition_time,
            "execution_info": execution,
        }
    )


def _completed(task: Task, *, exit_code: int | None, failure: FailureInfo | None, at: datetime) -> Task:
    execution = task.execution_info.model_copy(
        update={
            "end_time": at,
            "exit_code": exit_code,
            "failure_info": failure,
            "result": "success" if failure is None else "failure",
        }
    )
    return _task_to(task, "completed", at=at, execution=execution)


def _may_retry(task: Task) -> bool:
    limit = task.constraints.max_task_retry_count or 0
    return limit == -1 or task.execution_info.retry_count < limit


def _retried(task: Task, *, at: datetime) -> Task:
    old = task.execution_info
    execution = TaskExecution(
        retry_count=old.retry_count + 1,
        last_retry_time=at,
        requeue_count=old.requeue_count,
        last_requeue_time=old.last_requeue_time,
    )
    return _task_to(task, "active", at=at, execution=execution)


def _exit_code_failure() -> FailureInfo:
    return FailureInfo(
        category="UserError",
        code="FailureExitCode",
        message="The task exited with an exit code representing a failure",
        details=_exit_details("The task process exited with an unexpected exit code"),
    )


def _timeout_failure() -> FailureInfo:
    return FailureInfo(
        category="UserError",
        code="TaskEnded",
        message="The task was ended by user request",
        details=_exit_details("The maximum execution time configured on the task was exceeded"),
    )


def _exit_details(message: str) -> tuple[NameValue, ...]:
    return (
        NameValue(name="Message", value=message),
        NameValue(name="AdditionalErrorCode", value="FailureExitCode"),
    )
