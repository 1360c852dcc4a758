"""The model of duration and cost."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.options import Options
from frame_tools.costs import model
from frame_tools.costs.model import Pool, Workload, best, curve, forecast
from frame_tools.costs.prices import Prices
from orchestration.planning.planner import MAX_BATCHES

PRICES = Prices()
WORKS = st.builds(
    Workload, frames=st.integers(1, 3000), seconds_per_frame=st.floats(0.001, 5), start_up_seconds=st.floats(0, 60)
)
POOLS = st.builds(
    Pool,
    nodes=st.integers(1, 50),
    hour_usd=st.floats(0.01, 100),
    evictions_per_hour=st.sampled_from([0.0, 0.05, 1, 20]),
)


def test_forecast_without_evictions() -> None:
    work = Workload(frames=100, seconds_per_frame=2.0, start_up_seconds=10.0)
    pool = Pool(nodes=2, hour_usd=3.6, order_seconds=100, boot_seconds=200, release_seconds=50)
    result = forecast(work, pool, batches=5, prices=PRICES)
    # Batches of 20: 10 + 40 s each, three rounds on two nodes.
    assert (result.frames_per_batch, result.task_seconds, result.wall_seconds) == (20, 50.0, 100 + 200 + 3 * 50)
    assert result.node_seconds == 2 * (200 + 150 + 50)
    assert result.cost.nodes_usd == pytest.approx(0.8)
    assert result.lost_seconds == 0


def test_storage_and_functions_follow_the_price_table() -> None:
    prices = Prices(blob_writes_10_000_usd=1.0, blob_reads_10_000_usd=0.1)
    writes, reads = 2 * 1000 + 12 * 10, 2 * 1000 + 20 * 10
    assert model.storage_usd(frames=1000, batches=10, prices=prices) == pytest.approx((writes + 0.1 * reads) / 10_000)
    prices = Prices(function_gb_second_usd=0.5, function_million_calls_usd=1e6, function_memory_gb=4)
    assert model.functions_usd(frames=1000, batches=10, prices=prices) == pytest.approx(0.5 * 4 * (23 + 1) + 23)


def test_evictions_follow_the_restart_formula() -> None:
    work = Workload(frames=60, seconds_per_frame=60.0, start_up_seconds=0.0)
    pool = Pool(nodes=1, hour_usd=1, evictions_per_hour=1.0, order_seconds=0, boot_seconds=0, release_seconds=0)
    result = forecast(work, pool, batches=1, prices=PRICES)
    assert result.task_seconds == pytest.approx(3600 * (math.e - 1))
    assert result.lost_seconds == pytest.approx(3600 * (math.e - 2))


@given(WORKS, POOLS, st.data())
def test_evictions_never_reduce_time_or_cost(work: Workload, pool: Pool, data: st.DataObject) -> None:
    batches = data.draw(st.integers(1, work.frames))
    calm = forecast(work, dataclasses.replace(pool, evictions_per_hour=0.0), batches=batches, prices=PRICES)
    rough = forecast(work, pool, batches=batches, prices=PRICES)
    assert rough.wall_seconds >= calm.wall_seconds * (1 - 1e-9)
    assert rough.node_seconds >= calm.node_seconds * (1 - 1e-9)
    assert rough.lost_seconds >= -1e-6
    needed = work.frames * work.seconds_per_frame + batches * work.start_up_seconds
    assert calm.node_seconds >= needed * (1 - 1e-9)
    assert math.isfinite(rough.cost.total_usd)


@given(WORKS, POOLS, st.floats(0, 100))
def test_best_is_within_one_percent_of_the_minimum(work: Workload, pool: Pool, hour_worth_usd: float) -> None:
    chosen = best(work, pool, prices=PRICES, hour_worth_usd=hour_worth_usd)
    least = min(item.weighted_cost_usd(hour_worth_usd) for item in curve(work, pool, prices=PRICES))
    assert chosen.weighted_cost_usd(hour_worth_usd) <= 1.01 * least * (1 + 1e-9)
    assert 1 <= chosen.frames_per_batch <= model.MAX_FRAMES_PER_BATCH


@given(st.integers(1, 400), st.integers(1, 9), st.floats(0, 20))
def test_curve_omits_no_better_forecast(frames: int, nodes: int, evictions: float) -> None:
    work = Workload(frames=frames, seconds_per_frame=0.5, start_up_seconds=5)
    pool = Pool(nodes=nodes, hour_usd=1, evictions_per_hour=evictions)
    every = (forecast(work, pool, batches=b, prices=PRICES).weighted_cost_usd(2) for b in range(1, frames + 1))
    least = min(item.weighted_cost_usd(2) for item in curve(work, pool, prices=PRICES))
    assert least == pytest.approx(min(every), rel=0.01)


def test_limits_match_trigger_and_plan() -> None:
    Options(frames_per_batch=model.MAX_FRAMES_PER_BATCH)
    with pytest.raises(ValueError, match="less than or equal"):
        Options(frames_per_batch=model.MAX_FRAMES_PER_BATCH + 1)
    assert model.MAX_BATCHES == MAX_BATCHES


@pytest.mark.parametrize(("blobs", "share"), [(2, 1.0), (1, 0.5), (0, 0.0)])
def test_frames_that_are_not_stored_cost_no_operations(blobs: int, share: float) -> None:
    prices = Prices()
    batches = model.storage_usd(frames=0, batches=10, prices=prices)
    stored = model.storage_usd(frames=1000, batches=10, prices=prices)
    cost = model.storage_usd(frames=1000, batches=10, prices=prices, blobs_per_frame=blobs)
    assert cost - batches == pytest.approx(share * (stored - batches))
