"""The metrics, each with its unit and meaning. Without Application Insights they are log lines."""

import logging
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from frame_tools.telemetry.logs import log_fields

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric: a counter is summed, a gauge is the current value, a histogram collects a distribution."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    """In UCUM notation: https://ucum.org/ucum"""
    meaning: str


FRAMES_DONE: Final = Metric(
    name="impasto.frames_done",
    kind="counter",
    unit="{frame}",
    meaning="Frames of batches reported as done; a message that is delivered twice counts twice",
)
FRAME_SECONDS: Final = Metric(
    name="impasto.frame_seconds",
    kind="histogram",
    unit="s",
    meaning="Seconds per frame of a task after its start-up: the mean of a run, recorded when the run ends",
)
QUEUE_AGE: Final = Metric(
    name="impasto.queue_age", kind="gauge", unit="s", meaning="Age of the oldest visible message of a queue"
)
TASK_RETRIES: Final = Metric(
    name="impasto.task_retries",
    kind="counter",
    unit="{task}",
    meaning="Tasks that the sweep submitted again after they had failed permanently",
)
RUN_COST: Final = Metric(
    name="impasto.run_cost",
    kind="histogram",
    unit="USD",
    meaning="Cost of a run, by the price table, recorded when the run ends",
)


class Metrics(Protocol):
    """A destination of metrics."""

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """Record one value. Attributes have few distinct values (a queue's name), never a run's id."""


class LogMetrics:
    """Metrics as log lines, one for each value."""

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """Log the value, with its name and unit as fields."""
        _log.info(
            "%s = %g %s",
            metric.name,
            value,
            metric.unit,
            extra=log_fields(metric=metric.name, value=value, unit=metric.unit, **attributes),
        )
