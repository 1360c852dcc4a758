"""Every operation answers generated requests, valid and invalid ones, as the OpenAPI document says."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)

import function_app
from frame_tools.contracts.preview_call import OrderPreview
from orchestration.api.openapi import openapi_document
from orchestration.handlers.order_preview import order_preview
from tests.support.answers import operations
from tests.support.api_server import api_server
from tests.support.fake_node import fail
from tests.support.memory_world import InMemoryCloud
from tests.support.preview_node import finish_preview
from tests.support.world import painting

EXAMPLES: Final = 12
"""Requests of each kind for each operation: the same ones in every run of the tests."""
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
WITHOUT_KEY: Final = {name: part for name, part in openapi_document().items() if name != "security"}
"""The description of a local app, which needs no function key."""
SCHEMA: Final = schemathesis.openapi.from_dict(WITHOUT_KEY)
CONFLICTING: Final = ("post_run", "post_upload", "post_preview")
"""Operations that reject combinations of fields, each of which is valid, or names of files that are not there: a schema
can't say so."""


@dataclass(frozen=True)
class Served:
    """The app behind an HTTP server, and the runs and the preview that it knows."""

    url: str
    runs: tuple[str, ...]
    preview: str


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    world = InMemoryCloud().world(browser_uploads=True)
    finished, open_run, failed = (world.start(name, 4) for name in ("finished", "open", "failed"))
    world.finish(finished)
    fail(world.storage, failed, 0)
    world.score(failed, 1)
    world.deliver_messages()
    refused = world.fire_trigger(world.upload_trigger("refused", b"{"))
    world.upload_files("preview", {"clip.mp4": b"a clip", "wave.png": painting()})
    ordered = OrderPreview(input="preview", clip="clip.mp4", paintings=("wave.png",))
    preview = order_preview(world.app, ordered).preview_id
    finish_preview(world.storage, preview)
    with pytest.MonkeyPatch.context() as patch, api_server() as url:
        patch.setattr(function_app, "application", lambda: world.app)
        yield Served(url, (finished, open_run, failed, refused), preview)


KINDS: Final = [
    (name, mode)
    for name, (_, _, described) in sorted(operations().items())
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or described.get("parameters") or described.get("requestBody")
]
"""What takes neither parameters nor a body can't be called in an invalid way."""


def is_empty(value: object) -> bool:
    """Return whether a parameter is sent as an empty text, which the host drops."""
    return value in ("", None, [], {}, [""], [None])


def is_acceptable(case: Case, operation: str) -> bool:
    """Return whether a valid request has to succeed: `after` is taken from an answer, and a run may be unknown."""
    return not case.path_parameters and operation not in CONFLICTING and "after" not in (case.query or {})


@pytest.mark.parametrize(("operation", "mode"), KINDS, ids=lambda value: str(getattr(value, "value", value)))
def test_operation_answers_as_described(served: Served, operation: str, mode: GenerationMode) -> None:
    described = SCHEMA.find_operation_by_id(operation)
    run_ids = st.sampled_from(served.runs)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy(generation_mode=mode), known=st.none() | run_ids)
    def call(case: Case, known: str | None) -> None:
        checks: list[Any] = list(CHECKS)
        if mode is GenerationMode.NEGATIVE:
            assume(not any(is_empty(value) for value in (case.query or {}).values()))
        elif known is not None and case.path_parameters:
            named = {"run_id": known, "preview_id": served.preview}
            case.path_parameters = {name: named[name] for name in case.path_parameters}
        elif is_acceptable(case, operation):
            checks.append(positive_data_acceptance)
        case.call_and_validate(base_url=served.url, checks=checks, timeout=30)

    call()
