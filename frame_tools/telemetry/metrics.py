"""The figures that are watched, each with unit and meaning; they go to the log when nothing better is set up."""

import logging
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from frame_tools.telemetry.logs import fields

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure. A counter adds up, a gauge is the value now, a histogram is one of many like it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    """As UCUM writes it: https://ucum.org/ucum"""
    meaning: str


FRAMES_DONE: Final = Metric(
    name="impasto.frames_done",
    kind="counter",
    unit="{frame}",
    meaning="Frames of batches that said they are done; a message that came twice counts twice",
)
FRAME_SECONDS: Final = Metric(
    name="impasto.frame_seconds",
    kind="histogram",
    unit="s",
    meaning="Seconds that a task needs for a frame once it has started, mean of a run, told when it ends",
)
QUEUE_AGE: Final = Metric(
    name="impasto.queue_age", kind="gauge", unit="s", meaning="Age of the oldest visible message of a queue"
)
TASK_RETRIES: Final = Metric(
    name="impasto.task_retries",
    kind="counter",
    unit="{task}",
    meaning="Tasks that the sweep placed once more after they had failed for good",
)
RUN_COST: Final = Metric(
    name="impasto.run_cost", kind="histogram", unit="USD", meaning="What a run that ended has cost, by the price table"
)


class Metrics(Protocol):
    """Takes figures and brings them to where they are looked at."""

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """Take one value; attributes are few and of few values (a queue's name), never a run's id."""


class LogMetrics:
    """One log line for each value."""

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        """Log the value, with name and unit as fields of their own."""
        log.info(
            "%s = %g %s",
            metric.name,
            value,
            metric.unit,
            extra=fields(metric=metric.name, value=value, unit=metric.unit, **attributes),
        )
