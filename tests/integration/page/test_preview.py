"""The preview on the start screen: what it takes, upload, looks as they are painted, choice, and the runs of it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from orchestration.handlers.sweep import sweep
from orchestration.previews.slots import read_slots
from tests.integration.page.conftest import Screen, ShowScreen
from tests.support.clips import Clip, make_clip
from tests.support.memory_world import InMemoryCloud
from tests.support.preview_node import fail_preview, finish_preview, paint_looks
from tests.support.world import painting


def preview_id(screen: Screen) -> str:
    (job_id,) = read_slots(screen.world.app).values()
    return job_id.rpartition("-")[0]


def begin(show: ShowScreen, folder: Path, kind: str = "light") -> tuple[Screen, Page]:
    """Choose a clip and two paintings, and order the preview."""
    make_clip(folder / "holiday.mp4", Clip(frames=30, size=(160, 96)))
    for name in ("the_wave.png", "wheat.png"):
        (folder / name).write_bytes(painting())
    screen = show(kind, world=InMemoryCloud().world(browser_uploads=True))
    tab = screen.open("/ui", ".hello")
    tab.set_input_files("#clip", folder / "holiday.mp4")
    tab.set_input_files("#paintings", [folder / "the_wave.png", folder / "wheat.png"])
    tab.wait_for_function("() => document.querySelector('#offer-facts').textContent.includes('18 previews')")
    tab.get_by_role("button", name="Preview", exact=True).click()
    tab.wait_for_selector("#sheet[data-preview]")
    return screen, tab


def test_looks_appear_are_picked_and_painted(show: ShowScreen, tmp_path: Path) -> None:
    screen, tab = begin(show, tmp_path)
    world, preview = screen.world, preview_id(screen)
    assert tab.inner_text("#ready-title") == "Choose a look"
    assert tab.is_disabled("#go")
    assert tab.locator("#sheet .cell.busy").count() == 18
    paint_looks(world.storage, preview, count=4)
    tab.wait_for_function("() => document.querySelector('#sheet-state').textContent.includes('18 previews… 4 done')")
    # The first full look is picked by itself, and stays picked while others appear.
    assert tab.locator(".cell input:checked").get_attribute("aria-label") == "the wave, 100 %, medium strokes"
    tab.wait_for_function("() => document.querySelector('#go').textContent === 'Paint 30 frames'")
    tab.check("#look-3")
    finish_preview(world.storage, preview)
    tab.wait_for_function("() => document.querySelector('#sheet-state').textContent.includes('18 previews, painted')")
    assert tab.locator(".cell.busy").count() == 0
    assert [tab.is_checked(f"#look-{number}") for number in (2, 3)] == [True, True]
    tab.wait_for_function("() => document.querySelector('#say').textContent.includes('18 previews, painted')")
    tab.wait_for_function("() => document.querySelector('#estimate').textContent.includes('2 runs, 60 frames')")
    assert tab.inner_text('[data-chosen="medium"]') == "2"
    tab.uncheck("#look-2")
    tab.check('[name="shown"][value="broad"]')
    tab.check("#sheet-broad .cell input >> nth=5")
    tab.wait_for_function("() => document.querySelector('#go').textContent === 'Paint 60 frames'")
    tab.click(".finer summary")
    tab.check('[name="tune"][value="yes"]')
    files = {item.name: item.etag for item in world.storage.input.list("")}
    tab.click("#go")
    tab.wait_for_url(re.compile("/ui/runs$"))
    assert {item.name: item.etag for item in world.storage.input.list("")} == files  # nothing is sent again
    requests = [
        Request.load_stored(world.storage.runs.need(item.name).data).trigger
        for item in world.storage.runs.list("")
        if item.name.endswith("/request.json")
    ]
    looks = {(trigger.style, trigger.strength, trigger.strokes) for trigger in requests}
    assert looks == {("wheat.png", 0.4, "medium"), ("wheat.png", 1.0, "broad")}
    assert all(trigger.tune for trigger in requests)


def test_sheet_is_walked_by_keyboard_and_frames_are_chosen(show: ShowScreen, tmp_path: Path) -> None:
    screen, tab = begin(show, tmp_path)
    finish_preview(screen.world.storage, preview_id(screen))
    tab.wait_for_selector("#sheet[aria-busy=false]")
    tab.focus("#look-0")
    for key, expected in (
        ("ArrowRight", "look-1"),
        ("ArrowDown", "look-4"),
        ("ArrowLeft", "look-3"),
        ("ArrowUp", "look-0"),
    ):
        tab.keyboard.press(key)
        assert tab.evaluate("() => document.activeElement.id") == expected
    tab.keyboard.press("Space")
    assert tab.is_checked("#look-0")
    assert tab.inner_text("#look-how") == "40 %, medium strokes"
    after = tab.locator('#look [data-pair="after"]')
    assert str(after.get_attribute("src")).endswith("/00-1.jpg")
    tab.focus("#frame")
    tab.keyboard.press("ArrowRight")
    assert str(after.get_attribute("src")).endswith("/00-2.jpg")
    assert str(tab.locator('#look [data-pair="before"]').get_attribute("src")).endswith("/clip-2.jpg")


@pytest.mark.parametrize("kind", ["light", "dark", "phone"])
def test_sheet_has_no_accessibility_violations(show: ShowScreen, tmp_path: Path, kind: str) -> None:
    screen, tab = begin(show, tmp_path, kind)
    paint_looks(screen.world.storage, preview_id(screen), count=5)
    tab.wait_for_function("() => document.querySelector('#sheet-state').textContent.includes('5 done')")
    assert screen.violations() == []
    finish_preview(screen.world.storage, preview_id(screen))
    tab.wait_for_selector("#sheet[aria-busy=false]")
    assert screen.violations() == []
    assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_failed_preview_says_why_and_can_be_repeated(show: ShowScreen, tmp_path: Path) -> None:
    screen, tab = begin(show, tmp_path)
    fail_preview(screen.world.storage, preview_id(screen))
    tab.wait_for_selector("#sheet .note.bad")
    assert tab.inner_text("#sheet .note.bad") == "holiday.mp4 contains no frames. Upload another clip."
    assert screen.violations() == []
    sweep(screen.world.app)
    tab.reload()  # shows the same failure, and orders nothing
    tab.wait_for_selector("#sheet .note.bad")
    assert read_slots(screen.world.app) == {}
    tab.get_by_role("button", name="Preview again").click()
    tab.wait_for_selector("#sheet[aria-busy=true]")
    finish_preview(screen.world.storage, preview_id(screen))
    tab.wait_for_selector("#sheet[aria-busy=false]")


def test_refused_preview_says_why(show: ShowScreen, tmp_path: Path) -> None:
    make_clip(tmp_path / "holiday.mp4", Clip(frames=30, size=(160, 96)))
    (tmp_path / "broken.png").write_bytes(painting()[:60])
    screen = show(world=InMemoryCloud().world(browser_uploads=True))
    tab = screen.open("/ui", ".hello")
    tab.set_input_files("#clip", tmp_path / "holiday.mp4")
    tab.set_input_files("#paintings", tmp_path / "broken.png")
    tab.get_by_role("button", name="Preview", exact=True).click()
    tab.wait_for_function("() => document.querySelector('#preview-error').textContent.includes('broken.png')")
    assert tab.is_enabled("#go")
    assert screen.violations() == []


def test_paintings_can_be_changed(show: ShowScreen, tmp_path: Path) -> None:
    screen, tab = begin(show, tmp_path)
    finish_preview(screen.world.storage, preview_id(screen))
    tab.wait_for_selector("#sheet[aria-busy=false]")
    sweep(screen.world.app)
    tab.get_by_role("button", name="Change paintings").click()
    tab.get_by_role("button", name="Remove wheat.png").click()
    tab.wait_for_function("() => document.querySelector('#offer-facts').textContent.includes('9 previews')")
    tab.get_by_role("button", name="Preview", exact=True).click()
    tab.wait_for_selector("#sheet[aria-busy=true]")
    assert tab.locator("#sheet .cell").count() == 9


def test_preview_survives_a_reload(show: ShowScreen, tmp_path: Path) -> None:
    screen, tab = begin(show, tmp_path)
    preview = preview_id(screen)
    finish_preview(screen.world.storage, preview)
    tab.wait_for_selector("#sheet[aria-busy=false]")
    sweep(screen.world.app)
    tab.reload()
    tab.wait_for_selector(f'#sheet[data-preview="{preview}"]')
    tab.wait_for_selector("#sheet[aria-busy=false]")
    tab.wait_for_function("() => document.querySelector('#go').textContent === 'Paint 30 frames'")
    tab.click("#go")
    tab.wait_for_url(re.compile("/ui/runs/holiday-"))
    run_id = tab.url.rpartition("/")[2]
    request = Request.load_stored(screen.world.storage.runs.need(RunPaths(run_id).request).data)
    assert (request.trigger.style, request.trigger.strokes) == ("the_wave.png", "medium")


def test_sample_is_painted_without_a_clip_at_hand(show: ShowScreen) -> None:
    screen = show(world=InMemoryCloud().world(browser_uploads=True))
    tab = screen.open("/ui", ".hello")
    assert screen.violations() == []
    tab.get_by_role("button", name="Sample painting").click()
    tab.get_by_role("button", name="Sailing home").click()
    tab.wait_for_function("() => document.querySelector('#go').textContent === 'Paint 96 frames'")
    facts = tab.inner_text("#ready-facts")
    assert [text for text in ("3.2 s at 29.97 fps", "640 × 360", "with sound") if text not in facts] == []
    tab.click("#go")
    tab.wait_for_url(re.compile("/ui/runs/sailing-"))
