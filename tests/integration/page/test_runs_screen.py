"""The list of runs in Chromium: the menu of a row, the selection and its actions, downloads, rows that stay."""

import json

from playwright.sync_api import Page, expect

from frame_tools.contracts.paths import RunPaths
from orchestration.web import rows
from tests.integration.page.conftest import ShowScreen
from tests.support.page_runs import PageRuns, fill, start_run
from tests.support.world import World

SPEAKS = "(text) => document.querySelector('#say').textContent === text"


def open_menu(tab: Page, run_id: str) -> list[str]:
    """Open the menu of a row with the mouse and return what it offers."""
    tab.click(f"#menu-{run_id}")
    return tab.locator("#row-menu [role=menuitem]:visible").all_inner_texts()


def test_menu_offers_what_a_run_allows(show: ShowScreen) -> None:
    screen = show()
    runs = fill(screen.world)
    tab = screen.open("/ui/runs", "#rows")
    finished = open_menu(tab, runs.finished)
    assert finished == ["Open", "Paint again with…", "Download", "Copy the command"]
    assert screen.violations() == []
    tab.keyboard.press("Escape")
    assert open_menu(tab, runs.painting) == ["Open", "Copy the command", "Cancel…"]
    tab.keyboard.press("Escape")
    assert open_menu(tab, runs.failed) == ["Open", "Paint again with…", "Paint what is missing", "Copy the command"]
    tab.get_by_role("menuitem", name="Open").click()
    tab.wait_for_url(f"**/ui/runs/{runs.failed}")


def test_menu_by_keyboard_closes_with_escape_and_returns_focus(show: ShowScreen) -> None:
    screen = show()
    runs = fill(screen.world)
    tab = screen.open("/ui/runs", "#rows")
    button = tab.locator(f"#menu-{runs.painting}")
    button.focus()
    tab.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(tab.get_by_role("menuitem", name="Open")).to_be_focused()
    tab.keyboard.press("ArrowUp")
    expect(tab.get_by_role("menuitem", name="Cancel…")).to_be_focused()
    # Rows are drawn again every 2 s; the menu and its state stay.
    with tab.expect_response("**/ui/parts/open?*"):
        pass
    expect(button).to_have_attribute("aria-expanded", "true")
    tab.keyboard.press("Escape")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")
    tab.keyboard.press("Enter")
    tab.keyboard.press("End")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("button", name="Keep painting")).to_be_focused()
    tab.keyboard.press("Escape")
    assert screen.world.status(runs.painting) == "scoring"
    expect(button).to_be_focused()


def test_menu_cancels_and_paints_what_is_missing(show: ShowScreen) -> None:
    screen = show()
    runs = fill(screen.world)
    tab = screen.open("/ui/runs", "#rows")
    open_menu(tab, runs.waiting)
    tab.get_by_role("menuitem", name="Cancel…").click()
    tab.get_by_role("button", name="Cancel the run").click()
    tab.wait_for_function(SPEAKS, arg="1 run cancelled")
    tab.wait_for_selector(f"#run-{runs.waiting} .state.cancelled")
    assert screen.world.status(runs.painting) == "scoring"
    open_menu(tab, runs.failed)
    tab.get_by_role("menuitem", name="Paint what is missing").click()
    tab.wait_for_function(SPEAKS, arg="Painting what is missing of 1 run")
    assert screen.world.status(runs.failed) == "scoring"


def test_menu_copies_the_command_and_opens_the_options(show: ShowScreen) -> None:
    screen = show()
    runs = fill(screen.world)
    tab = screen.open("/ui/runs", "#rows")
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_menu(tab, runs.finished)
    tab.get_by_role("menuitem", name="Copy the command").click()
    tab.wait_for_function(SPEAKS, arg="Command copied")
    command = tab.evaluate("() => navigator.clipboard.readText()")
    assert command.startswith("impasto paint clip.mp4 -s the_starry_night.jpg")
    tab.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    open_menu(tab, runs.finished)
    tab.get_by_role("menuitem", name="Copy the command").click()
    tab.wait_for_selector("#show-command[open]")
    assert tab.inner_text("#menu-command") == command
    tab.get_by_role("button", name="Close").last.click()
    open_menu(tab, runs.finished)
    tab.get_by_role("menuitem", name="Paint again with…").click()
    tab.wait_for_selector("#ask-again[open]")


def finish_two(world: World) -> tuple[str, str]:
    first, second = start_run(world, "first"), start_run(world, "second")
    assert {world.finish(first), world.finish(second)} == {"finished"}
    return first, second


