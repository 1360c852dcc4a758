"""Export of metrics to Application Insights."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from frame_tools.telemetry import logs
from frame_tools.telemetry.metrics import QUEUE_AGE, LogMetrics
from orchestration.telemetry.azure_monitor import telemetry_from

ROOT = Path(__file__).resolve().parents[4]
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
os._exit(0)  # without the exporter's own output at exit
"""


def test_metrics_are_exported_with_connection_string(collector: tuple[str, list[bytes]]) -> None:
    url, received = collector
    connection = f"InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint={url}"
    environ = os.environ | {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true"}
    done = subprocess.run(
        [sys.executable, "-c", SEND, connection], cwd=ROOT, env=environ, check=False, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    sent = [item["data"]["baseData"] for body in received for item in json.loads(body)]
    values = {item["metrics"][0]["name"]: (item["metrics"][0]["value"], item["properties"]) for item in sent}
    assert values == {
        "impasto.frames_done": (50, {}),
        "impasto.queue_age": (3.5, {"queue": "frame-batches"}),
        "impasto.run_cost": (0.25, {"status": "finished"}),
    }


def test_metrics_are_log_lines_without_connection_string(caplog: pytest.LogCaptureFixture) -> None:
    code = "import sys, orchestration.app\nassert not any('opentelemetry' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    metrics = telemetry_from({}).metrics
    assert isinstance(metrics, LogMetrics)
    with caplog.at_level(logging.INFO):
        metrics.record(QUEUE_AGE, 3.5, queue="frame-batches")
    (line,) = (json.loads(logs.JsonFormatter().format(record)) for record in caplog.records)
    assert (line["metric"], line["value"], line["unit"], line["queue"]) == (QUEUE_AGE.name, 3.5, "s", "frame-batches")
