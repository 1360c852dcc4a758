"""Log lines: one JSON object each, with the run id."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from frame_tools.telemetry import logs

ROOT = Path(__file__).resolve().parents[4]


def line_of(text: str, name: str = "orchestration.x", **extra: object) -> dict[str, Any]:
    record = logging.LogRecord(name, logging.INFO, __file__, 1, text, None, None)
    record.__dict__.update(extra)
    return json.loads(logs.JsonFormatter({"step": 3}).format(record))


def test_line_is_one_json_object() -> None:
    line = line_of('two\nlines "and" marks', fields={"step": 4, "value": 1.5, "odd": {1}})
    assert (line["message"], line["step"], line["value"], line["odd"]) == ('two\nlines "and" marks', 4, 1.5, "{1}")
    try:
        int("broken")
    except ValueError:
        record = logging.LogRecord("orchestration", logging.ERROR, __file__, 1, "x", None, sys.exc_info())
    text = logs.JsonFormatter().format(record)
    assert "\n" not in text
    assert "ValueError: invalid literal" in json.loads(text)["trace"]


def test_host_formatter_changes_our_records_only(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter("plain %(message)s"))
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler])
    logs.configure_host_logging()
    logs.configure_host_logging()
    ours, theirs = (logging.LogRecord(n, 20, "", 1, "hello", None, None) for n in ("frame_tools.x", "azure.core"))
    assert json.loads(handler.format(ours))["message"] == "hello"
    assert handler.format(theirs) == "plain hello"


def test_host_logging_silences_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("azure"), "level", logging.INFO)
    logs.configure_host_logging()
    assert logging.getLogger("azure").level == logging.WARNING


def test_task_lines_carry_run_and_step() -> None:
    code = (
        "import logging, sys\nfrom frame_tools.telemetry import logs\n"
        "logs.configure_task_logging(sys.stdout, correlation_id='clip-0123456789', step=3)\n"
        "logging.getLogger('scoring').info('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=60)
    line = json.loads(done.stdout)
    assert (line["message"], line["correlation_id"], line["step"]) == ("done", "clip-0123456789", 3)


def test_run_id_is_logged_within_the_run_context_only() -> None:
    @logs.with_run_context
    def work(_: object, run_id: str) -> str:
        return line_of("here")["correlation_id"]

    assert work(None, "clip-0123456789") == "clip-0123456789"
    assert "correlation_id" not in line_of("after")


@pytest.mark.parametrize(
    "configure", ["configure_host_logging()", "configure_task_logging(sys.stdout, correlation_id='r', step=3)"]
)
def test_sdk_requests_are_not_logged_and_its_warnings_are(configure: str) -> None:
    """The real host sets the root logger to INFO, where each storage request logged two lines."""
    code = (
        "import logging, sys\nfrom frame_tools.telemetry import logs\n"
        "if 'host' in sys.argv[1]: logging.basicConfig(level=logging.INFO, stream=sys.stdout)\n"
        f"logs.{configure}\n"
        "sdk = logging.getLogger('azure.core.pipeline.policies.http_logging_policy')\n"
        "sdk.info('Request URL: x')\nsdk.warning('throttled')\nlogging.getLogger('orchestration').info('own')"
    )
    command = [sys.executable, "-c", code, configure]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    assert "Request URL" not in done.stdout
    assert ["throttled" in line or "own" in line for line in done.stdout.splitlines()] == [True, True]
