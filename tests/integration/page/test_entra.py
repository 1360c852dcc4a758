"""People who sign in with Entra ID: the page needs no key, programs still do, and an ended session says so."""

import pytest
from playwright.sync_api import expect

from orchestration.web import functions
from tests.integration.page.conftest import Screen, ShowScreen
from tests.support.page_runs import fill


@pytest.fixture
def screen(show: ShowScreen, monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("PAGE_SIGN_IN", "entra")
    monkeypatch.setattr(functions, "HAS_ENTRA", True)
    shown = show(key="a key that nobody enters")
    shown.server.has_entra, shown.server.person = True, "a person"
    return shown


def test_page_works_with_entra_alone(screen: Screen) -> None:
    runs = fill(screen.world)
    keys: list[str] = []
    screen.tab.on("request", lambda request: keys.append(request.headers.get("x-functions-key", "")))
    tab = screen.open("/ui/runs", "#rows")
    tab.click(f"#menu-{runs.painting}")
    tab.get_by_role("menuitem", name="Cancel…").click()
    tab.get_by_role("button", name="Cancel the run").click()
    tab.wait_for_selector(f"#run-{runs.painting} .state.cancelled")
    tab = screen.open(f"/ui/runs/{runs.failed}", ".wrong")
    tab.focus("#frame-scrub")
    with tab.expect_response("**/ui/parts/frame/*") as frame:
        tab.keyboard.press("Home")
    assert frame.value.status == 200
    tab = screen.open("/ui/health", ".checks")
    expect(tab.get_by_role("link", name="Sign out")).to_be_visible()
    assert set(keys) == {""}
    assert tab.request.get(f"{screen.server.url}/api/runs").status == 401
    assert screen.violations() == []


def test_ended_session_leads_to_the_login_and_back(screen: Screen) -> None:
    tab = screen.open("/ui/runs", ".empty")
    screen.server.person = ""
    tab.evaluate("() => document.body.dispatchEvent(new CustomEvent('runs-changed'))")
    link = tab.get_by_role("link", name="Sign in again")
    expect(link).to_be_focused()
    assert link.get_attribute("href") == "/.auth/login/aad?post_login_redirect_uri=%2Fui%2Fruns"
    expect(tab.locator("#key-form")).to_have_count(0)
    assert screen.violations() == []
