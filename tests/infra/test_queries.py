"""The queries of alerts, workbook and operations page, run on rows that the app logs or that Azure documents."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.tools.kql.queries import Query, all_queries
from orchestration.handlers.cancel import cancel
from orchestration.handlers.sweep import sweep
from tests.infra.deployments import BICEP, REPOSITORY, deployment, of_kind
from tests.support.log_workspace import LogWorkspace, RecordedMetrics
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World

BATCH_COLUMNS = ("resultCode_s", "error_code_s")


def text_of(name: str) -> str:
    return (BICEP / "queries" / f"{name}.kql").read_text(encoding="utf-8")


@pytest.fixture
def workspace() -> LogWorkspace:
    return LogWorkspace(AzureDiagnostics=BATCH_COLUMNS)


@pytest.fixture
def app_logs(workspace: LogWorkspace) -> Iterator[None]:
    """Everything that the app logs from INFO goes to the workspace."""

    class ToWorkspace(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            workspace.add_log_record(record)

    handler, logger = ToWorkspace(), logging.getLogger("orchestration")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield
    logger.removeHandler(handler)
    logger.setLevel(level)


def world_in(workspace: LogWorkspace, cloud: InMemoryCloud) -> World:
    world = cloud.world(prices='{"vm_hour_usd": {"local": 1}}', max_task_retries=0, sweep_retries=0)
    return World(replace(world.app, metrics=RecordedMetrics(workspace)))


@pytest.fixture
def recorded(workspace: LogWorkspace, app_logs: None) -> dict[str, str]:
    """One run of each outcome; return outcome -> run id."""
    cloud = InMemoryCloud()
    world = world_in(workspace, cloud)
    runs = {"finished": world.start("finished", 4)}
    world.finish(runs["finished"])
    runs["failed"] = world.start("failed", 2)
    world.deliver_messages()
    cloud.jobs.end_step(runs["failed"], 0, exit_code=65)
    sweep(world.app)
    runs["cancelled"] = world.start("cancelled", 2)
    cancel(world.app, runs["cancelled"])
    runs["refused"] = world.fire_trigger(world.upload_trigger("refused", b"{"))
    assert {name: world.status(run_id) for name, run_id in runs.items()} == {name: name for name in runs}
    sweep(world.app)
    return runs


def test_each_outcome_is_one_run(workspace: LogWorkspace, recorded: dict[str, str]) -> None:
    rows = workspace.query(text_of("runs"))
    assert {row["outcome"]: row["runs"] for row in rows} == dict.fromkeys(recorded, 1)


def test_alert_selects_failed_runs_only(workspace: LogWorkspace, recorded: dict[str, str]) -> None:
    rows = workspace.query(text_of("alert_run_failed"))
    assert [json.loads(row["Message"])["correlation_id"] for row in rows] == [recorded["failed"]]


def test_alert_reads_fields_that_a_host_forwards(workspace: LogWorkspace) -> None:
    workspace.add("AppTraces", Message="run clip-1 failed", Properties={"event": "run_failed"})
    workspace.add("AppTraces", Message="run clip-1 failed", Properties={})
    workspace.add("AppTraces", Message='{"event": "run_finished"}', Properties={})
    assert len(workspace.query(text_of("alert_run_failed"))) == 1


def test_failures_are_listed_by_code(workspace: LogWorkspace, recorded: dict[str, str]) -> None:
    rows = workspace.query(text_of("failures"))
    assert {(row["outcome"], row["run"], row["runs"]) for row in rows} == {
        ("failed", recorded["failed"], 1),
        ("refused", recorded["refused"], 1),
    }
    assert all(row["code"] and row["reason"] for row in rows)


def test_metrics_of_a_run_are_charted(workspace: LogWorkspace, recorded: dict[str, str]) -> None:
    (frames,) = workspace.query(text_of("frames_per_second"))
    assert frames["frames_per_second"] == pytest.approx(4 / 300)
    (seconds,) = workspace.query(text_of("seconds_per_frame"))
    assert seconds["seconds_per_frame"] > 0
    dollars = {row["outcome"]: row["dollars"] for row in workspace.query(text_of("dollars"))}
    assert dollars["finished"] > 0
    ages = workspace.query(text_of("queue_age"))
    assert {row["queue"] for row in ages} == {"frame-batches", "finished-batches"}


def test_mean_of_runs_weighs_each_run_once(workspace: LogWorkspace) -> None:
    workspace.add_metric("impasto.frame_seconds", 0.1, 1, {})
    workspace.add_metric("impasto.frame_seconds", 0.9, 3, {})
    (row,) = workspace.query(text_of("seconds_per_frame"))
    assert row["seconds_per_frame"] == pytest.approx(0.25)


def test_retried_tasks_are_counted(workspace: LogWorkspace) -> None:
    cloud = InMemoryCloud()
    world = world_in(workspace, cloud).changed(sweep_retries=1)
    run_id = world.start("clip", 2)
    world.deliver_messages()
    cloud.jobs.end_step(run_id, 0, exit_code=7)
    sweep(world.app)
    assert [row["tasks"] for row in workspace.query(text_of("task_retries"))] == [1]


PUT = {"OperationName": "PutMessage", "StatusText": "Success"}
"""A row as Azure documents it: https://learn.microsoft.com/azure/storage/queues/monitor-queue-storage-reference"""


