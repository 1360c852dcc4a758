"""The page of one run, its parts and its buttons."""

import json

from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.progress import StepProgress
from frame_tools.contracts.trigger import Trigger
from frame_tools.contracts.tuning import TUNING_STEPS, TuningPaths, TuningProgress
from frame_tools.storage.recorded_hashes import load_plan
from orchestration.reporting.timeline import StageTime
from orchestration.state import RunState, read_state
from orchestration.web.batch_view import read_batch
from orchestration.web.marks import Mark, Marks, _frames_text, read_marks
from orchestration.web.progress_view import bars_of
from orchestration.web.run_view import read_run
from tests.support.fake_node import fail
from tests.support.world import World, painting
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
    assert [batch.state for batch in run.strip.batches] == ["done", "painting", "waiting"]
    assert (run.strip.batches[1].first, run.strip.batches[1].last) == (3, 4)
    assert run.document_title == "50 % · clip"
    assert not run.has_videos


def test_open_run_says_how_far_its_tuning_is(world: World, fetch: Fetch) -> None:
    world.storage.input.write("clip/sea.png", painting())
    run_id = started(world, scorer="any", style="sea.png", tune=True)
    plan, _ = load_plan(world.storage, run_id)
    names = TuningPaths.of(plan.styles[0].sha256, plan.weights_sha256)
    progress = TuningProgress(step=120, steps=TUNING_STEPS, written_at=world.clock.now().isoformat())
    world.storage.runs.write(names.progress, progress.dumps())
    text = f"tuning to the painting, 120 of {TUNING_STEPS} steps"
    (current,) = (step for step in read_run(world.app, run_id).progress.steps if step.state == "current")
    assert current.hint == text
    assert text in fetch("ui_part", part="runs").get_body().decode()


def test_finished_run_offers_video_report_and_command(world: World) -> None:
    run_id = started(world, strength=0.8)
    world.finish(run_id)
    run = read_run(world.app, run_id)
    assert run.download == f"http://memory.invalid/output/{run_id}/video.mp4?download=clip.mp4"
    assert run.report.endswith(f"report.html?download={run_id}.html")
    assert dict(run.facts)["Frames"] == "6"
    assert "--strength 0.8" in run.command
    assert (run.progress, run.banner, run.again.first[0].value) == (None, None, "80")


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
    assert [batch.state for batch in run.strip.batches] == ["done", "done", "failed"]
    assert act("redo", run_id).status_code == 204
    assert world.status(run_id) == "scoring"


def test_refused_run_has_a_banner_without_button(world: World) -> None:
    run = read_run(world.app, world.fire_trigger(world.upload_trigger("refused", b"not JSON")))
    assert (run.state.key, run.banner.action, run.again) == ("refused", "", None)
    assert run.banner.remedy


def test_progress_says_when_the_state_changes(world: World, fetch: Fetch) -> None:
    run_id = started(world)
    same = fetch("ui_part", part="progress", run_id=run_id, query="shown=waiting")
    assert "HX-Trigger" not in same.headers
    world.score(run_id, 0, message=False)
    world.clock.advance(seconds=3)
    assert (
        fetch("ui_part", part="progress", run_id=run_id, query="shown=waiting").headers["HX-Trigger"] == "run-changed"
    )
    assert "HX-Trigger" not in fetch("ui_part", part="progress", run_id=run_id, query="shown=painting").headers
    world.finish(run_id)
    assert (
        fetch("ui_part", part="progress", run_id=run_id, query="shown=painting").headers["HX-Trigger"] == "run-changed"
    )
    assert fetch("ui_part", part="progress", run_id="never-was-0123456789").status_code == 404


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


def trigger_of(world: World, run_id: str) -> Trigger:
    return Request.load_stored(world.storage.runs.need(RunPaths(run_id).request).data).trigger


def test_paint_again_with_other_options_is_a_new_run(world: World, act: Fetch) -> None:
    run_id = started(world)
    world.finish(run_id)
    answer = act("again", run_id, **{"option-strength": "40", "option-preserve_color": "luma"})
    child = answer.headers["HX-Redirect"].removeprefix("/ui/runs/")
    assert child != run_id
    trigger = trigger_of(world, child)
    assert (trigger.strength, trigger.preserve_color) == (0.4, "luma")
    assert act("again", run_id, **{"option-strength": "4000"}).status_code == 400
    assert act("again", run_id, **{"option-preserve_color": "pink"}).status_code == 400


