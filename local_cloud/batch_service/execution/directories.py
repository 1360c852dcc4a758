"""Directories of a node and the environment of a task (Batch documentation: files-and-directories).

    <node>/workitems/<job>/job-1/<task>/{stdout.txt, stderr.txt, wd/}
    <node>/{shared, startup, fsmounts}/

Variables that have no meaning here are not set: AZ_BATCH_CERTIFICATES_DIR (certificates are retired),
AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES, and those of multi-instance tasks.
CUDA_VISIBLE_DEVICES is not a Batch variable; the image's environment or the task sets it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local_cloud.batch_service.contracts.requests import NameValue
from local_cloud.batch_service.state.models import Job, Task
from local_cloud.batch_service.state.store import remove_folder

ACCOUNT_NAME = "localbatch"


@dataclass(frozen=True)
class NodeDirectory:
    """The directories of a node below `root` (an absolute path)."""

    root: Path

    def make(self) -> None:
        """Create the directories that every node has."""
        for name in ("workitems", "shared", "startup", "fsmounts"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def wipe(self) -> None:
        """Remove everything; the node is gone."""
        remove_folder(self.root)

    def job(self, job_id: str) -> Path:
        """Return the directory of a job's tasks; the service calls it job-1 for every job."""
        return self.root / "workitems" / job_id / "job-1"

    def task(self, job_id: str, task_id: str) -> "TaskDirectory":
        """Return the directory of a task."""
        return TaskDirectory(self.job(job_id) / task_id)


@dataclass(frozen=True)
class TaskDirectory:
    """The directory of a task on a node."""

    root: Path

    @property
    def working(self) -> Path:
        """The process's working directory: resource files go here, output patterns are relative to it."""
        return self.root / "wd"

    @property
    def stdout(self) -> Path:
        """The file with the process's standard output."""
        return self.root / "stdout.txt"

    @property
    def stderr(self) -> Path:
        """The file with the process's standard error."""
        return self.root / "stderr.txt"

    def make_fresh(self) -> None:
        """Create the directory anew, without files of an earlier attempt."""
        remove_folder(self.root)
        self.working.mkdir(parents=True)


def task_environment(
    base: Mapping[str, str], *, job: Job, task: Task, account_url: str, node: NodeDirectory, dedicated: bool
) -> dict[str, str]:
    """Return the whole environment of a task: image, Batch, job and task variables; later ones override earlier ones.

    The service's own environment is not inherited.
    """
    info = task.node_info
    if info is None:
        raise ValueError(f"task {task.id} has no node; assign it to a node first")
    directory = node.task(job.id, task.id)
    preparation = node.job(job.id) / "jobpreparation"
    batch = {
        "AZ_BATCH_ACCOUNT_NAME": ACCOUNT_NAME,
        "AZ_BATCH_ACCOUNT_URL": account_url,
        "AZ_BATCH_POOL_ID": info.pool_id,
        "AZ_BATCH_NODE_ID": info.node_id,
        "AZ_BATCH_NODE_IS_DEDICATED": str(dedicated).lower(),
        "AZ_BATCH_NODE_ROOT_DIR": str(node.root),
        "AZ_BATCH_NODE_SHARED_DIR": str(node.root / "shared"),
        "AZ_BATCH_NODE_STARTUP_DIR": str(node.root / "startup"),
        "AZ_BATCH_NODE_MOUNTS_DIR": str(node.root / "fsmounts"),
        "AZ_BATCH_JOB_ID": job.id,
        "AZ_BATCH_JOB_PREP_DIR": str(preparation),
        "AZ_BATCH_JOB_PREP_WORKING_DIR": str(preparation / "wd"),
        "AZ_BATCH_TASK_ID": task.id,
        "AZ_BATCH_TASK_DIR": str(directory.root),
        "AZ_BATCH_TASK_WORKING_DIR": str(directory.working),
    }
    return dict(base) | batch | _settings(job.common_environment_settings) | _settings(task.environment_settings)


def _settings(settings: Iterable[NameValue] | None) -> dict[str, str]:
    return {setting.name: setting.value for setting in settings or ()}
