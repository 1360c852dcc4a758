"""Where the app's figures go: to Application Insights by OpenTelemetry if a connection string is set, else to the log.

Only metrics travel this way. Log lines do not: Azure's host already sends each of them, and a second copy would be paid
for. Nor do spans of every storage call, for the same reason.
https://learn.microsoft.com/azure/azure-monitor/app/opentelemetry-configuration
"""

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from frame_tools.accounts import Account
from frame_tools.metrics import LogMetrics, Metric, Metrics

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

CONNECTION_STRING: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
AUTHENTICATION: Final = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"
_UNUSED_LOGGER: Final = "impasto.sent_by_the_host"
"""The distribution exports the records of one logger; this one gets none."""
_INSTRUMENTATIONS: Final = (
    "azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests", "urllib", "urllib3"
)  # fmt: skip


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


def metrics_from(environ: Mapping[str, str]) -> Metrics:
    """Return where figures go; with a connection string this sets up the process's OpenTelemetry, so call it once."""
    connection_string = environ.get(CONNECTION_STRING)
    if not connection_string:
        return LogMetrics()
    # Half a second of imports, and a laptop needs none of them.
    from azure.monitor.opentelemetry import configure_azure_monitor
    from opentelemetry.metrics import get_meter

    configure_azure_monitor(
        connection_string=connection_string,
        credential=_credential(environ.get(AUTHENTICATION, "")),
        disable_offline_storage=True,
        enable_live_metrics=False,
        enable_performance_counters=False,
        logger_name=_UNUSED_LOGGER,
        instrumentation_options={name: {"enabled": False} for name in _INSTRUMENTATIONS},
    )
    return OpenTelemetryMetrics(get_meter("impasto"))


def _credential(text: str) -> Any:
    """Return the credential that "ClientId=…;Authorization=AAD" asks for, or None: the connection string is enough."""
    words = dict(part.partition("=")[::2] for part in text.split(";") if part)
    if words.get("Authorization") != "AAD":
        return None
    return Account(setting=AUTHENTICATION, client_id=words.get("ClientId")).credential()
