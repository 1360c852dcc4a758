"""The page on the running system: files are uploaded in Chromium, and the run is followed to its end."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from tests.support.chromium import chromium
from tests.support.clips import Clip, make_clip
from tests.support.system import TIMEOUT_SECONDS, RunningSystem
from tests.support.world import painting


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def test_clip_is_uploaded_painted_and_compared(system: RunningSystem, browser: Browser, tmp_path: Path) -> None:
    clip, picture = tmp_path / "holiday.mp4", tmp_path / "wave.png"
    make_clip(clip, Clip(frames=8, size=(160, 96), rate=Fraction(25)))
    picture.write_bytes(painting())
    tab = browser.new_context(reduced_motion="reduce").new_page()
    tab.set_default_timeout(1000 * TIMEOUT_SECONDS)
    tab.goto(f"http://127.0.0.1:{system.cloud.ports.functions}/")
    tab.set_input_files("#clip", clip)
    tab.set_input_files("#paintings", picture)
    tab.get_by_role("button", name="Paint 8 frames").click()
    tab.wait_for_url(re.compile("/ui/runs/holiday-"))
    tab.wait_for_selector(".plaque .state.finished")
    # Both videos come from storage by signed links and show the same frame.
    tab.wait_for_function("() => [...document.querySelectorAll('video')].every((video) => video.readyState >= 1)")
    tab.focus("#scrub")
    tab.keyboard.press("End")
    tab.wait_for_function("() => document.querySelector('#frame-n').textContent === 'Frame 8 of 8'")
    tab.wait_for_function("() => document.querySelector('[data-video=after]').currentTime > 0.2")
    times = tab.evaluate("() => [...document.querySelectorAll('[data-view=slide] video')].map((v) => v.currentTime)")
    assert times == [pytest.approx(0.3, abs=0.01)] * 2
    run_id = tab.url.rpartition("/")[2]
    assert system.storage.output.exists(RunPaths(run_id).video("mp4"))
    # Tasks have decoded the clip: no frame of it was stored.
    assert not list(system.storage.work.list(f"{RunPaths(run_id).split_folder}/frames/"))
    assert not list(system.storage.work.list(f"{run_id}/frames/"))


def test_preview_is_painted_by_the_scorer_and_its_look_becomes_a_run(
    system: RunningSystem, browser: Browser, tmp_path: Path
) -> None:
    clip, picture = tmp_path / "garden.mp4", tmp_path / "wave.png"
    make_clip(clip, Clip(frames=8, size=(160, 96), rate=Fraction(25)))
    picture.write_bytes(painting())
    tab = browser.new_context(reduced_motion="reduce").new_page()
    tab.set_default_timeout(1000 * TIMEOUT_SECONDS)
    tab.goto(f"http://127.0.0.1:{system.cloud.ports.functions}/")
    tab.set_input_files("#clip", clip)
    tab.set_input_files("#paintings", picture)
    tab.get_by_role("button", name="Preview", exact=True).click()
    tab.wait_for_selector("#sheet[aria-busy=false]")
    assert tab.locator("#sheet .note.bad").count() == 0
    assert tab.locator("#sheet .cell img:nth-of-type(2)").count() == 9
    tab.wait_for_function("() => document.querySelector('#look [data-pair=after]').naturalWidth === 160")
    tab.uncheck(".cell input:checked")
    tab.check("#sheet-medium .cell input >> nth=0")
    tab.get_by_role("button", name="Paint 8 frames").click()
    tab.wait_for_url(re.compile("/ui/runs/garden-"))
    tab.wait_for_selector(".plaque .state.finished")
    request = Request.load_stored(system.storage.runs.need(RunPaths(tab.url.rpartition("/")[2]).request).data)
    assert (request.trigger.strength, request.trigger.strokes) == (0.4, "medium")
