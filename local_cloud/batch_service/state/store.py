"""Jobs, tasks and pools in memory and on disk: one JSON file each, written atomically.

Files are renamed into place, so after a crash of the service every file is old or new. They are not synced to disk, so
a power failure may lose the last changes. Ids are case-insensitive, as in Batch.
"""

import shutil
import uuid
from pathlib import Path

from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.contracts.serialization import WireModel
from local_cloud.batch_service.state.models import Job, Pool, Task


def write_atomically(path: Path, content: str) -> None:
    """Write a file so that no reader ever sees part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(content, encoding="utf-8")
    draft.replace(path)


class Store:
    """All entities below one folder; reading a missing entity raises the service's 404 error."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, dict[str, Task]] = {}
        self._pools: dict[str, Pool] = {}
        for file in folder.glob("pools/*.json"):
            self._pools[file.stem] = Pool.model_validate_json(file.read_bytes())
        for job_folder in folder.glob("jobs/*"):
            file, key = job_folder / "job.json", job_folder.name
            if not file.exists():
                shutil.rmtree(job_folder)  # an interrupted deletion
                continue
            self._jobs[key] = Job.model_validate_json(file.read_bytes())
            tasks = (Task.model_validate_json(task.read_bytes()) for task in job_folder.glob("tasks/*.json"))
            self._tasks[key] = {task.id.lower(): task for task in tasks}

    def jobs(self) -> list[Job]:
        """Return all jobs, sorted by id."""
        return [self._jobs[key] for key in sorted(self._jobs)]

    def job(self, job_id: str) -> Job:
        """Return a job. Raises BatchError (JobNotFound)."""
        try:
            return self._jobs[job_id.lower()]
        except KeyError:
            raise BatchError("JobNotFound") from None

    def has_job(self, job_id: str) -> bool:
        """Return whether a job with this id exists."""
        return job_id.lower() in self._jobs

    def put_job(self, job: Job) -> None:
        """Add or replace a job."""
        key = job.id.lower()
        self._write(self._job_folder(key) / "job.json", job)
        self._jobs[key] = job
        self._tasks.setdefault(key, {})

    def drop_job(self, job_id: str) -> None:
        """Delete a job and its tasks; `job.json` is deleted first, so that an interrupted deletion leaves no job."""
        key = job_id.lower()
        (self._job_folder(key) / "job.json").unlink(missing_ok=True)
        shutil.rmtree(self._job_folder(key), ignore_errors=True)
        self._jobs.pop(key, None)
        self._tasks.pop(key, None)

    def tasks(self, job_id: str) -> list[Task]:
        """Return the tasks of a job, sorted by id. Raises BatchError (JobNotFound)."""
        self.job(job_id)
        tasks = self._tasks[job_id.lower()]
        return [tasks[key] for key in sorted(tasks)]

    def task(self, job_id: str, task_id: str) -> Task:
        """Return a task. Raises BatchError (JobNotFound or TaskNotFound)."""
        self.job(job_id)
        try:
            return self._tasks[job_id.lower()][task_id.lower()]
        except KeyError:
            raise BatchError("TaskNotFound") from None

    def has_task(self, job_id: str, task_id: str) -> bool:
        """Return whether a task with this id exists."""
        return task_id.lower() in self._tasks.get(job_id.lower(), {})

    def put_task(self, job_id: str, task: Task) -> None:
        """Add or replace a task."""
        self._write(self._task_file(job_id, task.id), task)
        self._tasks[job_id.lower()][task.id.lower()] = task

    def drop_task(self, job_id: str, task_id: str) -> None:
        """Delete a task."""
        self._task_file(job_id, task_id).unlink(missing_ok=True)
        self._tasks[job_id.lower()].pop(task_id.lower(), None)

    def pools(self) -> list[Pool]:
        """Return all pools, sorted by id."""
        return [self._pools[key] for key in sorted(self._pools)]

    def pool(self, pool_id: str) -> Pool:
        """Return a pool. Raises BatchError (PoolNotFound)."""
        try:
            return self._pools[pool_id.lower()]
        except KeyError:
            raise BatchError("PoolNotFound") from None

    def has_pool(self, pool_id: str) -> bool:
        """Return whether a pool with this id exists."""
        return pool_id.lower() in self._pools

    def put_pool(self, pool: Pool) -> None:
        """Add or replace a pool."""
        key = pool.id.lower()
        self._write(self._folder / "pools" / f"{key}.json", pool)
        self._pools[key] = pool

    def drop_pool(self, pool_id: str) -> None:
        """Delete a pool."""
        (self._folder / "pools" / f"{pool_id.lower()}.json").unlink(missing_ok=True)
        self._pools.pop(pool_id.lower(), None)

    def _job_folder(self, key: str) -> Path:
        return self._folder / "jobs" / key

    def _task_file(self, job_id: str, task_id: str) -> Path:
        return self._job_folder(job_id.lower()) / "tasks" / f"{task_id.lower()}.json"

    def _write(self, path: Path, value: WireModel) -> None:
        write_atomically(path, value.model_dump_json(by_alias=True, exclude_none=True))


def remove_folder(path: Path) -> None:
    """Remove a folder: it disappears at once, then its content is deleted, even if a process still writes to it."""
    trash = path.with_name(f".{path.name}.{uuid.uuid4().hex}.gone")
    try:
        path.rename(trash)
    except FileNotFoundError:
        return
    shutil.rmtree(trash, ignore_errors=True)
