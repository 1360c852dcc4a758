"""The model of time and money, and the command `estimate`."""

import dataclasses
import json
import math
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks import cost_curve
from frame_tools.cli.main import app
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs import model
from frame_tools.costs.estimate import pool_of, probe, read_prices
from frame_tools.costs.model import Pool, Work, best, curve, forecast
from frame_tools.costs.prices import GPU_HOURS_USD, Prices
from frame_tools.costs.throughput import SPEEDS, pace_of_device, pace_of_report
from orchestration.planning.planner import MAX_BATCHES
from tests.support.clips import draw

PRICES = Prices()
WORKS = st.builds(
    Work, frames=st.integers(1, 3000), seconds_per_frame=st.floats(0.001, 5), start_up_seconds=st.floats(0, 60)
)
POOLS = st.builds(
    Pool,
    nodes=st.integers(1, 50),
    hour_usd=st.floats(0.01, 100),
    evictions_per_hour=st.sampled_from([0.0, 0.05, 1, 20]),
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(30):
            out.mux(stream.encode(av.VideoFrame.from_image(draw(number, (64, 48)))))
        out.mux(stream.encode(None))
    return path


def estimate(*arguments: object) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["estimate", *map(str, arguments)])
    return answer.exit_code, answer.output


# The model.


def test_without_evictions_the_arithmetic_is_that_of_the_page() -> None:
    work = Work(frames=100, seconds_per_frame=2.0, start_up_seconds=10.0)
    pool = Pool(nodes=2, hour_usd=3.6, order_seconds=100, boot_seconds=200, release_seconds=50)
    said = forecast(work, pool, batches=5, prices=PRICES)
    # Batches of 20: 10 + 40 s each, three rounds on two nodes.
    assert (said.frames_per_batch, said.task_seconds, said.wall_seconds) == (20, 50.0, 100 + 200 + 3 * 50)
    assert said.node_seconds == 2 * (200 + 150 + 50)
    assert said.sums.nodes_usd == pytest.approx(0.8)
    assert said.lost_seconds == 0


def test_storage_and_functions_are_counted_by_the_table() -> None:
    prices = Prices(blob_writes_10_000_usd=1.0, blob_reads_10_000_usd=0.1)
    writes, reads = 2 * 1000 + 12 * 10, 2 * 1000 + 20 * 10
    assert model.storage_usd(frames=1000, batches=10, prices=prices) == pytest.approx((writes + 0.1 * reads) / 10_000)
    prices = Prices(function_gb_second_usd=0.5, function_million_calls_usd=1e6, function_memory_gb=4)
    assert model.functions_usd(frames=1000, batches=10, prices=prices) == pytest.approx(0.5 * 4 * (23 + 1) + 23)


def test_evictions_cost_what_the_formula_for_restarts_says() -> None:
    work = Work(frames=60, seconds_per_frame=60.0, start_up_seconds=0.0)
    pool = Pool(nodes=1, hour_usd=1, evictions_per_hour=1.0, order_seconds=0, boot_seconds=0, release_seconds=0)
    said = forecast(work, pool, batches=1, prices=PRICES)
    assert said.task_seconds == pytest.approx(3600 * (math.e - 1))
    assert said.lost_seconds == pytest.approx(3600 * (math.e - 2))


@given(WORKS, POOLS, st.data())
def test_more_evictions_never_help_and_time_is_never_less_than_the_work(
    work: Work, pool: Pool, data: st.DataObject
) -> None:
    batches = data.draw(st.integers(1, work.frames))
    calm = forecast(work, dataclasses.replace(pool, evictions_per_hour=0.0), batches=batches, prices=PRICES)
    rough = forecast(work, pool, batches=batches, prices=PRICES)
    assert rough.wall_seconds >= calm.wall_seconds * (1 - 1e-9)
    assert rough.node_seconds >= calm.node_seconds * (1 - 1e-9)
    assert rough.lost_seconds >= -1e-6
    needed = work.frames * work.seconds_per_frame + batches * work.start_up_seconds
    assert calm.node_seconds >= needed * (1 - 1e-9)
    assert math.isfinite(rough.sums.total_usd)


@given(WORKS, POOLS, st.floats(0, 100))
def test_the_best_is_within_one_percent_of_every_forecast(work: Work, pool: Pool, hour_worth_usd: float) -> None:
    chosen = best(work, pool, prices=PRICES, hour_worth_usd=hour_worth_usd)
    least = min(one.weighted_cost_usd(hour_worth_usd) for one in curve(work, pool, prices=PRICES))
    assert chosen.weighted_cost_usd(hour_worth_usd) <= 1.01 * least * (1 + 1e-9)
    assert 1 <= chosen.frames_per_batch <= model.MAX_FRAMES_PER_BATCH


@given(st.integers(1, 400), st.integers(1, 9), st.floats(0, 20))
def test_the_curve_leaves_out_nothing_better(frames: int, nodes: int, evictions: float) -> None:
    work = Work(frames=frames, seconds_per_frame=0.5, start_up_seconds=5)
    pool = Pool(nodes=nodes, hour_usd=1, evictions_per_hour=evictions)
    every = (forecast(work, pool, batches=b, prices=PRICES).weighted_cost_usd(2) for b in range(1, frames + 1))
    least = min(one.weighted_cost_usd(2) for one in curve(work, pool, prices=PRICES))
    assert least == pytest.approx(min(every), rel=0.01)


