"""Every screen in Chromium: accessible by axe, within the width of a phone, under its content security policy."""

import pytest

from tests.integration.page.conftest import SIZES, ShowScreen
from tests.support.memory_world import InMemoryCloud
from tests.support.page_runs import PageRuns, fill
from tests.support.world import World


@pytest.fixture(scope="module")
def filled() -> tuple[World, PageRuns]:
    world = InMemoryCloud().world()
    return world, fill(world)


@pytest.mark.parametrize("kind", SIZES)
def test_screens_have_no_violations(kind: str, show: ShowScreen, filled: tuple[World, PageRuns]) -> None:
    world, runs = filled
    screen = show(kind, world=world)
    found: dict[str, list[str]] = {}
    for path, ready in (
        ("/ui", ".hello"),
        ("/ui/runs", "#rows"),
        (f"/ui/runs/{runs.painting}", "#progress"),
        (f"/ui/runs/{runs.waiting}", "#progress"),
        (f"/ui/runs/{runs.finished}", ".plaque"),
        (f"/ui/runs/{runs.failed}", ".wrong"),
        ("/ui/health", ".checks"),
    ):
        tab = screen.open(path, ready)
        found[path] = screen.violations()
        if kind == "phone":
            assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), path
    assert found == {path: [] for path in found}


@pytest.mark.parametrize("kind", SIZES)
def test_what_opens_has_no_violations(kind: str, show: ShowScreen, filled: tuple[World, PageRuns]) -> None:
    world, runs = filled
    screen = show(kind, world=world)
    tab = screen.open("/ui/runs", "#rows")
    tab.click(f"#menu-{runs.failed}")
    tab.wait_for_selector("#row-menu:popover-open")
    found = {"menu": screen.violations()}
    tab.keyboard.press("Escape")
    tab.check(f"#run-{runs.failed} input")
    tab.wait_for_selector("#bulk:not([hidden])")
    tab.evaluate("() => scrollTo(0, document.body.scrollHeight)")  # nothing lies below the bar then
    found["selection"] = screen.violations()
    tab = screen.open(f"/ui/runs/{runs.failed}#again", "#ask-again[open]")
    tab.get_by_text("All options").click()
    found["options"] = screen.violations()
    tab.keyboard.press("Escape")
    tab.click("#batch-6")
    tab.wait_for_selector("#batch-body")
    found["batch"] = screen.violations()
    assert found == {name: [] for name in found}


def test_page_fits_a_window_of_320_pixels(show: ShowScreen, filled: tuple[World, PageRuns]) -> None:
    """As wide as a window of 1280 pixels at 400 % zoom."""
    world, runs = filled
    screen = show("phone", world=world)
    screen.tab.set_viewport_size({"width": 320, "height": 640})
    for path, ready in (("/ui", ".hello"), ("/ui/runs", "#rows"), (f"/ui/runs/{runs.failed}", ".wrong")):
        tab = screen.open(path, ready)
        assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), path


def test_sign_in_asks_once_for_the_key(show: ShowScreen, filled: tuple[World, PageRuns]) -> None:
    screen = show(key="a key", world=filled[0])
    tab = screen.open("/ui/runs", "#key-form")
    assert screen.violations() == []
    tab.fill("#key", "wrong")
    tab.press("#key", "Enter")
    tab.wait_for_function("() => document.querySelector('#key-error')?.textContent")
    tab.fill("#key", "a key")
    tab.press("#key", "Enter")
    tab.wait_for_selector("#rows")
    assert "a key" not in tab.url
    screen.open("/ui/health", ".checks")
