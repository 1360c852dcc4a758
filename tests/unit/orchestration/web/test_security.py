"""What keeps other sites and hostile names out of the page."""

import os
import re
import subprocess
import sys
from pathlib import Path

import azure.functions as func
import pytest

import function_app
from orchestration.web import functions
from orchestration.web.security import is_from_this_page
from tests.support.host_call import call as host_call
from tests.support.world import World
from tests.unit.orchestration.web.conftest import FROM_THE_PAGE, Fetch

SCREENS = ("start", "runs", "health")
ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("screen", SCREENS)
def test_screen_has_a_strict_policy_and_no_inline_code(fetch: Fetch, screen: str) -> None:
    answer = fetch("ui_screen", screen=screen)
    policy = dict(item.split(" ", 1) for item in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self' http://memory.invalid"
    html = answer.get_body().decode()
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|hx-on|javascript:", html) == []


def test_screens_hold_no_data(world: World, fetch: Fetch) -> None:
    run_id = world.start("secret-name")
    screens = [fetch("ui_screen", screen=screen).get_body().decode() for screen in SCREENS]
    screens.append(fetch("ui_screen_run", run_id=run_id).get_body().decode())
    assert [text for text in screens if "secret-name" in text.replace(run_id, "")] == []


def test_hostile_names_are_escaped(world: World, fetch: Fetch) -> None:
    """Names of runs cannot have these characters, but labels of earlier versions and error texts can."""
    run_id = world.fire_trigger(world.upload_trigger("clip", b'{"scorer": "<img src=x onerror=alert(1)>"}'))
    for part, run in (("runs", ""), ("run", run_id)):
        html = fetch("ui_part", part=part, run_id=run).get_body().decode()
        assert "onerror=alert" in html
        assert "<img src=x" not in html
    found = fetch("ui_part", part="runs", query="q=%3Cscript%3Ealert(1)%3C/script%3E").get_body().decode()
    assert "<script" not in found


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site", "hx-request": "true", "host": "app.example"},
        {"sec-fetch-site": "same-site", "hx-request": "true", "host": "app.example"},
        {"origin": "https://evil.example", "hx-request": "true", "host": "app.example"},
        {"origin": "null", "hx-request": "true", "host": "app.example"},
        {"sec-fetch-site": "same-origin", "host": "app.example"},
    ],
)
def test_other_sites_change_nothing(world: World, act: Fetch, headers: dict[str, str]) -> None:
    run_id = world.start("clip")
    assert act("cancel", run_id, headers=headers).status_code == 403
    assert world.status(run_id) == "scoring"


def test_this_page_may_change_runs_also_behind_a_proxy() -> None:
    assert is_from_this_page(FROM_THE_PAGE, "https://app.example/ui/actions/cancel")
    proxied = {
        "origin": "https://app.example",
        "hx-request": "true",
        "host": "10.0.0.4",
        "x-forwarded-host": "app.example",
    }
    assert is_from_this_page(proxied, "http://10.0.0.4/ui/actions/cancel")


def test_page_of_the_wrong_id_is_refused(fetch: Fetch) -> None:
    assert fetch("ui_screen_run", run_id="../etc").status_code == 400
    assert fetch("ui_screen", screen="nothing").status_code == 404
    assert fetch("ui_part", part="nothing").status_code == 404
    assert fetch("ui_part", part="run", run_id="never-was-0123456789").status_code == 404


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
def test_other_sites_cannot_call_the_api(
    world: World, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """A form of another site needs no preflight request, and on the local cloud there is no key."""
    monkeypatch.setattr(function_app, "application", lambda: world.app)
    run_id = world.start("clip")
    request = func.HttpRequest(
        method="POST",
        url=f"http://localhost:7071/api/runs/{run_id}/cancel",
        headers={"host": "localhost:7071"} | headers,
        route_params={"run_id": run_id},
        body=b"",
    )
    assert host_call("cancel_run", request).status_code == 400
    assert world.status(run_id) == "scoring"


def test_entra_needs_a_person_that_app_service_names(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "HAS_ENTRA", True)
    assert fetch("ui_part", part="runs").status_code == 401
    assert fetch("ui_part", part="runs", headers={"x-ms-client-principal-id": "a person"}).status_code == 200


LEVELS = """
import function_app
for function in function_app.app.get_functions():
    trigger = function.get_trigger().get_dict_repr()
    if trigger["type"] == "httpTrigger":
        print(function.get_function_name(), trigger["authLevel"].value)
"""


def levels(sign_in: str) -> dict[str, str]:
    """Return the authorization level of each HTTP function of an app with this setting."""
    environment = {"PATH": os.environ["PATH"], "PAGE_SIGN_IN": sign_in}
    output = subprocess.run(
        [sys.executable, "-c", LEVELS], env=environment, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return dict(line.split() for line in output.splitlines())


def test_programs_need_the_key_however_people_sign_in() -> None:
    """With Entra ID, App Service authentication is in front of the page, but not of the API: see docs/security.md."""
    by_key, by_entra = levels("key"), levels("entra")
    api = {name for name in by_key if not name.startswith("ui_")}
    assert {by_key[name] for name in api} == {by_entra[name] for name in api} == {"function"}
    data = {"ui_part", "ui_action"}
    assert {by_key[name] for name in data} == {"function"}
    assert {level for name, level in by_entra.items() if name not in api} == {"anonymous"}
