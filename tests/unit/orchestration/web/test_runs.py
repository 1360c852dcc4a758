"""The list of runs: states, filters, search, parts, rows that were open."""

import re
from typing import Any

from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.cancel import cancel
from orchestration.web import rows
from tests.support.fake_node import fail
from tests.support.world import World
from tests.unit.orchestration.web.conftest import Fetch


def test_rows_say_state_and_frames(world: World) -> None:
    finished = world.start("finished", label="spring")
    world.finish(finished)
    stopped = world.start("stopped")
    world.deliver_messages()
    world.score(stopped, 0)
    cancel(world.app, stopped)
    world.deliver_messages()
    failed = world.start("failed")
    world.deliver_messages()
    world.score(failed, 0, 1)
    fail(world.storage, failed, 2)
    world.deliver_messages()
    painting = world.start("painting")
    world.deliver_messages()
    world.score(painting, 0, message=False)
    waiting = world.start("waiting")
    listed = rows.list_rows(world.app)
    by_id = {row.run_id: row for _, each in listed.days for row in each}
    assert {run_id: (row.state.key, row.detail) for run_id, row in by_id.items()} == {
        finished: ("finished", "6 frames"),
        stopped: ("cancelled", "Stopped at 2 of 6 frames"),
        failed: ("failed", "2 of 6 frames are missing"),
        painting: ("painting", "2 of 6 frames"),
        waiting: ("waiting", "for a GPU, usually 5–10 min"),
    }
    assert listed.counts == {"all": 5, "painting": 1, "waiting": 1, "finished": 1, "failed": 1, "cancelled": 1}
    assert set(listed.open_ids) == {painting, waiting}
    assert by_id[finished].label == "spring"
    assert by_id[finished].download == f"http://memory.invalid/output/{finished}/video.mp4?download=finished.mp4"
    assert by_id[failed].download == ""


def test_filter_and_search_select_rows(world: World) -> None:
    ended = world.start("Samoyed", label="spring")
    world.finish(ended)
    world.start("bottles")

    def names(**selection: Any) -> list[str]:
        return [row.name for _, each in rows.list_rows(world.app, **selection).days for row in each]

    assert names(group="finished") == ["Samoyed"]
    assert names(search="samo") == names(search="SPRING") == ["Samoyed"]
    assert names(group="nonsense") == names() == ["bottles", "Samoyed"]
    assert rows.list_rows(world.app, search="samo").counts["all"] == 1


def test_long_list_comes_in_parts(world: World, fetch: Fetch, monkeypatch) -> None:
    monkeypatch.setattr(rows, "PAGE_ROWS", 2)
    for name in ("one", "two", "three"):
        world.start(name)
        world.clock.advance(minutes=1)
    first = fetch("ui_part", part="runs").get_body().decode()
    assert re.findall(r">(one|two|three)</a>", first) == ["three", "two"]
    assert "/ui/parts/more?start=2" in first
    rest = fetch("ui_part", part="more", query="start=2").get_body().decode()
    assert re.findall(r">(one|two|three)</a>", rest) == ["one"]
    assert "parts/more" not in rest
    assert fetch("ui_part", part="more", query="start=x").status_code == 400


def test_pictures_are_shown_as_soon_as_tasks_write_them(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    for side in ("before", "after"):
        world.storage.work.write(RunPaths(run_id).pair(0, side), b"jpeg")
    row = rows.list_rows(world.app).days[0][1][0]
    assert row.before == f"http://memory.invalid/work/{run_id}/pairs/000000-before.jpg"
    world.finish(run_id)
    assert rows.list_rows(world.app).days[0][1][0].after == f"http://memory.invalid/output/{run_id}/after.jpg"


def test_open_rows_are_drawn_again_until_they_end(world: World, fetch: Fetch) -> None:
    run_id = world.start("clip")
    answer = fetch("ui_part", part="open", query=f"run={run_id}")
    assert f'hx-target="#run-{run_id}"' in answer.get_body().decode()
    assert "HX-Trigger" not in answer.headers
    world.finish(run_id)
    assert fetch("ui_part", part="open", query=f"run={run_id}").headers["HX-Trigger"] == "runs-changed"


def test_no_runs_yet(fetch: Fetch) -> None:
    assert "Nothing painted yet" in fetch("ui_part", part="runs").get_body().decode()
    assert "No runs match" in fetch("ui_part", part="runs", query="q=x").get_body().decode()
