"""The screen Health: checks with remedies, slots, queues, and dollars by day."""

from frame_tools.contracts import paths
from frame_tools.contracts.answers import RunRow
from orchestration.handlers.sweep import sweep
from orchestration.reporting.run_index import write_entry
from orchestration.web.health import read_health
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World
from tests.unit.orchestration.web.conftest import Fetch


def test_health_counts_slots_and_messages(world: World) -> None:
    world.start("clip", 6)  # one message names its three batches
    health = read_health(world.app)
    assert (health.headline, health.slots_used, health.slots) == ("Ready to paint", 1, 20)
    assert [queue.waiting for queue in health.queues] == ["1", "0"]
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