def test_selected_products_are_downloaded_one_after_the_other(show: ShowScreen) -> None:
    """The browser fetches them by their links; the app is not asked for any of them."""
    screen = show()
    first, second = finish_two(screen.world)
    open_run = start_run(screen.world, "open")
    tab = screen.open("/ui/runs", "#rows")
    files: list[tuple[str, str]] = []
    tab.on("download", lambda download: files.append((download.suggested_filename, download.url)))
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url) if "/ui/" in request.url else None)
    for run_id in (first, second, open_run):
        tab.check(f"#run-{run_id} input")
    tab.wait_for_function(SPEAKS, arg="3 selected")
    tab.locator("#bulk").get_by_role("button", name="Download").click()
    tab.wait_for_function(SPEAKS, arg="Download 2 of 2: first")
    tab.wait_for_function("() => document.querySelector('#problem').textContent.includes('1 of 3 selected runs has')")
    names = {f"/memory/output/{run_id}/video.mp4" for run_id in (first, second)}
    while len(files) < 2:
        tab.wait_for_event("download")
    assert {url.partition("?")[0].removeprefix(screen.server.url) for _, url in files} == names
    assert [url for url in asked if not url.endswith(("/ui/parts/open", "")) and "video" in url] == []
    tab.get_by_role("button", name="Close").first.click()
    expect(tab.locator("#problem")).to_be_hidden()


def test_selection_announces_itself_and_is_cleared_by_escape(show: ShowScreen) -> None:
    screen = show()
    runs = fill(screen.world)
    tab = screen.open("/ui/runs", "#rows")
    tab.focus("#all")
    tab.keyboard.press("Space")
    tab.wait_for_function(SPEAKS, arg="5 selected")
    assert screen.violations() == []
    box = tab.locator(f"#run-{runs.failed} input")
    box.focus()
    tab.keyboard.press("Space")
    tab.wait_for_function(SPEAKS, arg="4 selected")
    assert tab.evaluate("() => document.querySelector('#all').indeterminate")
    tab.keyboard.press("Escape")
    tab.wait_for_function(SPEAKS, arg="0 selected")
    expect(tab.locator("#bulk")).to_be_hidden()
    expect(tab.locator("#all")).to_be_focused()


def test_action_on_several_says_what_was_left_out(show: ShowScreen) -> None:
    screen = show()
    runs = fill(screen.world)
    tab = screen.open("/ui/runs", "#rows")
    for run_id in (runs.painting, runs.finished):
        tab.check(f"#run-{run_id} input")
    tab.locator("#bulk").get_by_role("button", name="Cancel").click()
    tab.get_by_role("button", name="Cancel them").click()
    tab.wait_for_selector("#problem:not([hidden])")
    assert runs.finished in tab.inner_text("#problem")
    # Later answers do not remove it.
    with tab.expect_response("**/ui/parts/*"):
        pass
    assert runs.finished in tab.inner_text("#problem")


def test_older_rows_stay_when_the_list_is_drawn_again(show: ShowScreen, monkeypatch) -> None:
    monkeypatch.setattr(rows, "PAGE_ROWS", 2)
    screen = show()
    runs: PageRuns = fill(screen.world)
    tab = screen.open("/ui/runs", "#rows")
    shown = "(count) => document.querySelectorAll('#list tr[data-state]').length === count"
    tab.mouse.wheel(0, 5000)  # what comes into view is fetched
    tab.wait_for_function(shown, arg=5)
    screen.world.finish(runs.painting)
    tab.evaluate("() => document.body.dispatchEvent(new CustomEvent('runs-changed'))")
    tab.wait_for_selector(f"#run-{runs.painting} .state.finished")
    tab.wait_for_function(shown, arg=5)


def test_picture_of_the_painting_is_beside_its_title(show: ShowScreen) -> None:
    screen = show()
    world = screen.world
    run_id = start_run(world, "clip")
    picture = RunPaths(run_id).style_picture
    world.storage.work.write(picture, (b"not looked at"))
    tab = screen.open("/ui/runs", "#rows")
    assert tab.get_attribute(f"#run-{run_id} .art-thumb", "src") == f"{screen.server.url}/memory/work/{picture}"
    world.finish(run_id)
    report = json.loads(world.storage.output.need(RunPaths(run_id).report).data)
    assert report["pictures"] == ["style"]
    tab.wait_for_selector(f"#run-{run_id} .art-thumb[src$='output/{run_id}/style.jpg']", state="attached")
