"""Spans of calls and of a run's steps, by the real OpenTelemetry SDK: what they say, and that nothing is told twice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import azure.functions as func
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode

import function_app
from frame_tools.contracts import paths
from frame_tools.contracts.errors import TemporaryError
from orchestration.telemetry.azure_monitor import OpenTelemetrySpans, telemetry_from
from orchestration.telemetry.tracing import attributes_of
from tests.orchestration.test_telemetry import ROOT, collector  # noqa: F401 - a fixture
from tests.support.host_call import INVOCATION, call
from tests.support.world import World, message, take

HOSTS_TRACE, HOSTS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{HOSTS_TRACE}-{HOSTS_SPAN}-00"
"""What the host sends; its last figure says "not recorded", as the host of Azure does."""


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(world: World, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world with an app that makes spans, and the app's functions working on it."""
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    made = replace(world.app, spans=OpenTelemetrySpans(provider.get_tracer("impasto")))
    monkeypatch.setattr(function_app, "application", lambda: made)
    yield World(made)
    provider.shutdown()


class Stream:
    """A trigger blob as the host hands it over."""

    def __init__(self, blob: str) -> None:
        self.name = f"{paths.TRIGGERS}/{blob}"


def told(exporter: InMemorySpanExporter) -> list[tuple[str, object]]:
    """Name and batch of each span that has ended, in the order of their ends."""
    return [(span.name, (span.attributes or {}).get("impasto.batch")) for span in exporter.get_finished_spans()]


def parents(spans: Sequence[ReadableSpan]) -> dict[str, str]:
    """The name of each span's parent; "host" for the host's own."""
    by_id = {span.context.span_id: span.name for span in spans if span.context} | {int(HOSTS_SPAN, 16): "host"}
    return {span.name: by_id[span.parent.span_id] for span in spans if span.parent}


def assemble_output(queue: str, text: str) -> None:
    call(queue, func.QueueMessage(body=text.encode()), traceparent=TRACEPARENT)


def test_a_run_is_told_from_trigger_to_video_under_one_id(traced: World, exporter: InMemorySpanExporter) -> None:
    traced.put_frames("clip", 4)
    call("start_run", Stream(traced.put_trigger("clip")), traceparent=TRACEPARENT)
    (mark,) = traced.storage.runs.list("open/")
    run_id = mark.name.removeprefix("open/")
    for text in sorted(take(traced.storage.frame_batches)):
        assemble_output("submit_batch", text)
    traced.paint(run_id)
    for text in sorted(take(traced.storage.finished_batches)):
        assemble_output("finish_batch", text)
    assert traced.status(run_id) == "finished"

    spans = exporter.get_finished_spans()
    assert told(exporter) == [
        ("plan", None),
        ("queue", None),
        ("start_run", None),
        ("submit_batch", 0),
        ("submit_batch", 1),
        ("finish_batch", 0),
        ("join", None),
        ("finish_batch", 1),
    ]
    for span in spans:
        attributes = span.attributes or {}
        assert attributes["impasto.correlation_id"] == attributes["impasto.run_id"] == run_id
        assert span.kind is SpanKind.INTERNAL
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == HOSTS_TRACE
    assert parents(spans) == {
        "plan": "start_run", "queue": "start_run", "join": "finish_batch",
        "start_run": "host", "submit_batch": "host", "finish_batch": "host",
    }  # fmt: skip
    assert {(span.attributes or {}).get("faas.invocation_id") for span in spans if span.name == "start_run"} == {
        INVOCATION
    }


def test_a_video_to_be_split_has_its_own_step(traced: World, exporter: InMemorySpanExporter) -> None:
    call("start_run", Stream(traced.put_film()))
    assert [name for name, _ in told(exporter)] == ["split", "start_run"]
    for text in take(traced.storage.frame_batches):
        assemble_output("submit_batch", text)
    assert told(exporter)[-1] == ("submit_batch", "split")


def test_without_the_hosts_span_a_call_begins_a_trace_of_its_own(traced: World, exporter: InMemorySpanExporter) -> None:
    request = func.HttpRequest(method="GET", url="/api/runs", body=b"")
    call("list_runs", request, traceparent="not one")
    with traced.app.spans.phase("join", "clip-0123456789"):  # of another call, left open in this thread
        call("list_runs", request)
    first, second, _ = exporter.get_finished_spans()
    assert (first.parent, second.parent) == (None, None)
    assert first.context is not None
    assert second.context is not None
    assert first.context.trace_id != second.context.trace_id


def test_a_call_about_no_run_of_ours_says_none(traced: World, exporter: InMemorySpanExporter) -> None:
    assemble_output("submit_batch", '{"v": 1, "run_id": "../../x", "batch": 0}')
    assemble_output("finish_batch", "\x00 not ours")
    request = func.HttpRequest(method="GET", url="/api/runs/x", route_params={"run_id": "x" * 9000}, body=b"")
    call("get_run", request)
    call("sweep", None)
    assert [span.name for span in exporter.get_finished_spans()] == ["submit_batch", "finish_batch", "get_run", "sweep"]
    assert all(set(span.attributes or {}) == {"faas.invocation_id"} for span in exporter.get_finished_spans())


