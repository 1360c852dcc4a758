"""The nodes of the pools: they are added, removed by a resize, or lost by an injected fault. A node is a directory."""

import asyncio
import itertools

from local_cloud.batch_service.background import Background
from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.contracts.serialization import now
from local_cloud.batch_service.execution.attempt import CancelReason
from local_cloud.batch_service.execution.scheduler import Scheduler
from local_cloud.batch_service.state.models import Node, Pool
from local_cloud.batch_service.state.store import Store

NODE_RETURN_S = 0.5  # how long a preempted node is away; in Azure, until there is capacity again


class Nodes:
    """The nodes of all pools."""

    def __init__(
        self, store: Store, scheduler: Scheduler, background: Background, *, boot_seconds: float = 0.0
    ) -> None:
        """`boot_seconds` is the time from a node's allocation until it runs tasks; 0 means at once."""
        self.boot_seconds = boot_seconds
        self._store = store
        self._scheduler = scheduler
        self._background = background

    def add_missing(self, pool_id: str) -> None:
        """Add nodes until the pool has its targets, and boot them; create the directories of all its nodes."""
        pool = self._store.pool(pool_id)
        numbers = itertools.count(pool.nodes_made)
        new: list[Node] = []
        for dedicated, target in targets(pool):
            missing = target - sum(node.is_dedicated is dedicated for node in pool.nodes)
            new += [self._new_node(pool.id, next(numbers), dedicated=dedicated) for _ in range(missing)]
        update = {"nodes": pool.nodes + tuple(new), "nodes_made": pool.nodes_made + len(new)}
        self._store.put_pool(pool.model_copy(update=update))
        for node in self._store.pool(pool_id).nodes:
            self._scheduler.node_directory(pool.id, node.id).make()
        if self.boot_seconds and new:
            self._background.start(self._finish_boot(pool_id, [node.id for node in new]))

    async def retire(self, pool_id: str, node_id: str, cancel_reason: CancelReason | None) -> None:
        """Remove a node from its pool; `cancel_reason` applies to its tasks, None lets them finish."""
        self._set_state(pool_id, node_id, "leavingpool")
        await self._end_on(pool_id, node_id, cancel_reason)
        pool = self._store.pool(pool_id)
        rest = tuple(node for node in pool.nodes if node.id != node_id)
        self._store.put_pool(pool.model_copy(update={"nodes": rest}))
        self._scheduler.node_directory(pool_id, node_id).wipe()

    def preempt(self, node_id: str | None) -> str:
        """Preempt a node (None: the first that runs a task, else the first) and return its id.

        Its tasks are requeued, its directory is removed, and it returns after `NODE_RETURN_S` with the same id.
        """
        pool, node = self._choose(node_id)
        self._set_state(pool.id, node.id, "preempted")
        self._background.start(self._finish_preemption(pool.id, node.id))
        return node.id

    def lose(self, node_id: str | None) -> str:
        """Remove a node for good (selected as in `preempt`) and return its id; a new node replaces it."""
        pool, node = self._choose(node_id)
        self._background.start(self._finish_loss(pool.id, node.id))
        return node.id

    async def _finish_preemption(self, pool_id: str, node_id: str) -> None:
        await self._end_on(pool_id, node_id, CancelReason.EVICTED)
        directory = self._scheduler.node_directory(pool_id, node_id)
        directory.wipe()
        await asyncio.sleep(NODE_RETURN_S)
        directory.make()
        self._set_state(pool_id, node_id, "starting")
        await self._finish_boot(pool_id, [node_id])

    async def _finish_boot(self, pool_id: str, node_ids: list[str]) -> None:
        await asyncio.sleep(self.boot_seconds)
        if self._store.has_pool(pool_id):  # it may have been deleted meanwhile
            for node in self._store.pool(pool_id).nodes:
                if node.id in node_ids and node.state == "starting":
                    self._set_state(pool_id, node.id, "idle", booted=True)
            self._scheduler.schedule()

    async def _finish_loss(self, pool_id: str, node_id: str) -> None:
        await self.retire(pool_id, node_id, CancelReason.EVICTED)
        self.add_missing(pool_id)
        self._scheduler.schedule()

    async def _end_on(self, pool_id: str, node_id: str, cancel_reason: CancelReason | None) -> None:
        await self._scheduler.end(self._scheduler.attempts(pool_id=pool_id, node_id=node_id), cancel_reason)

    def _choose(self, node_id: str | None) -> tuple[Pool, Node]:
        nodes = [
            (pool, node) for pool in self._store.pools() for node in pool.nodes if node.state in ("idle", "running")
        ]
        nodes.sort(key=lambda entry: entry[1].state != "running")
        for pool, node in nodes:
            if node_id in (None, node.id):
                return pool, node
        raise BatchError("NodeNotFound")

    def _set_state(self, pool_id: str, node_id: str, state: str, *, booted: bool = False) -> None:
        pool = self._store.pool(pool_id)
        update = {"state": state, "state_transition_time": now()} | ({"last_boot_time": now()} if booted else {})
        nodes = tuple(node.model_copy(update=update) if node.id == node_id else node for node in pool.nodes)
        self._store.put_pool(pool.model_copy(update={"nodes": nodes}))

    def _new_node(self, pool_id: str, number: int, *, dedicated: bool) -> Node:
        moment = now()
        return Node(
            id=f"local-{pool_id.lower()}-{number}",
            state="starting" if self.boot_seconds else "idle",
            state_transition_time=moment,
            allocation_time=moment,
            last_boot_time=None if self.boot_seconds else moment,
            is_dedicated=dedicated,
        )


def targets(pool: Pool) -> tuple[tuple[bool, int], tuple[bool, int]]:
    """Return the target numbers of nodes as (dedicated?, number)."""
    return (True, pool.target_dedicated_nodes), (False, pool.target_low_priority_nodes)
