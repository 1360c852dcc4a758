"""Figures and log lines: where they go, and that each carries the run's id."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from frame_tools.contracts import paths
from frame_tools.storage.mode import STORAGE_MODE
from frame_tools.telemetry import logs
from frame_tools.telemetry.metrics import (
    FRAME_SECONDS,
    FRAMES_DONE,
    QUEUE_AGE,
    RUN_COST,
    TASK_RETRIES,
    LogMetrics,
    Metric,
)
from orchestration.azure_batch.task_spec import task_spec
from orchestration.handlers.sweep import sweep
from orchestration.telemetry.azure_monitor import telemetry_from
from tests.infra.deployments import deployment
from tests.orchestration.conftest import Nodes
from tests.support.waiting import until
from tests.support.world import World, message

ROOT = Path(__file__).resolve().parents[2]
SEND = """
import os, sys
from opentelemetry.metrics import get_meter_provider
from frame_tools.telemetry import metrics as m
from orchestration.telemetry.azure_monitor import telemetry_from

where = telemetry_from({"APPLICATIONINSIGHTS_CONNECTION_STRING": sys.argv[1]}).metrics
where.record(m.FRAMES_DONE, 48)
where.record(m.FRAMES_DONE, 2)
where.record(m.QUEUE_AGE, 3.5, queue="frame-batches")
where.record(m.RUN_COST, 0.25, status="finished")
get_meter_provider().force_flush()
os._exit(0)  # what the exporter would still say at the end is not asked for
"""


@dataclass
class Recorded:
    """Metrics that a test looks at."""

    values: list[tuple[str, float, dict[str, str]]] = field(default_factory=list)

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        self.values.append((metric.name, value, attributes))

    def of(self, metric: Metric) -> list[float]:
        return [value for name, value, _ in self.values if name == metric.name]


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """What Application Insights' ingestion endpoint is to the exporter."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(body)
            count = len(json.loads(body))
            answer = json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", received
    server.shutdown()
    thread.join()
    server.server_close()


# Where figures go.


