"""Operations on jobs. Slow ones (terminate, disable, delete) respond at once and continue in the background."""

from local_cloud.batch_service.background import Background
from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.contracts.requests import JobPatch, JobSpec, JobUpdate
from local_cloud.batch_service.contracts.serialization import etag, now
from local_cloud.batch_service.execution.attempt import CancelReason
from local_cloud.batch_service.execution.scheduler import Scheduler
from local_cloud.batch_service.state import transitions
from local_cloud.batch_service.state.models import Job, JobExecution
from local_cloud.batch_service.state.store import Store, remove_folder

_DISABLE_CANCEL_REASONS = {"requeue": CancelReason.REQUEUED, "terminate": CancelReason.TERMINATED, "wait": None}


class Jobs:
    """The jobs of the account."""

    def __init__(self, store: Store, scheduler: Scheduler, background: Background, *, quota: int | None = None) -> None:
        """`quota` is the number of jobs that may exist without being completed; None means no limit."""
        self._quota = quota
        self._store = store
        self._scheduler = scheduler
        self._background = background

    def create(self, spec: JobSpec) -> Job:
        """Add a job. A missing pool is not an error; the job's tasks stay active.

        A new job with `terminatejob` and without tasks stays active (seen in recorded responses). Raises BatchError:
        JobExists, JobBeingDeleted or ActiveJobAndScheduleQuotaReached.
        """
        if self._store.has_job(spec.id):
            self._require_not_deleting(self._store.job(spec.id))
            raise BatchError("JobExists")
        open_jobs = sum(job.state != "completed" for job in self._store.jobs())
        if self._quota is not None and open_jobs >= self._quota:
            raise BatchError("ActiveJobAndScheduleQuotaReached")
        moment = now()
        job = Job(
            **dict(spec),
            e_tag=etag(moment),
            last_modified=moment,
            creation_time=moment,
            state_transition_time=moment,
            execution_info=JobExecution(start_time=moment, pool_id=spec.pool_info.pool_id),
        )
        self._store.put_job(job)
        return job

    def change(self, job_id: str, change: JobPatch | JobUpdate) -> Job:
        """Change a job that is not completed: PATCH applies the properties it has, PUT all changeable ones."""
        job = self.require_open(job_id)
        update = dict(change)
        if isinstance(change, JobPatch):
            update = {name: value for name, value in update.items() if value is not None}
        moment = now()
        job = job.model_copy(update=update | {"e_tag": etag(moment), "last_modified": moment})
        self._store.put_job(job)
        self.end_if_all_complete(job_id)
        self._scheduler.schedule()
        return self._store.job(job_id)

    def require_open(self, job_id: str) -> Job:
        """Return a job that is neither completed nor ending.

        Raises BatchError: JobNotFound, JobCompleted, JobBeingTerminated or JobBeingDeleted.
        """
        job = self._store.job(job_id)
        self._require_not_deleting(job)
        if job.state == "completed":
            raise BatchError("JobCompleted")
        if job.state == "terminating":
            raise BatchError("JobBeingTerminated")
        return job

    def terminate(self, job_id: str, reason: str) -> Job:
        """End a job: running tasks are killed, active tasks stay active and never run."""
        return self._terminate(transitions.changed_by_user(self.require_open(job_id), at=now()), reason)

    def delete(self, job_id: str) -> None:
        """Delete a job, its tasks and their directories."""
        job = self._store.job(job_id)
        self._require_not_deleting(job)
        self._store.put_job(transitions.job_to(job, "deleting", at=now()))
        self._background.start(self._finish_deletion(job.id))

    def disable(self, job_id: str, disable_tasks: str) -> Job:
        """Disable a job; `disable_tasks` is what happens to running tasks: requeue, terminate or wait."""
        job = self.require_open(job_id)
        if job.state in ("disabled", "disabling"):
            raise BatchError("JobDisabled")
        moment = now()
        job = transitions.changed_by_user(transitions.job_to(job, "disabling", at=moment), at=moment)
        self._store.put_job(job)
        self._background.start(self._finish_disabling(job.id, _DISABLE_CANCEL_REASONS[disable_tasks]))
        return job

    def enable(self, job_id: str) -> Job:
        """Enable a disabled job."""
        moment = now()
        job = transitions.job_to(self.require_open(job_id), "active", at=moment)
        job = transitions.changed_by_user(job, at=moment)
        self._store.put_job(job)
        self._scheduler.schedule()
        return job

    def end_if_all_complete(self, job_id: str) -> None:
        """Terminate a job with `terminatejob` if all its tasks are completed (which includes no tasks)."""
        job = self._store.job(job_id)
        if job.state != "active" or job.on_all_tasks_complete != "terminatejob":
            return
        if all(task.state == "completed" for task in self._store.tasks(job_id)):
            self._terminate(self.require_open(job_id), "AllTasksComplete")

    def terminate_expired(self) -> None:
        """Terminate the jobs whose maximum wall-clock time, counted from their creation, has passed."""
        for job in self._store.jobs():
            overdue = now() - job.creation_time >= job.constraints.max_wall_clock_time
            if overdue and job.state in ("active", "disabled", "disabling"):
                self._terminate(job, "MaxWallClockTimeExpiry")

    def resume(self) -> None:
        """Finish the operations that an earlier service process had started."""
        for job in self._store.jobs():
            match job.state:
                case "terminating":
                    self._background.start(self._finish_termination(job.id))
                case "deleting":
                    self._background.start(self._finish_deletion(job.id))
                case "disabling":
                    self._background.start(self._finish_disabling(job.id, None))
                case _ if self._store.tasks(job.id):
                    self.end_if_all_complete(job.id)

    def _terminate(self, job: Job, reason: str) -> Job:
        job = transitions.job_ending(job, reason, at=now())
        self._store.put_job(job)
        self._background.start(self._finish_termination(job.id))
        return job

    async def _finish_termination(self, job_id: str) -> None:
        await self._scheduler.end(self._scheduler.attempts(job_id=job_id), CancelReason.TERMINATED)
        if (job := self._job_in_state(job_id, "terminating")) is not None:
            self._store.put_job(transitions.job_completed(job, at=now()))

    async def _finish_disabling(self, job_id: str, cancel_reason: CancelReason | None) -> None:
        await self._scheduler.end(self._scheduler.attempts(job_id=job_id), cancel_reason)
        if (job := self._job_in_state(job_id, "disabling")) is not None:
            self._store.put_job(transitions.job_to(job, "disabled", at=now()))

    async def _finish_deletion(self, job_id: str) -> None:
        await self._scheduler.end(self._scheduler.attempts(job_id=job_id), CancelReason.DROPPED)
        for pool in self._store.pools():
            for node in pool.nodes:
                remove_folder(self._scheduler.node_directory(pool.id, node.id).job(job_id).parent)
        self._store.drop_job(job_id)

    def _job_in_state(self, job_id: str, state: str) -> Job | None:
        job = self._store.job(job_id) if self._store.has_job(job_id) else None
        return job if job is not None and job.state == state else None

    def _require_not_deleting(self, job: Job) -> None:
        if job.state == "deleting":
            raise BatchError("JobBeingDeleted")
