"""Metrics and log lines of a run."""

import json
import logging
from dataclasses import dataclass, field, replace

import pytest

from frame_tools.contracts import paths
from frame_tools.telemetry import logs
from frame_tools.telemetry.metrics import (
    FRAME_SECONDS,
    FRAMES_DONE,
    QUEUE_AGE,
    RUN_COST,
    TASK_RETRIES,
    Metric,
)
from orchestration.handlers.sweep import sweep
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World


@dataclass
class RecordedMetrics:
    """Metric values in memory."""

    values: list[tuple[str, float, dict[str, str]]] = field(default_factory=list)

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        self.values.append((metric.name, value, attributes))

    def of(self, metric: Metric) -> list[float]:
        return [value for name, value, _ in self.values if name == metric.name]


def test_run_records_its_metrics(world: World) -> None:
    recorded = RecordedMetrics()
    world = World(replace(world.changed(prices='{"vm_hour_usd": {"local": 1}}').app, metrics=recorded))
    run_id = world.start("clip")
    sweep(world.app)
    assert world.finish(run_id) == "finished"
    assert sum(recorded.of(FRAMES_DONE)) == 6
    (seconds,), (usd,) = recorded.of(FRAME_SECONDS), recorded.of(RUN_COST)
    assert seconds > 0
    assert usd == world.report(run_id)["cost"]["usd"]["total"]
    assert {a["queue"] for n, _, a in recorded.values if n == QUEUE_AGE.name} == {
        paths.FRAME_BATCHES,
        paths.FINISHED_BATCHES,
    }


def test_retried_task_is_counted(world: World, cloud: InMemoryCloud) -> None:
    recorded = RecordedMetrics()
    world = World(replace(world.app, metrics=recorded))
    run_id = world.start("clip", 2)
    world.deliver_messages()
    cloud.jobs.end_step(run_id, 0, exit_code=7)
    sweep(world.app)
    assert recorded.of(TASK_RETRIES) == [1]


def test_log_lines_of_a_run_carry_its_id(world: World, caplog: pytest.LogCaptureFixture) -> None:
    lines: list[dict[str, object]] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(self.format(record)))

    collect = Collect()
    collect.setFormatter(logs.JsonFormatter())
    logging.getLogger("orchestration").addHandler(collect)
    try:
        with caplog.at_level(logging.INFO):
            run_id = world.start("clip")
            world.finish(run_id)
    finally:
        logging.getLogger("orchestration").removeHandler(collect)
    of_run = [line for line in lines if run_id in str(line["message"])]
    assert len(of_run) > 5
    assert {line.get("correlation_id") for line in of_run} == {run_id}
