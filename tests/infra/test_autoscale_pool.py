"""The pool's formula on the model of the pool: it starts, never throws a running task out, and reaches zero again."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.tools.autoscale.cli import main, table
from infra.tools.autoscale.pool import Load, Play, play
from infra.tools.autoscale.traces import TRACES, Numbers
from tests.infra.deployments import REPOSITORY, deployment, of_kind

DOCS_SAMPLE = """
percent = $PendingTasks.GetSamplePercent(180 * TimeInterval_Second);
tasks = percent < 70 ? 0 : avg($PendingTasks.GetSample(180 * TimeInterval_Second));
$TargetDedicatedNodes = min(4, tasks);
$TargetLowPriorityNodes = 0;
$NodeDeallocationOption = taskcompletion;
"""


def last_order(result: Play) -> int:
    """The minute in which the last node was ordered or kept."""
    return max(m.second for m in result.moments if sum(m.targets.values())) // 60


def assert_ends_well(result: Play, load: Load) -> None:
    assert len(result.finished) == sum(load.arrivals.values())
    assert result.interrupted == 0
    assert sum(result.moments[-1].targets.values()) == 0
    assert sum(result.moments[-1].nodes.values()) == 0


@pytest.mark.parametrize("name", TRACES)
def test_every_trace_ends_well(name: str) -> None:
    assert_ends_well(TRACES[name].play(), TRACES[name].load)


@pytest.mark.parametrize("name", TRACES)
def test_a_node_is_ordered_by_the_second_evaluation_after_work_came(name: str) -> None:
    result, load = TRACES[name].play(), TRACES[name].load
    first = next(m.second for m in result.moments if sum(m.targets.values()))
    assert first - min(load.arrivals) <= 2 * 300 + load.lag_s


@pytest.mark.parametrize("name", TRACES)
def test_there_are_never_more_nodes_than_allowed(name: str) -> None:
    numbers = TRACES[name].numbers
    for moment in TRACES[name].play().moments:
        assert moment.targets["spot"] <= numbers.max_spot
        assert moment.targets["dedicated"] <= numbers.max_dedicated


def test_a_cold_run_buys_spot_nodes_only() -> None:
    assert TRACES["cold"].play().node_minutes["dedicated"] == 0


def test_a_warm_node_takes_the_next_run_at_once() -> None:
    def waits(name: str) -> list[int]:
        moments = TRACES[name].play().moments
        return [
            next(m.second for m in moments if m.second >= came and m.running) - came
            for came in sorted(TRACES[name].load.arrivals)[2:]
        ]

    assert max(waits("trickle")) <= 60
    assert max(waits("cooling")) > 300


def test_warmth_ends_after_its_minutes() -> None:
    for minutes in (10, 30, 60):
        load = Load(arrivals={120: 2}, minutes=180)
        result = play(Numbers(warm_minutes=minutes).formula(), load)
        done = result.finished[-1] // 60
        assert minutes - 5 <= last_order(result) - done <= minutes + 10


def test_what_was_taken_away_is_bought_at_the_next_evaluation() -> None:
    trace = TRACES["taken"]
    bought = next(m.second for m in trace.play().moments if m.targets["dedicated"])
    assert 0 < bought - min(trace.load.taken) <= 300 + trace.load.lag_s


def test_dedicated_nodes_leave_when_spot_is_back() -> None:
    trace = TRACES["taken"]
    back = trace.load.no_spot[0][1]
    late = [m for m in trace.play().moments if m.second > back + 900]
    assert not any(m.targets["dedicated"] for m in late)


def test_without_spot_work_is_done_on_dedicated_nodes() -> None:
    result = TRACES["no-spot"].play()
    assert result.node_minutes["spot"] == 0
    assert result.finished[-1] < 40 * 60


def test_spot_only_waits_and_pays_nothing_until_there_is_some() -> None:
    load = Load(arrivals={120: 6}, minutes=180, no_spot=((0, 3600),))
    result = play(Numbers(max_dedicated=0).formula(), load)
    assert_ends_well(result, load)
    assert not any(m.nodes["spot"] for m in result.moments if m.second < 3600)


def test_slots_are_filled_before_nodes_are_ordered() -> None:
    result = play(Numbers().formula(), Load(arrivals={120: 5}, minutes=90, slots=4))
    assert max(m.targets["spot"] for m in result.moments) == 2


def test_the_least_number_of_nodes_is_always_there() -> None:
    result = play(Numbers(min_nodes=1).formula(), Load(arrivals={600: 3}, minutes=90))
    assert all(sum(m.targets.values()) >= 1 for m in result.moments if m.second > 0)


@pytest.mark.parametrize("lag_s", [90, 150])
def test_samples_that_are_always_late_hang_a_formula_that_starts_from_0_but_not_ours(lag_s: int) -> None:
    load = Load(arrivals={120: 2}, minutes=120, lag_s=lag_s)
    assert play(DOCS_SAMPLE, load).finished == []
    assert_ends_well(play(Numbers().formula(), load), load)


def test_the_model_sees_tasks_that_are_thrown_out() -> None:
    waiting_only = DOCS_SAMPLE.replace("$PendingTasks", "$ActiveTasks").replace("taskcompletion", "requeue")
    load = Load(arrivals={120: 2}, minutes=120, task_s=900)
    assert play(waiting_only, load).interrupted > 0


spans = st.tuples(st.integers(0, 240), st.integers(1, 120)).map(lambda p: (30 * p[0], 30 * (p[0] + p[1])))
loads = st.builds(
    Load,
    arrivals=st.dictionaries(st.integers(1, 360).map(lambda n: 10 * n), st.integers(1, 8), min_size=1, max_size=4),
    minutes=st.just(600),
    task_s=st.integers(1, 30).map(lambda n: 10 * n),
    boot_s=st.integers(12, 60).map(lambda n: 10 * n),
    slots=st.sampled_from([1, 2, 4]),
    lag_s=st.sampled_from([30, 60, 90, 150]),
    taken=st.lists(st.integers(1, 600).map(lambda n: 10 * n), max_size=4),
    no_spot=st.lists(spans, max_size=2),
    no_samples=st.lists(spans, max_size=2),
)
choices = st.builds(
    Numbers,
    max_spot=st.integers(0, 5),
    max_dedicated=st.integers(1, 3),
    warm_minutes=st.sampled_from([0, 5, 15, 60]),
)


@settings(max_examples=40, deadline=None)
@given(load=loads, numbers=choices)
def test_any_load_ends_well(load: Load, numbers: Numbers) -> None:
    assert_ends_well(play(numbers.formula(), load), load)


@pytest.mark.parametrize("name", ["main", "spot_only", "warm_pool"])
def test_the_templates_fill_the_formula_as_the_tool_does(name: str) -> None:
    numbers = {
        "main": Numbers(),
        "spot_only": Numbers(max_spot=8, max_dedicated=0, warm_minutes=0),
        "warm_pool": Numbers(max_spot=0, max_dedicated=4, min_nodes=1, warm_minutes=60),
    }[name]
    (pool,) = of_kind(deployment(name), "Batch/batchAccounts/pools")
    assert pool.get("properties", "scaleSettings", "autoScale", "formula") == numbers.formula()


def test_the_chart_and_the_table_are_current(tmp_path: Path) -> None:
    assert main(["chart", "--out", str(tmp_path / "chart.svg")]) == 0
    drawn = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert drawn == (REPOSITORY / "docs" / "autoscale.svg").read_text(encoding="utf-8"), (
        "python -m infra.tools.autoscale chart"
    )
    assert "\n".join(table()) in (REPOSITORY / "docs" / "autoscale.md").read_text(encoding="utf-8")


def test_the_formula_is_printed_with_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fill", "--max-spot", "7", "--warm-minutes", "0"]) == 0
    assert capsys.readouterr().out == Numbers(max_spot=7, warm_minutes=0).formula()
