"""The screen of one run in Chromium: any frame, marks, stages, options of another run, the log of a batch."""

import re

from playwright.sync_api import expect

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from tests.integration.page.conftest import ShowScreen
from tests.support.page_runs import fill, start_run, write_pairs, write_progress

SPEAKS = "(text) => document.querySelector('#say').textContent === text"


def test_any_frame_of_a_failed_run_by_keyboard_and_mouse(show: ShowScreen) -> None:
    screen = show()
    runs = fill(screen.world)
    tab = screen.open(f"/ui/runs/{runs.failed}", ".wrong")
    after = tab.locator('[data-pair="after"]')
    expect(tab.locator(".marks rect")).to_have_count(1)
    expect(tab.locator(".mark-text").first).to_have_text("Frames 16–24 are missing.")
    tab.focus("#frame-scrub")
    tab.keyboard.press("Home")
    expect(after).to_have_attribute("src", re.compile(f"/memory/work/{runs.failed}/frames/000001.jpg"))
    expect(tab.locator("#frame-says")).to_contain_text("Frame 1 of 24")
    tab.get_by_role("button", name="Next frame").click()
    expect(after).to_have_attribute("src", re.compile("/frames/000002.jpg"))
    assert tab.get_attribute("#frame-scrub", "aria-valuetext").startswith("Frame 2 of 24")
    tab.focus("#frame-scrub")
    tab.keyboard.press("End")
    expect(tab.locator("#frame-note")).to_contain_text("Frame 24 is not painted")
    expect(after).to_have_attribute("src", re.compile("/memory/input/"))
    tab.locator(".frame-pick").first.press("Enter")
    expect(tab.locator("#frame-says")).to_contain_text("Frame 2 of 24")
    expect(tab.locator("#frame-note")).to_be_empty()
    assert screen.violations() == []


def test_frame_that_is_not_stored_leads_to_the_nearest_picture(show: ShowScreen) -> None:
    """The tasks of a run decode its video themselves, and store painted frames only if they are asked to."""
    screen = show()
    runs = fill(screen.world)
    tab = screen.open(f"/ui/runs/{runs.failed}", ".wrong")
    nothing = '{"number": 24, "before": null, "after": null}'
    tab.route("**/ui/parts/frame/*", lambda route: route.fulfill(content_type="application/json", body=nothing))
    tab.focus("#frame-scrub")
    tab.keyboard.press("End")
    expect(tab.locator("#frame-note")).to_have_text("Frame 24 is not stored as a picture; this is frame 14.")
    expect(tab.locator('[data-pair="after"]')).to_have_attribute("src", re.compile("000013-after.jpg"))
    expect(tab.locator("#frame-says")).to_contain_text("Frame 24 of 24")


def test_pictures_follow_an_open_run_until_a_frame_is_picked(show: ShowScreen) -> None:
    screen = show()
    run_id = start_run(screen.world, "clip")
    tab = screen.open(f"/ui/runs/{run_id}", "#progress")
    tab.get_by_text("The first painted frame will appear here.").wait_for()
    write_pairs(screen.world, run_id, 0)
    tab.wait_for_selector(".frame-pick")
    write_pairs(screen.world, run_id, 8)
    expect(tab.locator(".frame-pick")).to_have_count(2)
    expect(tab.locator('[data-pair="after"]')).to_have_attribute("src", re.compile("000008-after.jpg"))
    tab.locator(".frame-pick").first.click()
    write_pairs(screen.world, run_id, 16)
    with tab.expect_response("**/ui/parts/progress/*"):
        pass
    expect(tab.locator(".frame-pick")).to_have_count(2)
    expect(tab.locator('[data-pair="after"]')).to_have_attribute("src", re.compile("000000-after.jpg"))


def test_stages_have_times(show: ShowScreen) -> None:
    screen = show()
    runs = fill(screen.world)
    tab = screen.open(f"/ui/runs/{runs.painting}", "#progress")
    done = tab.locator(".steps li", has_text="done")
    expect(done).to_have_count(3)
    assert all(re.fullmatch(r"\d+:\d\d", text) for text in done.locator(".t").all_inner_texts())
    expect(tab.locator('.steps [aria-current="step"] .t')).to_have_text(re.compile(r"\d+:\d\d"))
    tab = screen.open(f"/ui/runs/{runs.finished}", "#stage-times")
    names = [text.strip() for text in tab.locator("#stage-times dt").all_inner_texts()]
    assert names == ["Waiting for its turn", "Checking", "Waiting to start", "Painting", "Assembling"]


def test_paint_again_with_any_option_by_keyboard(show: ShowScreen) -> None:
    screen = show()
    world = screen.world
    run_id = start_run(world, "clip", seed=7, bad_frame="original")
    world.finish(run_id)
    tab = screen.open(f"/ui/runs/{run_id}", ".plaque")
    opener = tab.get_by_role("button", name="Paint again with…")
    opener.focus()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Escape")
    expect(opener).to_be_focused()
    tab.keyboard.press("Enter")
    tab.get_by_label("Strength").fill("60")
    tab.get_by_text("All options").press("Enter")
    assert tab.get_by_label("Seed").input_value() == "7"
    assert tab.get_by_label("Bad frame").input_value() == "original"
    assert screen.violations() == []
    tab.get_by_label("Bad frame").select_option("previous")
    tab.get_by_label("Strokes").fill("broad")
    tab.get_by_role("button", name="Paint again", exact=True).press("Enter")
    tab.wait_for_url(lambda url: "/ui/runs/" in url and run_id not in url)
    child = tab.url.rpartition("/")[2]
    trigger = Request.load_stored(world.storage.runs.need(RunPaths(child).request).data).trigger
    assert (trigger.strength, trigger.strokes, trigger.seed, trigger.bad_frame) == (0.6, "broad", 7, "previous")


def test_option_that_is_refused_says_why(show: ShowScreen) -> None:
    screen = show()
    run_id = start_run(screen.world, "clip")
    screen.world.finish(run_id)
    tab = screen.open(f"/ui/runs/{run_id}#again", "#ask-again[open]")
    assert "#" not in tab.url
    tab.get_by_label("Strokes").fill("huge")
    tab.get_by_role("button", name="Paint again", exact=True).click()
    tab.wait_for_function("() => document.querySelector('#ask-again .error').textContent.includes('strokes')")
    expect(tab.locator("#ask-again")).to_be_visible()


def test_log_of_a_running_batch_grows(show: ShowScreen) -> None:
    screen = show()
    world = screen.world
    run_id = start_run(world, "clip")
    write_progress(world, run_id, 0, 1)
    task = min(world.tasks(run_id))  # the one of the first batch, and perhaps of its neighbors
    log = f"{RunPaths(run_id).task_output_folder(task)}/stderr.txt"
    world.storage.logs.write(log, b"first line\n")
    tab = screen.open(f"/ui/runs/{run_id}", "#batch-1")
    tab.focus("#batch-1")
    tab.keyboard.press("Enter")
    tab.wait_for_function(SPEAKS, arg="Batch 1, frames 1 to 3: in progress")
    expect(tab.locator("#batch-body pre")).to_have_text("first line")
    world.storage.logs.write(log, b"first line\nsecond line\n")
    expect(tab.locator("#batch-body pre")).to_have_text("first line\nsecond line")
    assert screen.violations() == []