def test_form_of_paint_again_carries_every_option(world: World, fetch: Fetch, act: Fetch) -> None:
    """What is posted unchanged makes a run with the same options."""
    run_id = started(world, seed=7, bad_frame="original", keep_frames=False, temporal_smoothing=0.25)
    world.finish(run_id)
    run = read_run(world.app, run_id)
    fields = {field.name: field for field in (*run.again.first, *run.again.rest)}
    assert set(fields) == set(Options.model_fields)
    html = fetch("ui_part", part="run", run_id=run_id).get_body().decode()
    assert all(f'name="{field.field_name}"' in html for field in fields.values())
    posted = {field.field_name: field.value for field in fields.values()}
    child = act("again", run_id, **posted).headers["HX-Redirect"].removeprefix("/ui/runs/")
    assert trigger_of(world, child) == trigger_of(world, run_id)
    changed = posted | {"option-seed": "8", "option-temporal_smoothing": "", "option-keep_frames": "true"}
    child = act("again", run_id, **changed).headers["HX-Redirect"].removeprefix("/ui/runs/")
    trigger = trigger_of(world, child)
    assert (trigger.seed, trigger.temporal_smoothing, trigger.keep_frames, trigger.bad_frame) == (
        8,
        None,
        True,
        "original",
    )
    for name, value in (("seed", "x"), ("temporal_smoothing", "2"), ("arguments", "[1]"), ("frames_per_batch", "1.5")):
        assert act("again", run_id, **posted | {f"option-{name}": value}).status_code == 400


def test_frame_is_fetched_by_its_number(world: World, fetch: Fetch) -> None:
    run_id = started(world)
    world.score(run_id, 0)
    painted, missing = (
        json.loads(fetch("ui_part", part="frame", run_id=run_id, query=f"number={number}").get_body())
        for number in (2, 6)
    )
    assert painted == {
        "number": 2,
        "before": "http://memory.invalid/input/clip/frames/000002.jpg",
        "after": f"http://memory.invalid/work/{run_id}/frames/000002.jpg",
    }
    assert (missing["number"], missing["after"]) == (6, None)
    for number in ("0", "7", "x", ""):
        answer = fetch("ui_part", part="frame", run_id=run_id, query=f"number={number}")
        assert answer.status_code in (400, 404), number


def test_scrubber_marks_missing_and_bad_frames(world: World) -> None:
    run_id = started(world)
    world.score(run_id, 0)
    fail(world.storage, run_id, 1)
    open_marks = read_run(world.app, run_id).marks
    assert (open_marks.marks, open_marks.text) == ((Mark(2, 2),), "Frames 3–4 are missing")
    fail(world.storage, run_id, 2)
    world.deliver_messages()
    marks = read_run(world.app, run_id).marks
    assert (marks.marks, marks.text) == ((Mark(2, 4),), "Frames 3–6 are missing")
    assert marks_of_report(world, run_id, [4, 5]).text.endswith("; Frames 5, 6 came out bad and were replaced")


def marks_of_report(world: World, run_id: str, bad: list[int]) -> Marks:
    state = read_state(world.storage, run_id)
    assert isinstance(state, RunState)
    return read_marks(state, {"bad_frames": {"first": [{"index": index} for index in bad]}})


def test_sentence_about_marks_names_the_first_stretches(world: World) -> None:
    run_id = started(world, frames_per_batch=1)
    world.score(run_id, 0, 2, 4)
    for batch in (1, 3, 5):
        fail(world.storage, run_id, batch)
    world.deliver_messages()
    assert read_run(world.app, run_id).marks.text == "Frames 2, 4, 6 are missing"
    assert _frames_text([(0, 1)]) == "Frame 1"
    assert _frames_text([(number, number + 2) for number in range(0, 20, 4)]).endswith("9–10 and 2 more stretches")


def test_more_pictures_are_fetched_once_there_are_some(world: World, fetch: Fetch) -> None:
    run_id = started(world)
    assert fetch("ui_part", part="pictures", run_id=run_id, query="have=0").status_code == 204
    for side in ("before", "after"):
        world.storage.work.write(RunPaths(run_id).pair(3, side), b"jpeg")
    html = fetch("ui_part", part="pictures", run_id=run_id, query="have=0").get_body().decode()
    assert f"work/{run_id}/pairs/000003-after.jpg" in html
    assert 'id="frame-scrub" type="range" min="1" max="6" value="4"' in html
    assert fetch("ui_part", part="pictures", run_id=run_id, query="have=1").status_code == 204


def test_stages_of_open_and_ended_runs_have_times(world: World) -> None:
    run_id = started(world)
    world.score(run_id, 0, message=False)
    steps = {step.label: step for step in read_run(world.app, run_id).progress.steps}
    assert steps["Painting"].state == "current"
    assert all(steps[label].time for label in ("Waiting for its turn", "Checking", "Waiting to start", "Painting"))
    assert steps["Assembling"].time == ""
    world.finish(run_id)
    run = read_run(world.app, run_id)
    assert [bar.stage for bar in run.bars] == ["waiting", "checking", "starting", "painting", "joining"]


def test_bars_are_as_long_as_the_stages() -> None:
    moment = "2026-11-29T08:00:00+00:00"
    waiting = StageTime(stage="waiting", started_at=moment, seconds=10.0)
    painting = StageTime(stage="painting", started_at=moment, seconds=30.0)
    bars = bars_of((waiting, painting))
    assert [(bar.start, bar.width, bar.time) for bar in bars] == [(0, 120, "0:10"), (120, 360, "0:30")]
    assert bars_of(()) == ()


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
