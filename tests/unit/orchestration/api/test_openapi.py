"""The OpenAPI document: it describes the app's functions, and what they take and answer."""

import json
import re

import jsonschema
import pytest

import function_app
from frame_tools.contracts import answers
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.preview_call import OrderPreview
from orchestration.api.openapi import openapi_document
from orchestration.handlers.order_preview import order_preview
from tests.architecture.modules import ROOT
from tests.support.answers import check_answer, operation_of, operations
from tests.support.api_call import api_call
from tests.support.host_call import FUNCTIONS
from tests.support.memory_world import InMemoryCloud
from tests.support.world import painting


def test_it_describes_every_function_that_http_calls() -> None:
    triggers = {name: each.get_trigger().get_dict_repr() for name, each in FUNCTIONS.items()}
    routes = {
        (name, method.value.lower(), f"/{trigger['route']}")
        for name, trigger in triggers.items()
        if trigger["type"] == "httpTrigger" and trigger["route"].startswith("api/")
        for method in trigger["methods"]
    }
    described = {
        (description["operationId"], method, path)
        for path, methods in openapi_document()["paths"].items()
        for method, description in methods.items()
    }
    assert described == routes


def test_it_is_json_and_its_schemas_are_valid() -> None:
    document = json.loads(json.dumps(openapi_document()))
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert {"Problem", "RunPage", "RunStatus", "Preflight", "ResubmitRequest"} <= set(schemas)
    references = {reference for reference in json.dumps(document).split('"') if reference.startswith("#/")}
    assert references <= {f"#/components/schemas/{name}" for name in schemas}


def test_parameters_have_their_limits_and_defaults() -> None:
    parameters = {each["name"]: each for each in openapi_document()["paths"]["/api/runs"]["get"]["parameters"]}
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50}
    assert parameters["status"]["explode"] is False
    alternatives = parameters["status"]["schema"]["items"]["anyOf"]
    assert {status for each in alternatives for status in each.get("enum", ["unknown"])} == set(answers.STATUSES)


@pytest.mark.parametrize(
    ("status", "media_type", "body"),
    [
        (418, "application/json", "{}"),
        (200, "text/plain", "{}"),
        (200, "application/json", '{"runs": []}'),
        (200, "application/json", '{"runs": [], "next": null, "more": 1}'),
        (400, "application/json", "{}"),
    ],
)
def test_undocumented_answers_fail_the_check_of_all_tests(status: int, media_type: str, body: str) -> None:
    with pytest.raises((AssertionError, jsonschema.ValidationError)):
        check_answer("list_runs", status, f"{media_type}; charset=utf-8", body.encode())


def test_examples_call_every_operation_as_it_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = "sailing-0123456789"
    world = InMemoryCloud().world(browser_uploads=True)
    world.storage.runs.write(RunPaths(run_id).request, b"{}")
    world.upload_files("sailing", {"sailing.mp4": b"a clip", "starry_night.jpg": painting()})
    call = OrderPreview(input="sailing", clip="sailing.mp4", paintings=("starry_night.jpg",))
    preview_id = order_preview(world.app, call).preview_id
    monkeypatch.setattr(function_app, "application", lambda: world.app)
    text = (ROOT / "impasto.http").read_text(encoding="utf-8").replace("{{run}}", run_id)
    text = text.replace("{{preview}}", preview_id)
    called = set()
    for example in text.split("\n###")[1:]:
        method, url = re.findall(r"(?m)^(GET|POST) \{\{host\}\}(/\S+)$", example)[0]
        status, problem = api_call(method, f"/api{url}", example.partition("\n\n")[2].strip().encode())
        # The request of the run in the examples is damaged: its operations say so, whatever they are asked for.
        assert status < 300 or problem["code"] == "damaged_data", (method, url, problem)
        called.add(operation_of(method, f"/api{url}"))
    assert called == set(operations())
