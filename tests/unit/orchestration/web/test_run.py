"""The page of one run, its parts and its buttons."""

import json

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.progress import StepProgress
from orchestration.web.batch_view import read_batch
from orchestration.web.run_view import read_run
from tests.support.fake_node import fail
from tests.support.world import World
from tests.unit.orchestration.web.conftest import Fetch


def started(world: World, name: str = "clip", **options) -> str:
    run_id = world.start(name, **options)
    world.deliver_messages()
    return run_id


def test_open_run_shows_stages_and_batches(world: World) -> None:
    run_id = started(world)
    world.score(run_id, 0, message=False)
    progress = StepProgress(
        run_id=run_id, step="00001", task_id="b00001", frames=1, seconds=2.0, written_at=world.clock.now().isoformat()
    )
    world.storage.runs.write(RunPaths(run_id).step_progress("00001"), progress.dumps())
    run = read_run(world.app, run_id)
    assert (run.state.key, run.progress.frames_done, run.progress.rest) == ("painting", 3, "of 6 frames · 0:06 left")
    assert [step.state for step in run.progress.steps] == ["done", "done", "done", "current", "next"]
    assert [batch.state for batch in run.batches] == ["done", "painting", "waiting"]
    assert (run.batches[1].first, run.batches[1].last) == (3, 4)
    assert run.document_title == "50 % · clip"
    assert not run.has_videos


def test_finished_run_offers_video_report_and_command(world: World) -> None:
    run_id = started(world, strength=0.8)
    world.finish(run_id)
    run = read_run(world.app, run_id)
    assert run.download == f"http://memory.invalid/output/{run_id}/video.mp4?download=clip.mp4"
    assert run.report.endswith(f"report.html?download={run_id}.html")
    assert dict(run.facts)["Frames"] == "6"
    assert "--strength 0.8" in run.command
    assert (run.progress, run.banner, run.strength, run.can_repeat) == (None, None, 80, True)


def test_run_of_a_video_compares_both_videos(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    assert read_run(world.app, run_id).clip == ""
    world.storage.input.write("video/video.mp4", b"a video")
    assert read_run(world.app, run_id).state.key == "checking"


def test_failed_run_has_a_banner_with_its_remedy(world: World, act: Fetch) -> None:
    run_id = started(world)
    world.score(run_id, 0, 1)
    fail(world.storage, run_id, 2, "Frame 5 came out black")
    world.deliver_messages()
    run = read_run(world.app, run_id)
    assert "Frame 5 came out black" in run.banner.title
    assert (run.banner.action, run.banner.label) == ("redo", "Paint the 2 missing frames again")
    assert [batch.state for batch in run.batches] == ["done", "done", "failed"]
    assert act("redo", run_id).status_code == 204
    assert world.status(run_id) == "scoring"


def test_refused_run_has_a_banner_without_button(world: World) -> None:
    run = read_run(world.app, world.fire_trigger(world.upload_trigger("refused", b"not JSON")))
    assert (run.state.key, run.banner.action, run.can_repeat) == ("refused", "", False)
    assert run.banner.remedy


def test_progress_says_when_the_state_changes(world: World, fetch: Fetch) -> None:
    run_id = started(world)
    same = fetch("ui_part", part="progress", run_id=run_id, query="shown=waiting")
    assert "HX-Trigger" not in same.headers
    world.finish(run_id)
    assert (
        fetch("ui_part", part="progress", run_id=run_id, query="shown=waiting").headers["HX-Trigger"] == "run-changed"
    )


def test_cancel_one_and_many(world: World, act: Fetch) -> None:
    first, second = world.start("first"), world.start("second")
    answer = act("cancel", first, second)
    events = json.loads(answer.headers["HX-Trigger"])
    assert (answer.status_code, set(events)) == (204, {"runs-changed", "run-changed", "action-done"})
    assert events["action-done"] == {"say": "2 runs cancelled", "problem": ""}
    assert {world.status(first), world.status(second)} == {"cancelled"}
    assert act("cancel", first).status_code == 400  # it has ended
    third = world.start("third")
    done = json.loads(act("cancel", first, third).headers["HX-Trigger"])["action-done"]
    assert done["say"] == "1 run cancelled"
    assert first in done["problem"]
    assert act("cancel").status_code == 400
    assert act("erase", first).status_code == 404
    assert act("cancel", "never-was-0123456789").status_code == 404


def test_paint_again_with_other_options_is_a_new_run(world: World, act: Fetch) -> None:
    run_id = started(world)
    world.finish(run_id)
    answer = act("again", run_id, strength="40", color="luma")
    child = answer.headers["HX-Redirect"].removeprefix("/ui/runs/")
    assert child != run_id
    trigger = Request.load_stored(world.storage.runs.need(RunPaths(child).request).data).trigger
    assert (trigger.strength, trigger.preserve_color) == (0.4, "luma")
    assert act("again", run_id, strength="4000").status_code == 400
    assert act("again", run_id, color="pink").status_code == 400


def test_batch_shows_times_log_and_receipt(world: World, fetch: Fetch) -> None:
    run_id = started(world)
    world.score(run_id, 0, message=False)
    world.storage.logs.write(f"{RunPaths(run_id).task_output_folder('b00000')}/stderr.txt", b"47 frames <painted>\n")
    batch = read_batch(world.app, run_id, "00000")
    assert (batch.number, batch.first, batch.last, batch.label) == (1, 1, 2, "Painted")
    assert dict(batch.facts)["Painted in"] == "0:02"
    assert batch.lines == ("47 frames <painted>",)
    world.score(run_id, 1, message=False)
    assert read_batch(world.app, run_id, "00001").lines == ("{}", "{}")
    assert [name for name, _ in batch.receipt] == ["00000.mp4", "Plan", "000001.jpg", "000002.jpg"]
    html = fetch("ui_part", part="batch", run_id=run_id, query="step=00000").get_body().decode()
    assert "47 frames &lt;painted&gt;" in html
    assert fetch("ui_part", part="batch", run_id=run_id, query="step=00009").status_code == 404


def test_failed_batch_says_why(world: World) -> None:
    run_id = started(world)
    fail(world.storage, run_id, 1, "Frame 3 came out black")
    batch = read_batch(world.app, run_id, "00001")
    assert (batch.label, batch.reason, batch.lines) == ("Failed", "Frame 3 came out black", ())
    assert batch.remedy


def test_command_of_a_run_is_text(world: World, fetch: Fetch) -> None:
    run_id = started(world, strength=0.8)
    answer = fetch("ui_part", part="command", run_id=run_id)
    assert answer.mimetype == "text/plain"
    assert answer.get_body().decode().startswith("impasto paint VIDEO")
    assert "--strength 0.8" in answer.get_body().decode()
    assert fetch("ui_part", part="command", run_id="never-was-0123456789").status_code == 404