def test_http_calls_and_sweeps_name_their_run(traced: World, exporter: InMemorySpanExporter) -> None:
    run_id = traced.start("clip", 2)
    exporter.clear()
    traced.paint(run_id, message=False)
    call("sweep", None)
    request = func.HttpRequest(method="GET", url="/api/runs/x", route_params={"run_id": run_id}, body=b"")
    call("get_run", request)
    about = {span.name: dict(span.attributes or {}).get("impasto.run_id") for span in exporter.get_finished_spans()}
    assert about == {"join": run_id, "sweep": None, "get_run": run_id}


def test_a_failed_step_and_its_call_are_told_as_failed_and_the_error_is_left_to_the_host(
    traced: World, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TemporaryError("Batch is busy", "Try again")

    run_id = traced.start("clip", 2)
    exporter.clear()
    monkeypatch.setattr(type(traced.app.batch), "ensure_job", refuse)
    with pytest.raises(TemporaryError):
        assemble_output("submit_batch", message(run_id, 0))
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (
        StatusCode.ERROR, "TemporaryError: Batch is busy. Try again."
    )  # fmt: skip
    assert span.events == ()
    assert (span.attributes or {})["impasto.batch"] == 0


@pytest.mark.parametrize("text", ["", "x", "clip-01234567890", "clip-0123456789\n", "Clip-0123456789"])
def test_what_is_no_runs_id_is_no_attribute(text: str) -> None:
    assert attributes_of(text, 3) == {}


def test_a_step_of_no_batch_has_no_batch() -> None:
    assert attributes_of("clip-0123456789") == {
        "impasto.correlation_id": "clip-0123456789", "impasto.run_id": "clip-0123456789"
    }  # fmt: skip
    assert attributes_of("clip-0123456789", 0)["impasto.batch"] == 0


# What leaves the process.

SEND = """
import os, sys
import requests
from opentelemetry.trace import get_tracer_provider
from orchestration.telemetry.tracing import Invocation
from orchestration.telemetry.azure_monitor import telemetry_from

spans = telemetry_from({"APPLICATIONINSIGHTS_CONNECTION_STRING": sys.argv[1]}).spans
for _ in range(30):
    with spans.invocation(Invocation(function="start_run", invocation_id="i", traceparent=sys.argv[2])) as span:
        span.about("clip-0123456789")
        with spans.phase("plan", "clip-0123456789"):
            requests.get(sys.argv[3])  # any call that the instrumentations left off would tell of
        with spans.phase("wait", "clip-0123456789"):
            pass
get_tracer_provider().force_flush()
os._exit(0)  # what the exporter would still say at the end is not asked for
"""


def is_of_the_exporter(data: dict[str, Any]) -> bool:
    """Whether a line is the one of each delivery that names process and machine."""
    return [metric["name"] for metric in data.get("metrics", [])] == ["_OTELRESOURCE_"]


def test_all_spans_reach_application_insights_as_children_of_the_hosts_request_and_nothing_else_does(
    collector: tuple[str, list[bytes]],  # noqa: F811
) -> None:
    url, received = collector
    connection = f"InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint={url}"
    environ = os.environ | {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true"}
    command = [sys.executable, "-c", SEND, connection, TRACEPARENT, url]
    done = subprocess.run(command, cwd=ROOT, env=environ, check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    sent = [one for body in received for one in json.loads(body)]
    lines = [one for one in sent if not is_of_the_exporter(one["data"]["baseData"])]
    assert {one["data"]["baseType"] for one in lines} == {"RemoteDependencyData"}
    assert {one["tags"]["ai.operation.id"] for one in lines} == {HOSTS_TRACE}
    assert sorted(one["data"]["baseData"]["name"] for one in lines) == ["plan"] * 30 + ["start_run"] * 30
    assert {one["data"]["baseData"]["type"] for one in lines} == {"InProc"}
    calls = [one for one in lines if one["data"]["baseData"]["name"] == "start_run"]
    assert {one["tags"]["ai.operation.parentId"] for one in calls} == {HOSTS_SPAN}
    assert {one["data"]["baseData"]["properties"]["impasto.run_id"] for one in lines} == {"clip-0123456789"}


def test_without_a_connection_string_no_span_is_made() -> None:
    spans = telemetry_from({}).spans
    with spans.phase("plan", "clip-0123456789"):
        pass
    code = (
        "import sys, function_app, orchestration.telemetry.azure_monitor as t\n"
        "from orchestration.telemetry.tracing import Invocation\n"
        "with t.telemetry_from({}).spans.invocation(Invocation(function='f', invocation_id='i')) as span:\n"
        "    span.about('clip-0123456789')\n"
        "assert not any('opentelemetry' in name for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
