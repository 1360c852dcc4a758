"""The page's functions, called as the host does, on storage in memory."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import azure.functions as func
import pytest

from orchestration.web import functions
from tests.support.host_call import call as host_call
from tests.support.world import World

Fetch = Callable[..., func.HttpResponse]
FROM_THE_PAGE = {"hx-request": "true", "sec-fetch-site": "same-origin", "host": "app.example"}


@pytest.fixture
def fetch(world: World, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Return a function that calls a function of the page and returns its answer."""
    monkeypatch.setattr(functions, "application", lambda: world.app)

    def call(function: str, *, query: str = "", headers: dict[str, str] | None = None, **route: str) -> Any:
        request = func.HttpRequest(
            method="GET", url=f"https://app.example/ui?{query}", headers=headers or {}, route_params=route, body=b""
        )
        return host_call(function, request)

    return call


@pytest.fixture
def act(world: World, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Return a function that presses a button of the page."""
    monkeypatch.setattr(functions, "application", lambda: world.app)

    def call(action: str, *runs: str, headers: dict[str, str] = FROM_THE_PAGE, **fields: str) -> Any:
        body = urlencode([*(("run", run) for run in runs), *fields.items()])
        request = func.HttpRequest(
            method="POST",
            url=f"https://app.example/ui/actions/{action}",
            headers=headers,
            route_params={"action": action},
            body=body.encode(),
        )
        return host_call("ui_action", request)

    return call
