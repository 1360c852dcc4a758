"""The alert on failed runs selects the log line that the app writes when a run fails."""

import json
import logging
import re

import pytest

from frame_tools.contracts.receipt import Outcome
from frame_tools.telemetry.logs import JsonFormatter
from orchestration.runs.finalize import _log_outcome
from tests.infra.deployments import deployment


@pytest.mark.parametrize(("status", "selected"), [("failed", True), ("finished", False), ("refused", False)])
def test_failed_run_alert_selects_the_log_line(status: str, selected: bool, caplog: pytest.LogCaptureFixture) -> None:
    (alert,) = (item for item in deployment("main") if item.name.endswith("-run-failed"))
    query = alert.get("properties", "criteria", "allOf")[0]["query"]
    event = re.search(r'where event == "(\w+)"', query)
    assert event is not None
    outcome = Outcome.model_validate(
        {"run_id": "clip-1", "status": status, "reason": "no frame", "name": "clip", "ended_at": "2026-12-01T00:00:00Z"}
    )
    with caplog.at_level(logging.INFO):
        _log_outcome(outcome)
    (line,) = (json.loads(JsonFormatter().format(record)) for record in caplog.records)
    assert (line["event"] == event[1]) is selected
