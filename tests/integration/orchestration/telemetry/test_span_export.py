"""Export of spans to Application Insights."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from orchestration.telemetry.azure_monitor import telemetry_from

ROOT = Path(__file__).resolve().parents[4]
HOST_TRACE, HOST_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{HOST_TRACE}-{HOST_SPAN}-00"
"""As Azure's host sends it: the last figure means "not recorded"."""
SEND = """
import os, sys
import requests
from opentelemetry.trace import get_tracer_provider
from orchestration.telemetry.tracing import Invocation
from orchestration.telemetry.azure_monitor import telemetry_from

spans = telemetry_from({"APPLICATIONINSIGHTS_CONNECTION_STRING": sys.argv[1]}).spans
for _ in range(30):
    with spans.invocation(Invocation(function="start_run", invocation_id="i", traceparent=sys.argv[2])) as span:
        span.annotate("clip-0123456789")
        with spans.phase("plan", "clip-0123456789"):
            requests.get(sys.argv[3])  # a call that a disabled instrumentation would trace
        with spans.phase("wait", "clip-0123456789"):
            pass
get_tracer_provider().force_flush()
os._exit(0)  # without the exporter's own output at exit
"""


def is_exporter_metadata(data: dict[str, Any]) -> bool:
    """Return whether an item is the one per delivery that describes process and machine."""
    return [metric["name"] for metric in data.get("metrics", [])] == ["_OTELRESOURCE_"]


def test_only_spans_are_exported_as_children_of_the_host(
    collector: tuple[str, list[bytes]],
) -> None:
    url, received = collector
    connection = f"InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint={url}"
    environ = os.environ | {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true"}
    command = [sys.executable, "-c", SEND, connection, TRACEPARENT, url]
    done = subprocess.run(command, cwd=ROOT, env=environ, check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    sent = [item for body in received for item in json.loads(body)]
    spans = [item for item in sent if not is_exporter_metadata(item["data"]["baseData"])]
    assert {span["data"]["baseType"] for span in spans} == {"RemoteDependencyData"}
    assert {span["tags"]["ai.operation.id"] for span in spans} == {HOST_TRACE}
    assert sorted(span["data"]["baseData"]["name"] for span in spans) == ["plan"] * 30 + ["start_run"] * 30
    assert {span["data"]["baseData"]["type"] for span in spans} == {"InProc"}
    invocations = [span for span in spans if span["data"]["baseData"]["name"] == "start_run"]
    assert {span["tags"]["ai.operation.parentId"] for span in invocations} == {HOST_SPAN}
    assert {span["data"]["baseData"]["properties"]["impasto.run_id"] for span in spans} == {"clip-0123456789"}


def test_opentelemetry_is_not_imported_without_connection_string() -> None:
    spans = telemetry_from({}).spans
    with spans.phase("plan", "clip-0123456789"):
        pass
    code = (
        "import sys, function_app, orchestration.telemetry.azure_monitor as t\n"
        "from orchestration.telemetry.tracing import Invocation\n"
        "with t.telemetry_from({}).spans.invocation(Invocation(function='f', invocation_id='i')) as span:\n"
        "    span.annotate('clip-0123456789')\n"
        "assert not any('opentelemetry' in name for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
