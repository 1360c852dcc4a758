"""Assignment of pending tasks to nodes."""

from hypothesis import given
from hypothesis import strategies as st

from local_cloud.batch_service.execution.assignment import PendingTask, assign

slots = st.integers(1, 4)


@given(
    tasks=st.lists(slots, max_size=12),
    free=st.dictionaries(st.sampled_from("abc"), st.integers(0, 6)),
    pack=st.booleans(),
)
def test_assign_fills_nodes_without_overcommit(tasks: list[int], free: dict[str, int], pack: bool) -> None:
    pending = [PendingTask(job_id="j", task_id=str(i), slots=n) for i, n in enumerate(tasks)]
    placements = assign(pending, free, pack=pack)
    left = dict(free)
    for placement in placements:
        left[placement.node_id] -= placement.pending.slots
    assert all(room >= 0 for room in left.values())
    placed = {placement.pending.task_id for placement in placements}
    assert len(placed) == len(placements)
    assert all(task.slots > max(left.values(), default=0) for task in pending if task.task_id not in placed)
