"""The screen Health: checks with remedies, slots, queues, and dollars by day."""

import datetime as dt
from dataclasses import replace

import pytest

from frame_tools.contracts import paths
from frame_tools.contracts.answers import RunRow
from frame_tools.contracts.errors import InputError
from orchestration.azure_batch.in_memory import POOL, InMemoryBatch
from orchestration.azure_batch.pool import NodeView, RunningTask
from orchestration.handlers.dead_letter import dead_letter_message
from orchestration.handlers.sweep import sweep
from orchestration.reporting import spending
from orchestration.reporting.run_index import write_entry
from orchestration.web import functions
from orchestration.web.health import read_health
from orchestration.web.pool_view import node_rows
from tests.scale.open_runs import count_operations
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World
from tests.unit.orchestration.web.conftest import Fetch


def test_health_counts_slots_and_messages(world: World) -> None:
    world.start("clip", 6)  # one message names its three batches
    health = read_health(world.app)
    assert (health.headline, health.slots_used, health.slots) == ("Ready to paint", 1, 20)
    assert [queue.waiting for queue in health.queues] == ["1", "0", "0", "0", "0"]
    assert [queue.remedy for queue in health.queues] == [""] * 5
    assert [check.name for check in health.checks if check.name in ("Storage", "Queues")] == ["Storage", "Queues"]


def price(world: World, run_id: str, usd: float) -> None:
    """State a cost in the list's entry of a run: nodes of the pool in memory have no price."""
    (item,) = [item for item in world.storage.runs.page(paths.INDEX, with_metadata=True).items if run_id in item.name]
    row = RunRow.model_validate_json(item.metadata["row"]).model_copy(update={"cost_usd": usd})
    write_entry(world.storage, row)


def test_dollars_count_on_the_day_of_the_end(world: World) -> None:
    sweep(world.app)
    run_id = world.start("clip")
    world.finish(run_id)
    price(world, run_id, 0.25)
    today = read_health(world.app).spending.days[-1]
    assert (today.runs, today.usd) == (1, 0.25)
    world.clock.advance(hours=24)
    spending = read_health(world.app).spending
    assert (spending.days[-1].usd, spending.days[-2].usd, spending.highest) == (0.0, 0.25, spending.days[-2])
    world.clock.advance(hours=24 * 40)
    assert read_health(world.app).spending.usd == 0


def test_missing_pool_comes_first_with_its_remedy(fetch: Fetch, world: World, monkeypatch) -> None:
    monkeypatch.setattr(type(world.app.batch), "pool", lambda _: None)
    health = read_health(world.app)
    assert health.headline == "Cannot paint: Pool"
    assert (health.checks[0].style, bool(health.checks[0].remedy)) == ("broken", True)
    assert "Cannot paint: Pool" in fetch("ui_part", part="health").get_body().decode()


def test_health_of_an_empty_deployment() -> None:
    health = read_health(InMemoryCloud().world().app)
    assert (health.spending.usd, health.slots_used, len(health.spending.days)) == (0, 0, 30)


def test_messages_that_failed_five_times_have_a_remedy() -> None:
    cloud = InMemoryCloud()
    world = cloud.world()
    cloud.poisoned[paths.FRAME_BATCHES_POISON].append("{}")
    queue = next(queue for queue in read_health(world.app).queues if queue.remedy)
    assert (queue.name, queue.waiting) == ("Failed five times: batches to submit", "1")
    assert "batch_poisoned" in queue.remedy


def test_invalid_messages_are_counted_by_queue(world: World, fetch: Fetch) -> None:
    error = InputError("no message", "none")
    for text in ("a", "b", "b"):
        dead_letter_message(world.app, paths.FRAME_BATCHES_POISON, text, error)
    letters = read_health(world.app).dead_letters
    assert letters.count == "2"
    assert "2 from frame-batches-poison" in letters.text
    assert "dead-letter/*" in letters.command
    assert "Invalid messages: 2" in fetch("ui_part", part="health").get_body().decode()


NODE = NodeView(
    node_id="tvm-1",
    state="running",
    dedicated=False,
    running_tasks=1,
    tasks=(RunningTask(job_id="bunny-0123456789-j0", task_id="b00003_00004-2"),),
)


def test_nodes_are_shown_one_by_one(fetch: Fetch, world: World) -> None:
    now = world.clock.now()
    broken = NodeView(
        node_id="tvm-2",
        state="starttaskfailed",
        dedicated=True,
        running_tasks=0,
        allocated_at=now - dt.timedelta(minutes=12),
        errors=("Start task failed: FailureExitCode: <no driver>, exit code 3",),
    )
    assert isinstance(world.app.batch, InMemoryBatch)
    world.app.batch.jobs.nodes += [NODE, broken]
    first, second = read_health(world.app).node_rows
    assert (first.node_id, first.state, first.kind, first.batch_state) == (
        "tvm-2", "start task failed", "dedicated", "failed",
    )  # fmt: skip
    assert first.age.startswith("12:0")
    assert first.command == "az batch node reboot --pool-id gpu --node-id tvm-2"
    assert (second.tasks, second.age, second.errors) == ("bunny-0123456789, batches 4 to 5", "–", ())
    html = fetch("ui_part", part="health").get_body().decode()
    assert "&lt;no driver&gt;" in html
    assert html.index("tvm-2") < html.index("tvm-1")


@pytest.mark.parametrize(
    ("tasks", "running", "text"),
    [
        ((), 3, "3 tasks"),
        ((RunningTask(job_id="bunny-0123456789-j12", task_id="split"),), 1, "bunny-0123456789, split"),
        ((RunningTask(job_id="of-somebody", task_id="x"),), 1, "of-somebody, x"),
        ((RunningTask(job_id="bunny-0123456789-j0", task_id="b00003"),), 2, "2 tasks"),
    ],
)
def test_tasks_of_a_node_are_named_if_batch_names_all(tasks, running: int, text: str) -> None:
    (row,) = node_rows([replace(NODE, tasks=tasks, running_tasks=running)], None, dt.datetime.now(dt.UTC))
    assert row.tasks == text


def test_unusable_node_without_a_reason_says_so() -> None:
    (row,) = node_rows([replace(NODE, state="unusable")], POOL, dt.datetime.now(dt.UTC))
    assert (row.errors, row.batch_state) == (("Batch reports no reason",), "failed")


def test_budget_compares_this_month_with_its_limit(fetch: Fetch, world: World, monkeypatch) -> None:
    sweep(world.app)
    run_id = world.start("clip")
    world.finish(run_id)
    price(world, run_id, 12.5)
    assert read_health(world.app).budget is None
    for limit, is_exceeded in ((50.0, False), (10.0, True)):
        app = world.changed(monthly_budget_usd=limit).app
        budget = read_health(app).budget
        assert (budget.spent, budget.limit, budget.is_exceeded) == (12.5, limit, is_exceeded)
    monkeypatch.setattr(functions, "application", lambda: app)
    assert (
        "$12.50<small>of a budget of $10.00, exceeded; an estimate"
        in fetch("ui_part", part="health").get_body().decode()
    )
    world.clock.advance(hours=24 * 32)
    assert read_health(world.changed(monthly_budget_usd=10).app).budget.spent == 0


def test_spending_is_bounded(world: World, monkeypatch) -> None:
    monkeypatch.setattr(spending, "PAGE_RUNS", 1)
    sweep(world.app)
    for number in range(7):
        world.start(f"clip-{number}")
    operations = count_operations(world.app, spending.read_spending)
    assert operations.total <= 3 * spending.MAX_PAGES
    assert not spending.read_spending(world.app).is_complete
