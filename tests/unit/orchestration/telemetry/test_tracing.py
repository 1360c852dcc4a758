"""Spans of function invocations and run phases."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

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
from orchestration.telemetry.azure_monitor import OpenTelemetrySpans
from orchestration.telemetry.tracing import run_attributes
from tests.support.host_call import INVOCATION, call
from tests.support.world import World, drain, message

HOST_TRACE, HOST_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{HOST_TRACE}-{HOST_SPAN}-00"
"""As Azure's host sends it: the last figure means "not recorded"."""


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(world: World, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with an app that creates spans, which the functions use as well."""
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = replace(world.app, spans=OpenTelemetrySpans(provider.get_tracer("impasto")))
    monkeypatch.setattr(function_app, "application", lambda: app)
    yield World(app)
    provider.shutdown()


class Stream:
    """A trigger blob as the host binds it."""

    def __init__(self, blob: str) -> None:
        self.name = f"{paths.TRIGGERS}/{blob}"


def ended_spans(exporter: InMemorySpanExporter) -> list[tuple[str, object]]:
    """Return name and batch of each ended span, in the order of their ends."""
    return [(span.name, (span.attributes or {}).get("impasto.batch")) for span in exporter.get_finished_spans()]


def parents(spans: Sequence[ReadableSpan]) -> dict[str, str]:
    """Return span name → name of its parent; "host" is the host's span."""
    by_id = {span.context.span_id: span.name for span in spans if span.context} | {int(HOST_SPAN, 16): "host"}
    return {span.name: by_id[span.parent.span_id] for span in spans if span.parent}


def deliver(queue: str, text: str) -> None:
    call(queue, func.QueueMessage(body=text.encode()), traceparent=TRACEPARENT)


def test_all_spans_of_a_run_share_its_id(traced: World, exporter: InMemorySpanExporter) -> None:
    traced.upload_frames("clip", 4)
    call("start_run", Stream(traced.upload_trigger("clip")), traceparent=TRACEPARENT)
    (mark,) = traced.storage.runs.list("open/")
    run_id = mark.name.removeprefix("open/")
    for text in sorted(drain(traced.storage.frame_batches)):
        deliver("submit_batch", text)
    traced.score(run_id)
    for text in sorted(drain(traced.storage.finished_batches)):
        deliver("finish_batch", text)
    assert traced.status(run_id) == "finished"

    spans = exporter.get_finished_spans()
    assert ended_spans(exporter) == [
        ("plan", None),
        ("queue", None),
        ("start_run", None),
        ("submit_batch", 0),
        ("finish_batch", 0),
        ("join", None),
        ("finish_batch", 1),
    ]
    for span in spans:
        attributes = span.attributes or {}
        assert attributes["impasto.correlation_id"] == attributes["impasto.run_id"] == run_id
        assert span.kind is SpanKind.INTERNAL
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == HOST_TRACE
    assert parents(spans) == {
        "plan": "start_run", "queue": "start_run", "join": "finish_batch",
        "start_run": "host", "submit_batch": "host", "finish_batch": "host",
    }  # fmt: skip
    assert {(span.attributes or {}).get("faas.invocation_id") for span in spans if span.name == "start_run"} == {
        INVOCATION
    }


def test_split_has_its_own_span(traced: World, exporter: InMemorySpanExporter) -> None:
    call("start_run", Stream(traced.upload_video()))
    assert [name for name, _ in ended_spans(exporter)] == ["split", "start_run"]
    for text in drain(traced.storage.frame_batches):
        deliver("submit_batch", text)
    assert ended_spans(exporter)[-1] == ("submit_batch", "split")


def test_invocation_without_parent_starts_a_trace(traced: World, exporter: InMemorySpanExporter) -> None:
    request = func.HttpRequest(method="GET", url="/api/runs", body=b"")
    call("list_runs", request, traceparent="invalid")
    with traced.app.spans.phase("join", "clip-0123456789"):  # the open span of another invocation in this thread
        call("list_runs", request)
    first, second, _ = exporter.get_finished_spans()
    assert (first.parent, second.parent) == (None, None)
    assert first.context is not None
    assert second.context is not None
    assert first.context.trace_id != second.context.trace_id


def test_invalid_run_id_is_not_recorded(traced: World, exporter: InMemorySpanExporter) -> None:
    deliver("submit_batch", '{"v": 1, "run_id": "../../x", "batch": 0}')
    deliver("finish_batch", "\x00 not ours")
    request = func.HttpRequest(method="GET", url="/api/runs/x", route_params={"run_id": "x" * 9000}, body=b"")
    call("get_run", request)
    call("sweep", None)
    assert [span.name for span in exporter.get_finished_spans()] == ["submit_batch", "finish_batch", "get_run", "sweep"]
    assert all(set(span.attributes or {}) == {"faas.invocation_id"} for span in exporter.get_finished_spans())


def test_http_and_sweep_spans_name_their_run(traced: World, exporter: InMemorySpanExporter) -> None:
    run_id = traced.start("clip", 2)
    exporter.clear()
    traced.score(run_id, message=False)
    call("sweep", None)
    request = func.HttpRequest(method="GET", url="/api/runs/x", route_params={"run_id": run_id}, body=b"")
    call("get_run", request)
    annotate = {span.name: dict(span.attributes or {}).get("impasto.run_id") for span in exporter.get_finished_spans()}
    assert annotate == {"join": run_id, "sweep": None, "get_run": run_id}


def test_failed_invocation_marks_span_as_error(
    traced: World, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TemporaryError("Batch is busy", "Try again")

    run_id = traced.start("clip", 2)
    exporter.clear()
    monkeypatch.setattr(type(traced.app.batch), "ensure_job", refuse)
    with pytest.raises(TemporaryError):
        deliver("submit_batch", message(run_id, 0))
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (
        StatusCode.ERROR, "TemporaryError: Batch is busy. Try again."
    )  # fmt: skip
    assert span.events == ()
    assert (span.attributes or {})["impasto.batch"] == 0


@pytest.mark.parametrize("text", ["", "x", "clip-01234567890", "clip-0123456789\n", "Clip-0123456789"])
def test_run_attributes_ignore_invalid_id(text: str) -> None:
    assert run_attributes(text, 3) == {}


def test_run_attributes_have_optional_batch() -> None:
    assert run_attributes("clip-0123456789") == {
        "impasto.correlation_id": "clip-0123456789", "impasto.run_id": "clip-0123456789"
    }  # fmt: skip
    assert run_attributes("clip-0123456789", 0)["impasto.batch"] == 0
