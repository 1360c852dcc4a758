"""Operations on tasks."""

from collections.abc import Sequence
from typing import Any

from local_cloud.batch_service.contracts import validation
from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.contracts.requests import TaskConstraints, TaskSpec, TaskUpdate
from local_cloud.batch_service.contracts.serialization import etag, now
from local_cloud.batch_service.execution.attempt import CancelReason
from local_cloud.batch_service.execution.file_transfer import is_signed
from local_cloud.batch_service.execution.scheduler import Scheduler
from local_cloud.batch_service.faults import Faults
from local_cloud.batch_service.operations.jobs import Jobs
from local_cloud.batch_service.state import transitions
from local_cloud.batch_service.state.models import Job, Task
from local_cloud.batch_service.state.store import Store, remove_folder

MAX_COLLECTION = 100  # limit of one addtaskcollection


class Tasks:
    """The tasks of all jobs."""

    def __init__(self, store: Store, scheduler: Scheduler, jobs: Jobs, faults: Faults) -> None:
        self._store = store
        self._scheduler = scheduler
        self._jobs = jobs
        self._faults = faults

    def add(self, job_id: str, body: object) -> Task:
        """Add one task. Raises BatchError: 400 for its body, TaskExists, or an error of a job that accepts no tasks."""
        task = self._add(self._jobs.require_open(job_id), body)
        self._scheduler.schedule()
        return task

    def add_collection(self, job_id: str, items: object) -> list[tuple[str, Task | BatchError]]:
        """Add up to 100 tasks; return each item's id with its task or its own error, last item first.

        The order is a choice: the service does not keep the request's order, so clients must not rely on it.
        """
        job = self._jobs.require_open(job_id)
        if not isinstance(items, list):
            raise BatchError("MissingRequiredProperty", values={"PropertyName": "value"})
        if len(items) > MAX_COLLECTION:
            reason = f"{len(items)} tasks in one request; the limit is {MAX_COLLECTION}"
            raise BatchError("InvalidPropertyValue", values={"PropertyName": "value", "Reason": reason})
        results = [(_id_of(item), self._try_add(job, item)) for item in items]
        self._scheduler.schedule()
        return results[::-1]

    def replace(self, job_id: str, task_id: str, body: TaskUpdate) -> None:
        """Replace the constraints of a task that is not completed."""
        task = self._require_not_completed(job_id, task_id)
        moment = now()
        update = {"constraints": _with_default(body.constraints, self._store.job(job_id))}
        self._store.put_task(job_id, task.model_copy(update=update | {"e_tag": etag(moment), "last_modified": moment}))

    def reactivate(self, job_id: str, task_id: str) -> None:
        """Run a failed task again. Raises BatchError: TaskNotCompleted, TaskSucceeded, or the job's error."""
        task = self._store.task(job_id, task_id)
        self._jobs.require_open(job_id)
        if task.state != "completed":
            raise BatchError("TaskNotCompleted")
        if task.execution_info.result == "success":
            raise BatchError("TaskSucceeded")
        moment = now()
        task = transitions.changed_by_user(transitions.task_reactivated(task, at=moment), at=moment)
        self._store.put_task(job_id, task)
        self._scheduler.schedule()

    async def terminate(self, job_id: str, task_id: str) -> None:
        """Terminate a task and return when it is completed."""
        task = self._require_not_completed(job_id, task_id)
        attempt = self._scheduler.attempt(job_id, task_id)
        if attempt is not None:
            await self._scheduler.end([attempt], CancelReason.TERMINATED)
            task = transitions.changed_by_user(self._store.task(job_id, task_id), at=now())
            self._store.put_task(job_id, task)
            return
        moment = now()
        task = transitions.changed_by_user(transitions.task_terminated(task, at=moment), at=moment)
        self._store.put_task(job_id, task)
        self._jobs.end_if_all_complete(job_id)

    async def delete(self, job_id: str, task_id: str) -> None:
        """Delete a task and its directory; a running task is killed."""
        task = self._store.task(job_id, task_id)
        attempt = self._scheduler.attempt(job_id, task_id)
        await self._scheduler.end([attempt] if attempt is not None else [], CancelReason.DROPPED)
        self._store.drop_task(job_id, task_id)
        self._remove_folder(self._store.job(job_id), task)

    def remove_expired_folders(self) -> None:
        """Remove the directories of tasks that completed longer ago than their retention time."""
        for job in self._store.jobs():
            for task in self._store.tasks(job.id):
                end_time = task.execution_info.end_time
                if task.state == "completed" and end_time and now() - end_time >= task.constraints.retention_time:
                    self._remove_folder(job, task)

    def requeue_orphans(self) -> None:
        """Make tasks active again that an earlier service process left running."""
        for job in self._store.jobs():
            for task in self._store.tasks(job.id):
                if task.state == "running":
                    self._store.put_task(job.id, transitions.task_requeued(task, by_user=False, at=now()))

    def counts(self, job_id: str) -> dict[str, Any]:
        """Return the body of GET taskcounts: tasks and slots by state."""
        tasks = self._store.tasks(job_id)
        return {"taskCounts": _counts(tasks, slots=False), "taskSlotCounts": _counts(tasks, slots=True)}

    def _try_add(self, job: Job, item: object) -> Task | BatchError:
        if (code := self._faults.consume_partial_failure(_id_of(item))) is not None:
            return BatchError(code)
        try:
            return self._add(job, item)
        except BatchError as error:
            return error

    def _add(self, job: Job, body: object) -> Task:
        spec = validation.validate_body(TaskSpec, body)
        _check_output_files(spec)
        if self._store.has_task(job.id, spec.id):
            raise BatchError("TaskExists")
        moment = now()
        fields = dict(spec) | {"constraints": _with_default(spec.constraints, job)}
        task = Task(
            **fields,
            e_tag=etag(moment),
            last_modified=moment,
            creation_time=moment,
            state_transition_time=moment,
        )
        self._store.put_task(job.id, task)
        return task

    def _require_not_completed(self, job_id: str, task_id: str) -> Task:
        task = self._store.task(job_id, task_id)
        if task.state == "completed":
            raise BatchError("TaskCompleted")
        return task

    def _remove_folder(self, job: Job, task: Task) -> None:
        if task.node_info is not None:
            node = self._scheduler.node_directory(task.node_info.pool_id, task.node_info.node_id)
            remove_folder(node.task(job.id, task.id).root)


