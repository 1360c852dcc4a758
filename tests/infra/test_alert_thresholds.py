"""Metric alerts fire for a node that stays or fails, and not for the loads on which the autoscale formula is tested."""

from collections.abc import Iterable

import pytest

from infra.tools.autoscale.pool import NodeKind, Snapshot
from infra.tools.autoscale.traces import TRACES
from tests.infra.deployments import deployment, of_kind

METRICS: dict[NodeKind, str] = {"dedicated": "TotalNodeCount", "spot": "TotalLowPriorityNodeCount"}
MINUTES = {"PT15M": 15, "PT6H": 360}


def fires(metric: str, samples: Iterable[int]) -> bool:
    """Return whether an alert fires in any window of samples, one a minute, whose sum Batch reports."""
    (alert,) = [
        item
        for item in of_kind(deployment("main"), "Insights/metricAlerts")
        if item.get("properties", "criteria", "allOf")[0]["metricName"] == metric
    ]
    criterion = alert.get("properties", "criteria", "allOf")[0]
    assert (criterion["timeAggregation"], criterion["operator"]) == ("Total", "GreaterThanOrEqual")
    values, window = list(samples), MINUTES[alert.get("properties", "windowSize")]
    sums = (sum(values[start : start + window]) for start in range(len(values)))
    return any(total >= criterion["threshold"] for total in sums)


def each_minute(snapshots: Iterable[Snapshot], kind: NodeKind) -> list[int]:
    return [snapshot.nodes[kind] for snapshot in snapshots if snapshot.second % 60 == 0]


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("name", TRACES)
def test_idle_alert_is_quiet_for_a_pool_that_shrinks(name: str, kind: NodeKind) -> None:
    counts = each_minute(TRACES[name].simulate().snapshots, kind)
    assert not fires(METRICS[kind], counts)


@pytest.mark.parametrize("metric", METRICS.values())
def test_idle_alert_fires_for_a_node_that_stays(metric: str) -> None:
    assert fires(metric, [1] * 360)
    assert not fires(metric, [1] * 359)
    assert fires(metric, [0] * 100 + [4] * 90)


def test_start_task_alert_fires_for_one_failed_node() -> None:
    assert not fires("StartTaskFailedNodeCount", [0] * 60)
    assert fires("StartTaskFailedNodeCount", [0] * 30 + [1] + [0] * 30)
