"""Simulate the pool's formula: it scales up, never evicts a running task, and returns to zero."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.tools.autoscale.cli import main, table
from infra.tools.autoscale.pool import Load, Simulation, simulate
from infra.tools.autoscale.traces import TRACES, Parameters
from tests.infra.deployments import REPOSITORY, deployment, of_kind

DOCS_SAMPLE = """
percent = $PendingTasks.GetSamplePercent(180 * TimeInterval_Second);
tasks = percent < 70 ? 0 : avg($PendingTasks.GetSample(180 * TimeInterval_Second));
$TargetDedicatedNodes = min(4, tasks);
$TargetLowPriorityNodes = 0;
$NodeDeallocationOption = taskcompletion;
"""


def last_request_minute(result: Simulation) -> int:
    """Return the minute in which the last node was requested or kept."""
    return max(m.second for m in result.snapshots if sum(m.targets.values())) // 60


def assert_completes(result: Simulation, load: Load) -> None:
    assert len(result.finished) == sum(load.arrivals.values())
    assert result.interrupted == 0
    assert sum(result.snapshots[-1].targets.values()) == 0
    assert sum(result.snapshots[-1].nodes.values()) == 0


@pytest.mark.parametrize("name", TRACES)
def test_every_trace_completes(name: str) -> None:
    assert_completes(TRACES[name].simulate(), TRACES[name].load)


@pytest.mark.parametrize("name", TRACES)
def test_node_requested_within_two_evaluations(name: str) -> None:
    result, load = TRACES[name].simulate(), TRACES[name].load
    first = next(m.second for m in result.snapshots if sum(m.targets.values()))
    assert first - min(load.arrivals) <= 2 * 300 + load.lag_s


@pytest.mark.parametrize("name", TRACES)
def test_node_limits_hold(name: str) -> None:
    numbers = TRACES[name].numbers
    for snapshot in TRACES[name].simulate().snapshots:
        assert snapshot.targets["spot"] <= numbers.max_spot
        assert snapshot.targets["dedicated"] <= numbers.max_dedicated


def test_cold_run_uses_spot_only() -> None:
    assert TRACES["cold"].simulate().node_minutes["dedicated"] == 0


def test_warm_node_starts_next_run_at_once() -> None:
    def waits(name: str) -> list[int]:
        snapshots = TRACES[name].simulate().snapshots
        return [
            next(m.second for m in snapshots if m.second >= arrival and m.running) - arrival
            for arrival in sorted(TRACES[name].load.arrivals)[2:]
        ]

    assert max(waits("trickle")) <= 60
    assert max(waits("cooling")) > 300


def test_warm_node_leaves_after_warm_minutes() -> None:
    for minutes in (10, 30, 60):
        load = Load(arrivals={120: 2}, minutes=180)
        result = simulate(Parameters(warm_minutes=minutes).formula(), load)
        done = result.finished[-1] // 60
        assert minutes - 5 <= last_request_minute(result) - done <= minutes + 10


def test_evicted_node_is_replaced_at_next_evaluation() -> None:
    trace = TRACES["evictions"]
    replaced = next(m.second for m in trace.simulate().snapshots if m.targets["dedicated"])
    assert 0 < replaced - min(trace.load.evictions) <= 300 + trace.load.lag_s


def test_dedicated_nodes_leave_when_spot_returns() -> None:
    trace = TRACES["evictions"]
    back = trace.load.no_spot[0][1]
    late = [m for m in trace.simulate().snapshots if m.second > back + 900]
    assert not any(m.targets["dedicated"] for m in late)


def test_no_spot_falls_back_to_dedicated() -> None:
    result = TRACES["no-spot"].simulate()
    assert result.node_minutes["spot"] == 0
    assert result.finished[-1] < 40 * 60


def test_spot_only_pool_waits_at_no_cost() -> None:
    load = Load(arrivals={120: 6}, minutes=180, no_spot=((0, 3600),))
    result = simulate(Parameters(max_dedicated=0).formula(), load)
    assert_completes(result, load)
    assert not any(m.nodes["spot"] for m in result.snapshots if m.second < 3600)


def test_slots_fill_before_nodes_are_requested() -> None:
    result = simulate(Parameters().formula(), Load(arrivals={120: 5}, minutes=90, slots=4))
    assert max(m.targets["spot"] for m in result.snapshots) == 2


def test_min_nodes_are_always_requested() -> None:
    result = simulate(Parameters(min_nodes=1).formula(), Load(arrivals={600: 3}, minutes=90))
    assert all(sum(m.targets.values()) >= 1 for m in result.snapshots if m.second > 0)


@pytest.mark.parametrize("lag_s", [90, 150])
def test_late_samples_hang_naive_formula_but_not_ours(lag_s: int) -> None:
    load = Load(arrivals={120: 2}, minutes=120, lag_s=lag_s)
    assert simulate(DOCS_SAMPLE, load).finished == []
    assert_completes(simulate(Parameters().formula(), load), load)


def test_simulation_counts_interrupted_tasks() -> None:
    waiting_only = DOCS_SAMPLE.replace("$PendingTasks", "$ActiveTasks").replace("taskcompletion", "requeue")
    load = Load(arrivals={120: 2}, minutes=120, task_s=900)
    assert simulate(waiting_only, load).interrupted > 0


spans = st.tuples(st.integers(0, 240), st.integers(1, 120)).map(lambda p: (30 * p[0], 30 * (p[0] + p[1])))
loads = st.builds(
    Load,
    arrivals=st.dictionaries(st.integers(1, 360).map(lambda n: 10 * n), st.integers(1, 8), min_size=1, max_size=4),
    minutes=st.just(600),
    task_s=st.integers(1, 30).map(lambda n: 10 * n),
    boot_s=st.integers(12, 60).map(lambda n: 10 * n),
    slots=st.sampled_from([1, 2, 4]),
    lag_s=st.sampled_from([30, 60, 90, 150]),
    evictions=st.lists(st.integers(1, 600).map(lambda n: 10 * n), max_size=4),
    no_spot=st.lists(spans, max_size=2),
    no_samples=st.lists(spans, max_size=2),
)
choices = st.builds(
    Parameters,
    max_spot=st.integers(0, 5),
    max_dedicated=st.integers(1, 3),
    warm_minutes=st.sampled_from([0, 5, 15, 60]),
)


@settings(max_examples=40, deadline=None)
@given(load=loads, numbers=choices)
def test_random_loads_complete(load: Load, numbers: Parameters) -> None:
    assert_completes(simulate(numbers.formula(), load), load)


@pytest.mark.parametrize("name", ["main", "spot_only", "warm_pool"])
def test_templates_and_tool_fill_formula_alike(name: str) -> None:
    numbers = {
        "main": Parameters(),
        "spot_only": Parameters(max_spot=8, max_dedicated=0, warm_minutes=0),
        "warm_pool": Parameters(max_spot=0, max_dedicated=4, min_nodes=1, warm_minutes=60),
    }[name]
    (pool,) = of_kind(deployment(name), "Batch/batchAccounts/pools")
    assert pool.get("properties", "scaleSettings", "autoScale", "formula") == numbers.formula()


def test_chart_and_table_are_current(tmp_path: Path) -> None:
    assert main(["chart", "--out", str(tmp_path / "chart.svg")]) == 0
    drawn = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert drawn == (REPOSITORY / "docs" / "autoscale.svg").read_text(encoding="utf-8"), (
        "python -m infra.tools.autoscale chart"
    )
    assert "\n".join(table()) in (REPOSITORY / "docs" / "autoscale.md").read_text(encoding="utf-8")


def test_fill_prints_formula_with_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fill", "--max-spot", "7", "--warm-minutes", "0"]) == 0
    assert capsys.readouterr().out == Parameters(max_spot=7, warm_minutes=0).formula()
