"""Throughput by device and by the report of an earlier run."""

import json
from pathlib import Path
from typing import Any

import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import Options
from frame_tools.contracts.tuning import TUNING_STEPS
from frame_tools.costs.throughput import SPEEDS, delivery_seconds, device_throughput, report_throughput, tuning_seconds

SCORING = {"frames": 100, "batches": 4, "task_seconds": 60, "start_up_seconds": 20, "devices": ["cuda (T4)"]}


def test_device_throughput_scales_with_pixels() -> None:
    small, large = (
        device_throughput("gpu", width=width, height=width // 2, options=Options()) for width in (1000, 2000)
    )
    assert large.seconds_per_frame == pytest.approx(4 * small.seconds_per_frame)
    assert large.start_up_seconds == small.start_up_seconds


def test_delivery_takes_as_long_as_the_delivered_pixels() -> None:
    once = delivery_seconds("cpu", width=640, height=360)
    assert delivery_seconds("cpu", width=640, height=360, scale=3) == pytest.approx(9 * once)
    assert delivery_seconds("cpu", width=1920, height=1080) == pytest.approx(9 * once)


def test_fine_strokes_take_longer_and_broad_ones_little_more_on_larger_frames() -> None:
    def seconds(height: int, strokes: str) -> float:
        options = Options.model_validate({"strokes": strokes})
        return device_throughput("cpu", width=height * 16 // 9, height=height, options=options).seconds_per_frame

    fine, medium, broad = (seconds(1080, strokes) for strokes in ("fine", "medium", "broad"))
    assert fine > medium > broad
    assert seconds(1080, "broad") - seconds(540, "broad") < 0.5 * (fine - broad)


def test_tunings_of_more_steps_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {device: tuning_seconds(device, 2) for device in SPEEDS}
    monkeypatch.setattr("frame_tools.costs.throughput.TUNING_STEPS", 2 * TUNING_STEPS)
    assert {device: tuning_seconds(device, 2) for device in SPEEDS} == {key: 2 * each for key, each in before.items()}


def test_page_on_cost_states_how_long_a_tuning_takes() -> None:
    cpu, gpu = (round(tuning_seconds(device, 1)) for device in ("cpu", "gpu"))
    page = Path(__file__).parents[4] / "docs" / "cost.md"
    assert f"{cpu} s for a painting on two cores, {gpu} s on a GPU" in page.read_text()


def test_each_device_states_whether_it_was_measured() -> None:
    assert all("measured" in speed.source for speed in SPEEDS.values())


def test_report_throughput(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({"scoring": SCORING}))
    throughput = report_throughput(file)
    assert (throughput.seconds_per_frame, throughput.start_up_seconds) == (0.4, 5.0)
    assert "cuda (T4)" in throughput.source


def test_report_of_a_tuned_run_says_nothing_about_the_start_of_other_tasks(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    scoring = SCORING | {"task_seconds": 640, "start_up_seconds": 600}
    file.write_text(json.dumps({"scoring": scoring, "plan": {"options": {"tune": True}}}))
    throughput = report_throughput(file)
    assert (throughput.seconds_per_frame, throughput.start_up_seconds) == (0.4, SPEEDS["gpu"].start_up_seconds)


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"scoring": SCORING | {"frames": 0}},
        {"scoring": SCORING | {"start_up_seconds": 99}},
        [],
        {"scoring": SCORING, "plan": []},
    ],
    ids=["empty", "no frames", "start-up too long", "list", "no plan"],
)
def test_invalid_report_is_rejected(tmp_path: Path, report: Any) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    with pytest.raises(InputError, match=r"report\.json"):
        report_throughput(file)
