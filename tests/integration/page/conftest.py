"""Chromium on the app's own functions, with storage in memory."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

import function_app
from orchestration.web import functions
from tests.support.chromium import chromium
from tests.support.memory_world import InMemoryCloud
from tests.support.page_server import PageServer, links_of, serving
from tests.support.world import World

AXE: Final = Path(__file__).parents[3] / "node_modules" / "axe-core" / "axe.min.js"
SIZES: Final = {"light": (1280, 900), "dark": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@dataclass
class Screen:
    """A tab on a page server; errors that the page logs fail the test at its end."""

    tab: Page
    server: PageServer
    errors: list[str] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.server.world

    def open(self, path: str, ready: str) -> Page:
        """Load a screen and wait until an element is there."""
        self.tab.goto(self.server.url + path)
        self.tab.wait_for_selector(ready)
        return self.tab

    def violations(self) -> list[str]:
        """Return what axe objects to: rule, element, and why. What the policy refuses axe itself is no error."""
        errors = list(self.errors)
        if not self.tab.evaluate("() => 'axe' in window"):
            self.tab.evaluate(AXE.read_text(encoding="utf-8"))
        result: dict[str, Any] = self.tab.evaluate("() => axe.run({ resultTypes: ['violations'] })")
        self.errors[:] = errors
        return [
            f"{item['id']}: {node['target']} {node['failureSummary']}"
            for item in result["violations"]
            for node in item["nodes"]
        ]


ShowScreen = Callable[..., Screen]


@pytest.fixture
def show(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShowScreen]:
    """Return a function that opens a tab on an app with storage in memory."""
    screens: list[Screen] = []
    with ExitStack() as stack:

        def start(kind: str = "light", *, key: str = "", world: World | None = None) -> Screen:
            server = stack.enter_context(serving(world or InMemoryCloud().world(), key))
            app = replace(server.world.app, links=links_of(server))
            monkeypatch.setattr(functions, "application", lambda: app)
            monkeypatch.setattr(function_app, "application", lambda: app)
            width, height = SIZES[kind]
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if kind == "dark" else "light",
                reduced_motion="reduce",
            )
            stack.callback(context.close)
            screen = Screen(context.new_page(), server)
            screen.tab.set_default_timeout(60_000)
            screen.tab.on("pageerror", lambda error: screen.errors.append(str(error)))
            screen.tab.on(
                "console", lambda line: screen.errors.append(line.text) if "Content Security" in line.text else None
            )
            screens.append(screen)
            return screen

        yield start
        assert [error for screen in screens for error in screen.errors] == []