def _check_output_files(spec: TaskSpec) -> None:
    """Raise BatchError for an output file that Batch could not upload (the code is a choice)."""
    for number, file in enumerate(spec.output_files or ()):
        destination = file.destination.container
        if destination.identity_reference is None and not is_signed(destination.container_url):
            name = f"outputFiles.{number}.destination.container.containerUrl"
            reason = "The URL needs a shared access signature, or the container an identityReference."
            raise BatchError("InvalidPropertyValue", values={"PropertyName": name, "Reason": reason})


def _with_default(constraints: TaskConstraints, job: Job) -> TaskConstraints:
    if constraints.max_task_retry_count is not None:
        return constraints
    return constraints.model_copy(update={"max_task_retry_count": job.constraints.max_task_retry_count})


def _id_of(item: object) -> str:
    return str(item.get("id", "")) if isinstance(item, dict) else ""


def _counts(tasks: Sequence[Task], *, slots: bool) -> dict[str, int]:
    def total(key: str, value: str) -> int:
        chosen = [t for t in tasks if (t.state if key == "state" else t.execution_info.result) == value]
        return sum(task.required_slots if slots else 1 for task in chosen)

    states = {state: total("state", state) for state in ("active", "running", "completed")}
    return states | {"succeeded": total("result", "success"), "failed": total("result", "failure")}
