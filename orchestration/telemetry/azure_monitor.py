"""Export of metrics and spans to Application Insights through OpenTelemetry, if a connection string is set.

Without a connection string, metrics become log lines and no spans are created. Log records and exceptions are never
exported from here: the Functions host already sends each of them, and a second copy would be billed. Spans of single
storage calls are not exported for the same reason. The host also sends one request per function invocation; our span of
the same invocation is a child of it with kind "internal", so it is not a second request, and adds what the host cannot
know: the run.
https://learn.microsoft.com/azure/azure-monitor/app/opentelemetry-configuration
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, assert_never

from frame_tools.storage.accounts import Account
from frame_tools.telemetry.metrics import LogMetrics, Metric, Metrics
from orchestration.telemetry.tracing import PHASES, Invocation, NoOpSpans, Span, Spans, run_attributes

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Span as OpenTelemetrySpan
    from opentelemetry.trace import Tracer

CONNECTION_STRING: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
AUTHENTICATION: Final = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"
_NAME: Final = "impasto"
_UNUSED_LOGGER: Final = "impasto.sent_by_the_host"
"""The distribution exports the records of one logger; nothing logs to this one."""
_INSTRUMENTATIONS: Final = (
    "azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests", "urllib", "urllib3"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """The destinations of metrics and spans."""

    metrics: Metrics = field(default_factory=LogMetrics)
    spans: Spans = field(default_factory=NoOpSpans)


class OpenTelemetryMetrics:
    """Metrics as instruments of an OpenTelemetry meter."""

    def __init__(self, meter: "Meter") -> None:
        self._meter = meter
        self._instruments: dict[str, Any] = {}
        self._lock = Lock()

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """Add to the counter, set the gauge, or record the value in the histogram."""
        instrument = self._instrument(metric)
        match metric.kind:
            case "counter":
                instrument.add(value, attributes)
            case "gauge":
                instrument.set(value, attributes)
            case "histogram":
                instrument.record(value, attributes)
            case _:
                assert_never(metric.kind)

    def _instrument(self, metric: Metric) -> Any:
        with self._lock:
            if metric.name not in self._instruments:
                create = getattr(self._meter, f"create_{metric.kind}")
                self._instruments[metric.name] = create(metric.name, unit=metric.unit, description=metric.meaning)
            return self._instruments[metric.name]


class OpenTelemetrySpans:
    """Spans of an OpenTelemetry tracer."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer

    @contextmanager
    def invocation(self, call: Invocation) -> Iterator[Span]:
        """Open the span of one function invocation, as a child of the host's span."""
        attributes = {"faas.invocation_id": call.invocation_id}
        with self._span(call.function, attributes, parent=_context_of(call)) as span:
            yield _OpenSpan(span)

    @contextmanager
    def phase(self, action: str, run_id: str) -> Iterator[object]:
        """Open the span of one action on a run, as a child of the current invocation."""
        if action not in PHASES:
            yield None
            return
        with self._span(action, run_attributes(run_id)) as span:
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
    """An open span that handlers can annotate."""

    def __init__(self, span: "OpenTelemetrySpan") -> None:
        self._span = span

    def annotate(self, run_id: str, batch: int | str | None = None) -> None:
        """Attach the run to the span."""
        self._span.set_attributes(run_attributes(run_id, batch))


def telemetry_from(environ: Mapping[str, str]) -> Telemetry:
    """Return the destinations. With a connection string this configures OpenTelemetry globally, so call it once."""
    connection_string = environ.get(CONNECTION_STRING)
    if not connection_string:
        return Telemetry()
    # Imported late: the imports take half a second and local runs do not need them.
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
        # The default sampler drops spans whose parent is marked as not recorded, which may hold for every host span.
        sampling_ratio=1.0,
        instrumentation_options={name: {"enabled": False} for name in _INSTRUMENTATIONS},
    )
    return Telemetry(metrics=OpenTelemetryMetrics(get_meter(_NAME)), spans=OpenTelemetrySpans(get_tracer(_NAME)))


def _context_of(call: Invocation) -> "Context":
    """Return a context with the host's span as parent, or an empty one; never the context of the current thread."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {"traceparent": call.traceparent, "tracestate": call.tracestate}
    return TraceContextTextMapPropagator().extract(carrier, context=Context())


def _credential(text: str) -> Any:
    """Return the credential of "ClientId=…;Authorization=AAD", or None: the connection string is then sufficient."""
    parts = dict(part.partition("=")[::2] for part in text.split(";") if part)
    if parts.get("Authorization") != "AAD":
        return None
    return Account(setting=AUTHENTICATION, client_id=parts.get("ClientId")).credential()
