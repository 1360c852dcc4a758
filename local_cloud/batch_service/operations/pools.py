"""Operations on pools.

Autoscale formulas are checked and stored; only evaluateautoscale evaluates them, and a pool keeps its nodes.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from local_cloud.batch_service.autoscale.run import evaluation
from local_cloud.batch_service.autoscale.values import FormulaError
from local_cloud.batch_service.background import Background
from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.contracts.requests import AutoScaleEnable, PoolResize, PoolSpec
from local_cloud.batch_service.contracts.serialization import etag, now
from local_cloud.batch_service.execution.attempt import CancelReason
from local_cloud.batch_service.execution.scheduler import Scheduler
from local_cloud.batch_service.operations.nodes import Nodes, targets
from local_cloud.batch_service.state.models import Pool, ResizeError
from local_cloud.batch_service.state.store import Store

NODE_AGENT = "batch.node.ubuntu 24.04"
NODE_IMAGE_REFERENCE = {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2404", "version": "latest"}
_CANCEL_REASONS = {"requeue": CancelReason.REQUEUED, "terminate": CancelReason.TERMINATED, "taskcompletion": None}


class Pools:
    """The pools of the account."""

    def __init__(self, store: Store, scheduler: Scheduler, nodes: Nodes, background: Background) -> None:
        self._store = store
        self._scheduler = scheduler
        self._nodes = nodes
        self._background = background

    def create(self, spec: PoolSpec) -> Pool:
        """Add a pool, which is resizing until its nodes are allocated. Raises BatchError (PoolExists)."""
        pool = self._add(spec, allocation_state="resizing")
        self._background.start(self._finish_creation(pool.id))
        return pool

    def _add(self, spec: PoolSpec, *, allocation_state: Literal["steady", "resizing"]) -> Pool:
        """Add a pool without nodes. Raises BatchError (PoolExists)."""
        if self._store.has_pool(spec.id):
            raise BatchError("PoolExists")
        moment = now()
        pool = Pool(
            **dict(spec),
            e_tag=etag(moment),
            last_modified=moment,
            creation_time=moment,
            state_transition_time=moment,
            allocation_state=allocation_state,
            allocation_state_transition_time=moment,
        )
        self._store.put_pool(pool)
        return pool

    def declare(self, pool_id: str, *, nodes: int, slots: int, images: Iterable[str]) -> None:
        """Create or update a pool as declared on the command line."""
        container = {
            "imageReference": NODE_IMAGE_REFERENCE,
            "nodeAgentSKUId": NODE_AGENT,
            "containerConfiguration": {"type": "dockerCompatible", "containerImageNames": sorted(images)},
        }
        spec = PoolSpec(
            id=pool_id,
            vm_size="local",
            virtual_machine_configuration=container,
            task_slots_per_node=slots,
            target_dedicated_nodes=nodes,
        )
        if not self._store.has_pool(pool_id):
            self._add(spec, allocation_state="steady")
            self._nodes.add_missing(pool_id)
            self._scheduler.schedule()
            return
        pool = self._store.pool(pool_id)
        update: dict[str, object] = {
            "task_slots_per_node": slots,
            "target_dedicated_nodes": nodes,
            "target_low_priority_nodes": 0,
            "virtual_machine_configuration": container,
        }
        for node in pool.nodes[nodes:]:
            self._scheduler.node_directory(pool_id, node.id).wipe()
        self._store.put_pool(pool.model_copy(update=update | {"nodes": pool.nodes[:nodes]}))
        self._nodes.add_missing(pool_id)

    def resume(self) -> None:
        """Finish the operations that an earlier service process had started; all remaining nodes become idle."""
        for pool in self._store.pools():
            if pool.state == "deleting":
                self._store.drop_pool(pool.id)
                continue
            kept = (node for node in pool.nodes if node.state != "leavingpool")
            idle_nodes = tuple(node.model_copy(update={"state": "idle"}) for node in kept)
            self._store.put_pool(pool.model_copy(update={"nodes": idle_nodes, "allocation_state": "steady"}))
            self._nodes.add_missing(pool.id)

    def delete(self, pool_id: str) -> None:
        """Delete a pool; its running tasks are requeued and wait for another pool."""
        pool = self._require_not_deleting(pool_id)
        self._store.put_pool(pool.model_copy(update={"state": "deleting", "state_transition_time": now()}))
        self._background.start(self._finish_deletion(pool.id, [node.id for node in pool.nodes]))

    def resize(self, pool_id: str, request: PoolResize) -> None:
        """Change the number of nodes.

        Raises BatchError: PoolBeingResized, or OperationInvalidForCurrentState for a pool with autoscale (409 as in
        Azure; the code is a choice).
        """
        pool = self._require_not_deleting(pool_id)
        if pool.enable_auto_scale:
            raise BatchError("OperationInvalidForCurrentState")
        if pool.allocation_state != "steady":
            raise BatchError("PoolBeingResized")
        moment = now()
        update: dict[str, object] = {"allocation_state": "resizing", "allocation_state_transition_time": moment}
        if request.target_dedicated_nodes is not None:
            update["target_dedicated_nodes"] = request.target_dedicated_nodes
        if request.target_low_priority_nodes is not None:
            update["target_low_priority_nodes"] = request.target_low_priority_nodes
        self._store.put_pool(pool.model_copy(update=update | {"e_tag": etag(moment), "last_modified": moment}))
        self._background.start(self._finish_resize(pool.id, _CANCEL_REASONS[request.node_deallocation_option]))

    def set_resize_error(self, code: str, message: str) -> None:
        """Show a resize error on every pool, as Batch does without quota or capacity; an empty code removes it."""
        errors = (ResizeError(code=code, message=message),) if code else None
        for pool in self._store.pools():
            self._store.put_pool(pool.model_copy(update={"resize_errors": errors}))

    def enable_auto_scale(self, pool_id: str, request: AutoScaleEnable) -> None:
        """Store a formula; it changes no nodes here. Raises BatchError (InvalidPropertyValue) for an invalid one."""
        pool = self._require_not_deleting(pool_id)
        formula = request.auto_scale_formula or pool.auto_scale_formula
        if not formula:
            raise BatchError("MissingRequiredProperty", values={"PropertyName": "autoScaleFormula"})
        if (error := self._evaluation(pool, formula)[1]) is not None:
            values = {"PropertyName": "autoScaleFormula", "Reason": str(error)}
            raise BatchError("InvalidPropertyValue", values=values)
        interval = request.auto_scale_evaluation_interval or pool.auto_scale_evaluation_interval
        self._change(pool, enable_auto_scale=True, auto_scale_formula=formula, auto_scale_evaluation_interval=interval)

    def evaluate_auto_scale(self, pool_id: str, formula: str) -> tuple[str, FormulaError | None]:
        """Return the results of a formula and its error. Raises BatchError for a pool without autoscale (a choice)."""
        pool = self._require_not_deleting(pool_id)
        if not pool.enable_auto_scale:
            raise BatchError("OperationInvalidForCurrentState")
        return self._evaluation(pool, formula)

    def disable_auto_scale(self, pool_id: str) -> None:
        """Remove the formula."""
        pool = self._require_not_deleting(pool_id)
        self._change(pool, enable_auto_scale=False, auto_scale_formula=None, auto_scale_evaluation_interval=None)

    async def _finish_creation(self, pool_id: str) -> None:
        await asyncio.sleep(self._nodes.boot_seconds)  # the local stand-in for the time of an allocation, too
        if self._store.has_pool(pool_id):  # it may have been deleted meanwhile
            await self._finish_resize(pool_id, None)

    async def _finish_resize(self, pool_id: str, cancel_reason: CancelReason | None) -> None:
        pool = self._store.pool(pool_id)
        for dedicated, target in targets(pool):
            surplus = [node for node in pool.nodes if node.is_dedicated is dedicated][target:]
            await asyncio.gather(*(self._nodes.retire(pool_id, node.id, cancel_reason) for node in surplus))
        self._nodes.add_missing(pool_id)
        update = {"allocation_state": "steady", "allocation_state_transition_time": now()}
        self._store.put_pool(self._store.pool(pool_id).model_copy(update=update))
        self._scheduler.schedule()

    async def _finish_deletion(self, pool_id: str, node_ids: Iterable[str]) -> None:
        for node_id in node_ids:
            await self._nodes.retire(pool_id, node_id, CancelReason.REQUEUED)
        self._store.drop_pool(pool_id)

    def _evaluation(self, pool: Pool, formula: str) -> tuple[str, FormulaError | None]:
        jobs = [job for job in self._store.jobs() if job.pool_info.pool_id.lower() == pool.id.lower()]
        states = Counter(task.state for job in jobs for task in self._store.tasks(job.id))
        dedicated = sum(node.is_dedicated for node in pool.nodes)
        sampled = {
            "$PendingTasks": states["active"] + states["running"],
            "$ActiveTasks": states["active"],
            "$RunningTasks": states["running"],
            "$CurrentDedicatedNodes": dedicated,
            "$CurrentLowPriorityNodes": len(pool.nodes) - dedicated,
            "$PreemptedNodeCount": sum(node.state == "preempted" for node in pool.nodes),
        }
        fixed = {
            "$TaskSlotsPerNode": pool.task_slots_per_node,
            "$TargetDedicatedNodes": pool.target_dedicated_nodes,
            "$TargetLowPriorityNodes": pool.target_low_priority_nodes,
        }
        return evaluation(formula, sampled, fixed)

    def _change(self, pool: Pool, **update: object) -> None:
        moment = now()
        changed = update | {"e_tag": etag(moment), "last_modified": moment}
        self._store.put_pool(pool.model_copy(update=changed))

    def _require_not_deleting(self, pool_id: str) -> Pool:
        pool = self._store.pool(pool_id)
        if pool.state == "deleting":
            raise BatchError("PoolBeingDeleted")
        return pool
