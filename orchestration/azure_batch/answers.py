"""What Batch answers, as values of our own; what comes from nodes is shortened."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from azure.batch import models as m

from orchestration.azure_batch.pool import NodeView, PoolError, PoolView, RunningTask
from orchestration.azure_batch.ports import TaskView

MAX_ERROR_CHARS: Final = 500


def pool_view(pool: m.BatchPool) -> PoolView:
    """Return a pool."""
    machine = pool.virtual_machine_configuration
    container = machine.container_configuration if machine else None
    identity = pool.identity
    errors = [
        PoolError(source="resize", code=str(error.code), message=str(error.message))
        for error in pool.resize_errors or []
    ]
    if pool.auto_scale_run and (error := pool.auto_scale_run.error):
        errors.append(PoolError(source="autoscale", code=str(error.code), message=str(error.message)))
    return PoolView(
        pool_id=str(pool.id),
        state=lower_case(pool.state),
        allocation_state=lower_case(pool.allocation_state),
        vm_size=str(pool.vm_size),
        slots=pool.task_slots_per_node or 1,
        nodes=pool.current_dedicated_nodes + pool.current_low_priority_nodes,
        node_agent=str(machine.node_agent_sku_id or "") if machine else "",
        takes_containers=container is not None,
        images=tuple(container.container_image_names or ()) if container else (),
        registries=tuple(str(r.registry_server or "docker.io") for r in container.container_registries or ())
        if container
        else (),
        identities=tuple(str(i.resource_id) for i in identity.user_assigned_identities or ()) if identity else None,
        mounts=tuple(_mounted_folders(pool.mount_configuration or ())),
        errors=tuple(errors),
    )


def _mounted_folders(mounts: Iterable[m.MountConfiguration]) -> Iterator[str]:
    for mount in mounts:
        for configuration in (mount.azure_blob_file_system_configuration, mount.nfs_mount_configuration):
            if configuration is not None:
                yield str(configuration.relative_mount_path)


def node_view(node: m.BatchNode) -> NodeView:
    """Return a node with its running tasks and its errors."""
    tasks = [task for task in node.recent_tasks or () if lower_case(task.task_state) == "running"]
    return NodeView(
        node_id=str(node.id),
        state=lower_case(node.state),
        dedicated=bool(node.is_dedicated),
        running_tasks=node.running_tasks_count or 0,
        tasks=tuple(RunningTask(job_id=str(task.job_id), task_id=str(task.task_id)) for task in tasks),
        allocated_at=node.allocation_time,
        errors=tuple(_node_errors(node)),
    )


def _node_errors(node: m.BatchNode) -> Iterator[str]:
    """Yield why a node cannot be used, each error with its details; they come from the node, so they are shortened."""
    start = node.start_task_info
    if start is not None and (failure := start.failure_info) is not None:
        code = f", exit code {start.exit_code}" if start.exit_code is not None else ""
        yield f"Start task failed: {failure.code}: {failure.message}{code}"[:MAX_ERROR_CHARS]
    for error in node.errors or ():
        details = "; ".join(f"{each.name}: {each.value}" for each in error.error_details or ())
        yield f"{error.code}: {error.message}{f' ({details})' if details else ''}"[:MAX_ERROR_CHARS]


def task_view(task: m.BatchTask) -> TaskView:
    """Return a task with its result."""
    info = task.execution_info
    failure = info.failure_info if info else None
    return TaskView(
        task_id=str(task.id),
        state=lower_case(task.state),
        succeeded=lower_case(info.result if info else None) == "success",
        exit_code=info.exit_code if info else None,
        failure=f"{failure.code}: {failure.message}" if failure else "",
    )


def lower_case(value: Any) -> str:
    """Return a value of a service enumeration in lower case; empty for None."""
    return str(getattr(value, "value", value) or "").casefold()
