"""The model of many runs at a time: demands follow their causes, and cells share them."""

import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import pytest

from benchmarks.model import Demand, Load, cells_needed, demands, table


def part(load: Load, name: str) -> Demand:
    (demand,) = [each for each in demands(load) if each.part.startswith(name)]
    return demand


def test_most_used_part_comes_first() -> None:
    shares = [each.use for each in demands(Load())]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("name", "change", "factor"),
    [
        ("data account, requests", {"nodes": 2000}, 2),
        ("data account, written", {"fps": 20.0}, 2),
        ("data account, read", {"source_bytes": 66_000}, 2),
        ("one status blob", {"watchers": 1000}, 1000),
        ("one status blob", {"poll_seconds": 0.5}, 10),
        ("queue of finished", {"per_batch": 192}, 0.5),
        ("Batch, active jobs", {"runs": 500}, 0.5),
        ("Batch, time to add", {"frames": 36_000}, 2),
        ("registry", {"image_gb": 15.0}, 2),
        ("sweep", {"round_trip": 0.02}, 2),
    ],
)
def test_demand_follows_its_cause(name: str, change: dict[str, Any], factor: float) -> None:
    load = Load()
    assert part(replace(load, **change), name).demand == pytest.approx(factor * part(load, name).demand, rel=0.01)


def test_watchers_of_one_run_cost_one_computation() -> None:
    """Of a thousand watchers, all but the one who computes read a blob."""
    few, many = (part(Load(runs=1, nodes=1, watchers=count), "ops account") for count in (10, 1000))
    assert many.demand - few.demand == pytest.approx(990 / 5.0)


def test_frames_as_blobs_cost_requests_and_bytes() -> None:
    video, blobs = Load(), Load(blobs=True)
    assert part(blobs, "data account, requests").demand > 50 * part(video, "data account, requests").demand
    assert part(blobs, "data account, written").use > 1 > part(video, "data account, written").use


def test_cells_share_runs_and_nodes() -> None:
    assert Load(runs=1000, nodes=1000, cells=10).cell == Load(runs=100, nodes=100)
    assert Load(runs=3, nodes=1, cells=2).cell == Load(runs=2, nodes=1)


def test_cells_needed_are_enough_and_not_too_many() -> None:
    load = Load()
    cells = cells_needed(load)
    assert cells is not None
    assert demands(replace(load, cells=cells))[0].use <= 1 < demands(replace(load, cells=cells - 1))[0].use
    assert cells_needed(Load(runs=10, nodes=10)) == 1
    assert cells_needed(Load(runs=1, nodes=1, watchers=10_000)) is None


def test_every_limit_names_its_source() -> None:
    for demand in demands(Load()):
        assert demand.page.startswith(("https://learn.microsoft.com/azure/", "host.json"))
        assert demand.limit > 0


def test_table_has_a_line_for_each_part() -> None:
    parts = demands(Load())
    assert len(table(parts).splitlines()) == 2 + len(parts)


def test_command_takes_every_input() -> None:
    options = [f"--{field.name.replace('_', '-')}" for field in fields(Load)]
    command = [sys.executable, "-m", "benchmarks.model"]
    text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert [option for option in options if option not in text] == []
    text = subprocess.run(
        [*command, "--runs", "10", "--nodes", "10"], capture_output=True, text=True, check=True
    ).stdout
    assert "Cells for all to be within their limits: 1." in text
