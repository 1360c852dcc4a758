"""People at the page: keyboard, live progress, cancel, search, selection, a clip and paintings."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Route

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.costs.throughput import tuning_seconds
from tests.integration.page.conftest import ShowScreen
from tests.support.clips import Clip, make_clip
from tests.support.memory_world import InMemoryCloud
from tests.support.page_runs import fill, start_run, write_pairs
from tests.support.world import painting


def test_slider_moves_by_keyboard(show: ShowScreen) -> None:
    screen = show()
    run_id = start_run(screen.world, "clip")
    write_pairs(screen.world, run_id, 0, 8)
    tab = screen.open(f"/ui/runs/{run_id}", ".compare")
    slider = tab.locator(".compare")
    assert slider.get_attribute("aria-valuetext") == "50 % painted"
    slider.focus()
    tab.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "55 % painted"
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "0 % painted"
    before = tab.locator('[data-pair="after"]').get_attribute("src")
    tab.locator(".frame-pick").first.press("Enter")
    assert tab.locator('[data-pair="after"]').get_attribute("src") != before


def test_run_is_followed_to_its_end_without_a_reload(show: ShowScreen) -> None:
    screen = show()
    world = screen.world
    run_id = start_run(world, "clip")
    tab = screen.open(f"/ui/runs/{run_id}", "#progress")
    tab.evaluate("() => { window.stays = true; }")
    world.score(run_id, 0, 1, 2, 3)
    tab.wait_for_function("() => document.querySelector('.big-n').firstChild.textContent.trim() === '12'")
    tab.wait_for_function("() => document.title.startsWith('50 % · clip')")
    tab.wait_for_function("() => document.querySelector('#say').textContent === '50 % painted'")
    world.finish(run_id)
    tab.wait_for_selector(".plaque .state.finished")
    assert tab.evaluate("() => window.stays")
    assert tab.get_by_role("link", name="Download").get_attribute("href").endswith("download=clip.mp4")


def test_cancel_asks_first_and_shows_the_end(show: ShowScreen) -> None:
    screen = show()
    run_id = start_run(screen.world, "clip")
    tab = screen.open(f"/ui/runs/{run_id}", "#progress")
    tab.get_by_role("button", name="Cancel this run").click()
    assert tab.evaluate("() => document.activeElement.textContent") == "Keep painting"
    tab.keyboard.press("Enter")
    assert screen.world.status(run_id) == "scoring"
    tab.get_by_role("button", name="Cancel this run").click()
    tab.get_by_role("button", name="Cancel the run").click()
    tab.wait_for_selector(".state.cancelled")
    assert screen.world.status(run_id) == "cancelled"


def test_search_and_cancel_of_selected_runs(show: ShowScreen) -> None:
    screen = show()
    runs = fill(screen.world)
    tab = screen.open("/ui/runs", "#rows")
    tab.keyboard.press("/")
    tab.keyboard.type("bunny")
    tab.wait_for_function("() => document.querySelectorAll('#list tr[data-state]').length === 1")
    tab.fill("#find", "")
    tab.wait_for_function("() => document.querySelectorAll('#list tr[data-state]').length === 5")
    for run_id in (runs.painting, runs.waiting):
        tab.check(f"#run-{run_id} input")
    assert tab.inner_text("#bulk-n") == "2 selected"
    tab.locator("#bulk").get_by_role("button", name="Cancel").click()
    tab.get_by_role("button", name="Cancel them").click()
    tab.wait_for_function("() => document.querySelectorAll('#list .state.cancelled').length === 3")
    assert {screen.world.status(runs.painting), screen.world.status(runs.waiting)} == {"cancelled"}


def clip_and_painting(folder: Path) -> tuple[Path, Path]:
    """Write a clip of 30 frames, holiday.mp4, and a painting, the_wave.png."""
    clip, picture = folder / "holiday.mp4", folder / "the_wave.png"
    make_clip(clip, Clip(frames=30, size=(160, 96)))
    picture.write_bytes(painting())
    return clip, picture


def test_start_shows_length_and_estimate_before_the_button(show: ShowScreen, tmp_path: Path) -> None:
    clip, picture = clip_and_painting(tmp_path)
    screen = show()
    tab = screen.open("/ui", ".hello")
    tab.set_input_files("#clip", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"x"})
    tab.wait_for_function("() => document.querySelector('#clip-error').textContent.includes('notes.txt')")
    tab.set_input_files("#clip", clip)
    tab.wait_for_selector("#ready:not([hidden])")
    facts = tab.inner_text("#ready-facts")
    assert [text for text in ("30 frames", " fps", "160 × 96", "no sound") if text not in facts] == []
    assert tab.is_disabled("#go")
    tab.set_input_files("#paintings", picture)
    tab.wait_for_function("() => document.querySelector('#go').textContent === 'Paint 30 frames'")
    assert "about 0:0" in tab.inner_text("#estimate")
    assert tab.text_content("#preview-command") == "impasto preview holiday.mp4 -s the_wave.png"
    tab.click(".finer summary")
    tab.check('[name="tune"][value="yes"]')
    tab.wait_for_function("() => !document.querySelector('#estimate').textContent.includes('about 0:0')")
    minutes, seconds = re.findall(r"about (\d+):(\d+)", tab.inner_text("#estimate"))[0]
    assert 60 * int(minutes) + int(seconds) == pytest.approx(tuning_seconds("cpu", 1), abs=15)
    assert screen.violations() == []
    tab.get_by_role("button", name="Remove the_wave.png").click()
    assert tab.is_disabled("#go")


def test_estimate_is_of_the_last_choice_while_an_answer_is_late(show: ShowScreen, tmp_path: Path) -> None:
    clip, picture = clip_and_painting(tmp_path)
    screen = show()
    tab = screen.open("/ui", ".hello")
    late: list[Route] = []

    def hold_first(route: Route) -> None:
        if late:
            route.continue_()
        else:
            late.append(route)

    tab.route("**/ui/parts/estimate?*", hold_first)
    tab.set_input_files("#clip", clip)
    tab.wait_for_selector("#ready:not([hidden])")
    with tab.expect_request("**/ui/parts/estimate?*"):
        tab.set_input_files("#paintings", picture)
    tab.click(".finer summary")
    tab.check('[name="strokes"][value="broad"]')
    tab.check('[name="tune"][value="yes"]')
    tab.wait_for_function("() => /about [1-9]/.test(document.querySelector('#estimate').textContent)")
    assert tab.text_content("#go") == "Paint 30 frames"
    tab.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_wrong_files_are_refused_before_the_upload(show: ShowScreen, tmp_path: Path, kind: str) -> None:
    screen = show(kind)
    tab = screen.open("/ui", ".hello")
    with (tmp_path / "scan.tif").open("wb") as large:
        large.truncate(61_000_000)
    (tmp_path / "notes.txt").write_text("no video")
    tab.set_input_files("#paintings", tmp_path / "scan.tif")
    tab.set_input_files("#clip", tmp_path / "notes.txt")
    tab.wait_for_function("() => document.querySelectorAll('.drop.bad').length === 2")
    error = tab.inner_text("#painting-error")
    assert [text for text in ("scan.tif is 61.0 MB", "50 MB", "JPEG") if text not in error] == []
    assert tab.inner_text("#clip-error").startswith("notes.txt is not a video.")
    assert "Choose another clip" in tab.inner_text("[for=clip]")
    assert tab.inner_text("#painting-names") == "scan.tif"
    assert not tab.is_visible("#painting-help")  # the error takes the place of the help
    assert screen.violations() == []


def test_upload_resumes_after_a_reload(show: ShowScreen, tmp_path: Path) -> None:
    """Storage is away after one of three blocks; the tab is loaded again, and only the others are sent."""
    screen = show(world=InMemoryCloud().world(browser_uploads=True))
    tab = screen.open("/ui", ".hello")
    sent: list[str] = []

    def deliver_first(route: Route) -> None:
        if sent:
            route.abort()
        else:
            sent.append(route.request.url)
            route.continue_()

    tab.route("**/memory/input/**", deliver_first)
    data = bytes(9 * 2**20)
    for name, content in (("holiday.mp4", data), ("wave.png", painting())):
        (tmp_path / name).write_bytes(content)
    tab.set_input_files("#clip", tmp_path / "holiday.mp4")
    tab.set_input_files("#paintings", tmp_path / "wave.png")
    tab.wait_for_selector("#go:not([disabled])")
    tab.click("#go")
    tab.wait_for_function("() => document.querySelector('#upload-line').textContent.includes('MB/s')")
    saved = "() => impasto.uploads.resumable().then((job) => job.files.some((file) => file.sent.length === 1))"
    tab.wait_for_function(saved)
    resent: set[str] = set()
    tab.on("request", lambda request: resent.add(request.url) if request.method == "PUT" else None)
    tab.reload()
    tab.unroute("**/memory/input/**")
    tab.wait_for_url(re.compile("/ui/runs/holiday-"))
    blocks = {url for url in resent if "comp=block&" in url}
    assert len(blocks) == 2
    assert not blocks.intersection(sent)
    request = Request.load_stored(screen.world.storage.runs.need(RunPaths(tab.url.rpartition("/")[2]).request).data)
    assert screen.world.storage.input.need(f"{request.folder}/holiday.mp4").data == data
    assert request.trigger.style == "wave.png"