def test_with_a_connection_string_figures_go_to_application_insights(collector: tuple[str, list[bytes]]) -> None:
    url, received = collector
    connection = f"InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint={url}"
    environ = os.environ | {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true"}
    done = subprocess.run(
        [sys.executable, "-c", SEND, connection], cwd=ROOT, env=environ, check=False, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = [one["data"]["baseData"] for body in received for one in json.loads(body)]
    told = {one["metrics"][0]["name"]: (one["metrics"][0]["value"], one["properties"]) for one in found}
    assert told == {
        "impasto.frames_done": (50, {}),
        "impasto.queue_age": (3.5, {"queue": "frame-batches"}),
        "impasto.run_cost": (0.25, {"status": "finished"}),
    }


def test_without_one_nothing_of_it_is_imported_and_figures_are_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    code = "import sys, orchestration.app\nassert not any('opentelemetry' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    metrics = telemetry_from({}).metrics
    assert isinstance(metrics, LogMetrics)
    with caplog.at_level(logging.INFO):
        metrics.record(QUEUE_AGE, 3.5, queue="frame-batches")
    (line,) = (json.loads(logs.JsonLines().format(record)) for record in caplog.records)
    assert (line["metric"], line["value"], line["unit"], line["queue"]) == (QUEUE_AGE.name, 3.5, "s", "frame-batches")


def test_a_run_tells_its_figures(world: World) -> None:
    seen = Recorded()
    world = World(replace(world.changed(prices='{"vm_hour_usd": {"local": 1}}').app, metrics=seen))
    run_id = world.start("clip")
    sweep(world.app)
    assert world.finish(run_id) == "finished"
    assert sum(seen.of(FRAMES_DONE)) == 6
    (seconds,), (usd,) = seen.of(FRAME_SECONDS), seen.of(RUN_COST)
    assert seconds > 0
    assert usd == world.report(run_id)["cost"]["usd"]["total"]
    assert {a["queue"] for n, _, a in seen.values if n == QUEUE_AGE.name} == {
        paths.FRAME_BATCHES,
        paths.FINISHED_BATCHES,
    }


def test_a_task_that_is_tried_once_more_is_counted(busy_world: World, nodes: Nodes) -> None:
    seen = Recorded()
    world = World(replace(busy_world.changed(sweep_grace_seconds=0).app, metrics=seen))
    run_id = world.start("clip", 2)
    nodes.let_end(run_id, 7)
    world.pump()
    until(lambda: all(not task.alive for task in world.tasks(run_id).values()), "the task has failed")
    sweep(world.app)
    assert seen.of(TASK_RETRIES) == [1]


def test_the_age_of_a_queue_is_that_of_its_oldest_message(world: World) -> None:
    queue = world.storage.frame_batches
    assert queue.age_of_oldest().total_seconds() == 0
    run_id = world.start("clip")
    until(lambda: queue.age_of_oldest().total_seconds() >= 1, "the first message is a second old")
    assert queue.oldest()[0] in {message(run_id, batch) for batch in range(3)}  # they are sent side by side


def test_the_alert_for_failed_runs_finds_the_line_of_one(
    busy_world: World, nodes: Nodes, caplog: pytest.LogCaptureFixture
) -> None:
    (alert,) = (one for one in deployment("main") if str(one.name).endswith("-run-failed"))
    (criterion,) = alert.get("properties", "criteria", "allOf")
    pattern = re.search(r'matches regex @"(.+)"', criterion["query"])
    assert pattern is not None
    world = busy_world.changed(sweep_grace_seconds=0, sweep_retries=0)
    run_id = world.start("clip", 2)
    nodes.let_end(run_id, 7)
    world.pump()
    until(lambda: all(not task.alive for task in world.tasks(run_id).values()), "the task has failed")
    with caplog.at_level(logging.INFO):
        sweep(world.app)
    assert world.status(run_id) == "failed"
    lines = [logs.JsonLines().format(record) for record in caplog.records]
    (found,) = (json.loads(line) for line in lines if re.search(pattern[1], line))
    assert (found["level"], run_id in found["message"]) == ("ERROR", True)


# Log lines.


def test_every_line_about_a_run_carries_its_id(world: World, caplog: pytest.LogCaptureFixture) -> None:
    lines: list[dict[str, object]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(self.format(record)))

    keep = Keep()
    keep.setFormatter(logs.JsonLines())
    logging.getLogger("orchestration").addHandler(keep)
    try:
        with caplog.at_level(logging.INFO):
            run_id = world.start("clip")
            world.finish(run_id)
    finally:
        logging.getLogger("orchestration").removeHandler(keep)
    about = [line for line in lines if run_id in str(line["message"])]
    assert len(about) > 5
    assert {line.get("correlation_id") for line in about} == {run_id}


def test_the_id_goes_with_the_task_and_ends_with_the_work(world: World) -> None:
    spec = task_spec(
        "clip-0123456789", 3, attempt=1, image="stub:1", settings=world.app.settings, environment={"A": "b"}
    )
    assert spec.environment == {"A": "b", logs.CORRELATION_ID: "clip-0123456789", "STORAGE_MODE": "sdk"}
    mounting = world.changed(storage_mode="mount").app.settings
    assert (
        task_spec("clip-0123456789", 3, attempt=1, image="stub:1", settings=mounting, environment={}).environment[
            STORAGE_MODE
        ]
        == "mount"
    )

    @logs.with_run_context
    def work(_: object, run_id: str) -> str:
        return line_of("here")["correlation_id"]

    assert work(None, "clip-0123456789") == "clip-0123456789"
    assert "correlation_id" not in line_of("after")


def line_of(text: str, name: str = "orchestration.x", **extra: object) -> dict[str, str]:
    record = logging.LogRecord(name, logging.INFO, __file__, 1, text, None, None)
    record.__dict__.update(extra)
    return json.loads(logs.JsonLines({"step": 3}).format(record))


def test_a_line_is_one_json_object_whatever_is_said() -> None:
    line = line_of('two\nlines "and" marks', fields={"step": 4, "value": 1.5, "odd": {1}})
    assert (line["message"], line["step"], line["value"], line["odd"]) == ('two\nlines "and" marks', 4, 1.5, "{1}")
    try:
        int("broken")
    except ValueError:
        record = logging.LogRecord("orchestration", logging.ERROR, __file__, 1, "x", None, sys.exc_info())
    text = logs.JsonLines().format(record)
    assert "\n" not in text
    assert "ValueError: invalid literal" in json.loads(text)["trace"]


def test_only_our_lines_change_their_form_on_the_hosts_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter("plain %(message)s"))
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler])
    logs.configure_host_logging()
    logs.configure_host_logging()
    ours, theirs = (logging.LogRecord(n, 20, "", 1, "hello", None, None) for n in ("frame_tools.x", "azure.core"))
    assert json.loads(handler.format(ours))["message"] == "hello"
    assert handler.format(theirs) == "plain hello"


def test_a_tasks_lines_carry_run_and_step() -> None:
    code = (
        "import logging, sys\nfrom frame_tools.telemetry import logs\n"
        "logs.configure_task_logging(sys.stdout, correlation_id='clip-0123456789', step=3)\n"
        "logging.getLogger('scoring').info('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=60)
    line = json.loads(done.stdout)
    assert (line["message"], line["correlation_id"], line["step"]) == ("done", "clip-0123456789", 3)
