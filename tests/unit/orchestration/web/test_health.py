"""The screen Health: checks with remedies, slots, queues, and dollars by day."""

import json

from frame_tools.contracts.paths import RunPaths
from orchestration.web.health import read_health
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World
from tests.unit.orchestration.web.conftest import Fetch


def test_health_counts_slots_and_messages(world: World) -> None:
    world.start("clip", 6)
    health = read_health(world.app)
    assert (health.headline, health.slots_used, health.slots) == ("Ready to paint", 1, 20)
    assert [queue.waiting for queue in health.queues] == ["3", "0"]
    assert [check.name for check in health.checks if check.name in ("Storage", "Queues")] == ["Storage", "Queues"]


def test_dollars_count_on_the_day_of_the_end(world: World) -> None:
    run_id = world.start("clip")
    world.finish(run_id)
    report = world.report(run_id)
    report["cost"]["usd"] = {"total": 0.25}
    world.storage.output.write(RunPaths(run_id).report, json.dumps(report).encode())
    today = read_health(world.app).days[-1]
    assert (today.runs, today.usd) == (1, 0.25)
    world.clock.advance(hours=24)
    health = read_health(world.app)
    assert (health.days[-1].usd, health.days[-2].usd, health.highest) == (0.0, 0.25, health.days[-2])
    world.clock.advance(hours=24 * 40)
    assert read_health(world.app).usd == 0


def test_missing_pool_comes_first_with_its_remedy(fetch: Fetch, world: World, monkeypatch) -> None:
    monkeypatch.setattr(type(world.app.batch), "pool", lambda _: None)
    health = read_health(world.app)
    assert health.headline == "Cannot paint: Pool"
    assert (health.checks[0].style, bool(health.checks[0].remedy)) == ("broken", True)
    assert "Cannot paint: Pool" in fetch("ui_part", part="health").get_body().decode()


def test_health_of_an_empty_deployment() -> None:
    health = read_health(InMemoryCloud().world().app)
    assert (health.usd, health.slots_used, len(health.days)) == (0, 0, 30)
