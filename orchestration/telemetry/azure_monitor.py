"""Where the app's figures and spans go: to Application Insights by OpenTelemetry if a connection string is set.

Without one, figures are log lines and spans are not made. Log lines and errors never travel this way: Azure's host
already sends each of them, and a second copy would be paid for. Neither do spans of every storage call, for the same
reason. The host also sends one request for each call of a function; our span of the same call is its child and of the
kind "internal", so it is no second request, and it says what the host can't know: which run it was about.
https://learn.microsoft.com/azure/azure-monitor/app/opentelemetry-configuration
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from frame_tools.storage.accounts import Account
from frame_tools.telemetry.metrics import LogMetrics, Metric, Metrics
from orchestration.telemetry.tracing import PHASES, Invocation, NoSpans, Span, Spans, attributes_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Span as OpenTelemetrySpan
    from opentelemetry.trace import Tracer

CONNECTION_STRING: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
AUTHENTICATION: Final = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"
_NAME: Final = "impasto"
_UNUSED_LOGGER: Final = "impasto.sent_by_the_host"
"""The distribution exports the records of one logger; this one gets none."""
_INSTRUMENTATIONS: Final = (
    "azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests", "urllib", "urllib3"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """Where figures and spans go."""

    metrics: Metrics = field(default_factory=LogMetrics)
    spans: Spans = field(default_factory=NoSpans)


class OpenTelemetryMetrics:
    """Values as instruments of an OpenTelemetry meter."""

    def __init__(self, meter: "Meter") -> None:
        self._meter = meter
        self._instruments: dict[str, Any] = {}
        self._making = Lock()

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """Add to the counter, set the gauge, or put the value into the histogram."""
        instrument = self._instrument(metric)
        match metric.kind:
            case "counter":
                instrument.add(value, attributes)
            case "gauge":
                instrument.set(value, attributes)
            case "histogram":
                instrument.record(value, attributes)

    def _instrument(self, metric: Metric) -> Any:
        with self._making:
            if metric.name not in self._instruments:
                make = getattr(self._meter, f"create_{metric.kind}")
                self._instruments[metric.name] = make(metric.name, unit=metric.unit, description=metric.meaning)
            return self._instruments[metric.name]


class OpenTelemetrySpans:
    """Spans of an OpenTelemetry tracer."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer

    @contextmanager
    def invocation(self, call: Invocation) -> Iterator[Span]:
        """Span one call of a function, as a child of the host's span."""
        attributes = {"faas.invocation_id": call.invocation_id}
        with self._span(call.function, attributes, parent=_context_of(call)) as span:
            yield _OpenSpan(span)

    @contextmanager
    def phase(self, verb: str, run_id: str) -> Iterator[object]:
        """Span one step of a run, as a child of the call that takes it."""
        if verb not in PHASES:
            yield None
            return
        with self._span(verb, attributes_of(run_id)) as span:
            yield span

    @contextmanager
    def _span(
        self, name: str, attributes: Mapping[str, int | str], *, parent: "Context | None" = None
    ) -> Iterator["OpenTelemetrySpan"]:
        with self._tracer.start_as_current_span(
            name, context=parent, attributes=dict(attributes), record_exception=False
        ) as span:
            yield span


class _OpenSpan:
    """What a handler may say to a span that is under way."""

    def __init__(self, span: "OpenTelemetrySpan") -> None:
        self._span = span

    def about(self, run_id: str, batch: int | str | None = None) -> None:
        """Say which run the call is about."""
        self._span.set_attributes(attributes_of(run_id, batch))


def telemetry_from(environ: Mapping[str, str]) -> Telemetry:
    """Return where all goes; with a connection string this sets up the process's OpenTelemetry, so call it once."""
    connection_string = environ.get(CONNECTION_STRING)
    if not connection_string:
        return Telemetry()
    # Half a second of imports, and a laptop needs none of them.
    from azure.monitor.opentelemetry import configure_azure_monitor
    from opentelemetry.metrics import get_meter
    from opentelemetry.trace import get_tracer

    configure_azure_monitor(
        connection_string=connection_string,
        credential=_credential(environ.get(AUTHENTICATION, "")),
        disable_offline_storage=True,
        enable_live_metrics=False,
        enable_performance_counters=False,
        logger_name=_UNUSED_LOGGER,
        # The usual sampler drops spans whose parent says that it was not recorded, and the host's may always say so.
        sampling_ratio=1.0,
        instrumentation_options={name: {"enabled": False} for name in _INSTRUMENTATIONS},
    )
    return Telemetry(metrics=OpenTelemetryMetrics(get_meter(_NAME)), spans=OpenTelemetrySpans(get_tracer(_NAME)))


def _context_of(call: Invocation) -> "Context":
    """Return the host's span as a parent; an empty context, whatever else is under way, if the host gave none."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {"traceparent": call.traceparent, "tracestate": call.tracestate}
    return TraceContextTextMapPropagator().extract(carrier, context=Context())


def _credential(text: str) -> Any:
    """Return the credential that "ClientId=…;Authorization=AAD" asks for, or None: the connection string is enough."""
    words = dict(part.partition("=")[::2] for part in text.split(";") if part)
    if words.get("Authorization") != "AAD":
        return None
    return Account(setting=AUTHENTICATION, client_id=words.get("ClientId")).credential()