@pytest.mark.parametrize(
    ("queue", "row", "selected"),
    [
        ("frame-batches-poison", PUT, True),
        ("webjobs-blobtrigger-poison", PUT, True),
        ("frame-batches", PUT, False),
        ("frame-batches-poison", {**PUT, "OperationName": "DeleteMessage"}, False),
    ],
)
def test_alert_selects_messages_of_poison_queues(
    workspace: LogWorkspace, queue: str, row: dict[str, str], selected: bool
) -> None:
    uri = f"https://stops123.queue.core.windows.net:443/{queue}/messages?visibilitytimeout=0"
    workspace.add("StorageQueueLogs", Uri=uri, **row)
    assert len(workspace.query(text_of("alert_poison"))) == selected
    assert [row["queue"] for row in workspace.query(text_of("poison"))] == [queue] * selected


RESIZE = {"ResourceProvider": "MICROSOFT.BATCH", "OperationName": "PoolResizeCompleteEvent"}
SCALE = {"ResourceProvider": "MICROSOFT.BATCH", "OperationName": "PoolAutoScaleEvent"}


@pytest.mark.parametrize(
    ("row", "selected"),
    [
        ({**RESIZE, "resultCode_s": "AccountCoreQuotaReached"}, True),
        ({**RESIZE, "resultCode_s": "AccountSpotCoreQuotaReached"}, True),
        ({**RESIZE, "resultCode_s": "AllocationFailed"}, True),
        ({**RESIZE, "resultCode_s": "Success"}, False),
        ({**RESIZE, "resultCode_s": "ResizeStopped"}, False),
        ({**SCALE, "error_code_s": "UnknownVariable"}, True),
        ({**SCALE, "error_code_s": "InsufficientSampleData"}, False),
        (SCALE, False),
        ({"ResourceProvider": "MICROSOFT.BATCH", "OperationName": "TaskFailEvent", "resultCode_s": "x"}, False),
        ({**RESIZE, "ResourceProvider": "OTHER", "resultCode_s": "AllocationFailed"}, False),
    ],
)
def test_alert_selects_resizes_that_need_action(workspace: LogWorkspace, row: dict[str, str], selected: bool) -> None:
    workspace.add("AzureDiagnostics", **row)
    assert len(workspace.query(text_of("alert_resize"))) == selected


def exception(category: str, operation: str, outer: str) -> dict[str, Any]:
    """One of the two records that the host logs for a failed call."""
    return {
        "OperationName": operation,
        "OuterMessage": outer,
        "InnermostMessage": "the blob is damaged",
        "InnermostType": "DamagedError",
        "Properties": {"Category": category},
    }


OF_EXCEPTIONS = [query for query in all_queries(REPOSITORY) if "AppExceptions" in query.text]


@pytest.mark.parametrize("query", OF_EXCEPTIONS, ids=lambda query: query.path.name)
def test_failed_call_is_one_row_with_its_cause(workspace: LogWorkspace, query: Query) -> None:
    outer = "Exception while executing function: Functions.sweep"
    workspace.add("AppExceptions", **exception("Host.Results", "sweep", outer))
    workspace.add("AppExceptions", **exception("Function.sweep", "sweep", outer))
    (row,) = workspace.query(query.text)
    assert (row["OperationName"], row["InnermostMessage"]) == ("sweep", "the blob is damaged")
    assert outer not in row.values()
    assert row.get("failures", 1) == 1


PAGE_QUERIES = [query for query in all_queries(REPOSITORY) if query.path.suffix == ".md"]


@pytest.mark.parametrize("query", PAGE_QUERIES, ids=lambda query: query.place(0).rpartition("/")[2])
def test_query_of_a_page_runs(workspace: LogWorkspace, query: Query) -> None:
    assert workspace.query(query.text) == []


def test_all_queries_of_the_templates_are_files() -> None:
    """A query inside a template would be checked by nobody."""
    files = {path.read_text(encoding="utf-8") for path in (BICEP / "queries").glob("*.kql")}
    resources = deployment("main")
    used = [
        item.get("properties", "criteria", "allOf")[0]["query"]
        for item in of_kind(resources, "Insights/scheduledQueryRules")
    ]
    (workbook,) = of_kind(resources, "Insights/workbooks")
    items = json.loads(workbook.get("properties", "serializedData"))["items"]
    used += [item["content"]["query"] for item in items if "query" in item["content"]]
    (dashboard,) = of_kind(resources, "Portal/dashboards")
    parts = dashboard.get("properties", "lenses")[0]["parts"]
    inputs = [item for part in parts for item in part["metadata"]["inputs"]]
    used += [item["value"] for item in inputs if item["name"] == "Query"]
    assert set(used) == files