def test_calm_nodes_want_large_batches_and_rough_ones_small_ones() -> None:
    sizes = [panel.best.frames_per_batch for panel in cost_curve.panels()]
    assert sizes[0] >= sizes[1] > sizes[2] > 1


def test_limits_are_those_of_trigger_and_plan() -> None:
    Options(frames_per_batch=model.MAX_FRAMES_PER_BATCH)
    with pytest.raises(ValueError, match="less than or equal"):
        Options(frames_per_batch=model.MAX_FRAMES_PER_BATCH + 1)
    assert model.MAX_BATCHES == MAX_BATCHES


def test_the_page_and_the_chart_are_what_the_command_makes() -> None:
    docs = cost_curve.OUT.parent
    assert cost_curve.OUT.read_text(encoding="utf-8") == cost_curve.chart(cost_curve.panels()), (
        "run: python -m benchmarks.cost_curve"
    )
    assert cost_curve.table() in (docs / "cost.md").read_text(encoding="utf-8")


# Prices and pace.


def test_prices_are_laid_over_the_table_and_sizes_have_any_case(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"vm_hour_usd": {"Standard_X": 2}, "spot_factor": 0.5}')
    prices = read_prices(file)
    assert prices.hour_usd("STANDARD_x", spot=True) == 1.0
    assert prices.hour_usd("standard_nc4as_t4_v3", spot=False) == GPU_HOURS_USD["standard_nc4as_t4_v3"]
    assert prices.hour_usd("local", spot=False) is None


@pytest.mark.parametrize("text", ["{", '{"spot_factor": 2}', '{"vm_hour_usd": {"a": -1}}', '{"gpu": 1}'])
def test_a_price_file_that_makes_no_sense_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(InputError, match="price file"):
        read_prices(file)
    with pytest.raises(InputError, match="can't be read"):
        read_prices(tmp_path / "none")


def test_a_size_without_a_price_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="standard_nc4as_t4_v3"):
        pool_of("Standard_Unknown", nodes=1, spot=True, prices=PRICES)
    assert pool_of("Standard_NC4as_T4_v3", nodes=1, spot=False, prices=PRICES).evictions_per_hour == 0


def test_the_pace_of_a_device_grows_with_the_pixels_and_says_whether_it_was_measured() -> None:
    small, large = (pace_of_device("gpu", width=w, height=w // 2) for w in (1000, 2000))
    assert large.seconds_per_frame == pytest.approx(4 * small.seconds_per_frame)
    assert all("measured" in speed.source for speed in SPEEDS.values())


def test_the_pace_of_a_report_is_its_own(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    scoring = {"frames": 100, "batches": 4, "task_seconds": 60, "start_up_seconds": 20, "devices": ["cuda (T4)"]}
    file.write_text(json.dumps({"scoring": scoring}))
    pace = pace_of_report(file)
    assert (pace.seconds_per_frame, pace.start_up_seconds) == (0.4, 5.0)
    assert "cuda (T4)" in pace.source
    for wrong in ({}, {"scoring": scoring | {"frames": 0}}, {"scoring": scoring | {"start_up_seconds": 99}}, []):
        file.write_text(json.dumps(wrong))
        with pytest.raises(InputError):
            pace_of_report(file)


# The command.


def test_the_command_probes_and_tells(clip: Path, tmp_path: Path) -> None:
    chart = tmp_path / "cost.svg"
    code, said = estimate(clip, "--frames-per-batch", 10, "--seconds-per-frame", 2, "--chart", chart)
    assert code == 0
    assert "30 frames of 64x48" in said
    assert "Pace: 2.0000 s a frame, 10.0 s a task's start; as you said" in said
    assert said.splitlines()[2].split()[:4] == ["frames", "per", "batch", "10"]
    assert chart.read_text().startswith("<svg")


def test_the_commands_refusals_are_words(clip: Path, tmp_path: Path) -> None:
    assert estimate(clip, "--device", "abacus")[0] == 65
    assert estimate(tmp_path / "none.mp4")[0] == 69
    (tmp_path / "text.mp4").write_text("no video")
    assert estimate(tmp_path / "text.mp4")[0] == 65


@pytest.mark.parametrize("scorer", ["gatys", "model", "script"])
def test_a_scorer_of_which_the_table_says_nothing_needs_a_pace(clip: Path, scorer: str) -> None:
    assert estimate(clip, "--scorer", scorer)[0] == 65
    code, said = estimate(clip, "--scorer", scorer, "--seconds-per-frame", 30)
    assert code == 0
    assert "30.0000 s a frame" in said
    batches = math.ceil(30 / SCORERS[scorer].frames_per_batch)
    assert said.splitlines()[2].split()[3] == str(math.ceil(30 / batches))


def test_records_cost_as_frames_do_and_a_scorer_that_is_none_is_named(clip: Path) -> None:
    assert estimate(clip, "--scorer", "look")[0] == 0
    assert estimate(clip, "--scorer", "oil")[0] == 65


def test_probing_reads_count_and_size(clip: Path, tmp_path: Path) -> None:
    probed = probe(clip)
    assert (probed.frames, probed.width, probed.height, probed.counted) == (30, 64, 48, True)
    with pytest.raises(MissingError):
        probe(tmp_path)
