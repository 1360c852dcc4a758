"""Inputs of an estimate: probing, prices, pool and throughput."""

import json
from pathlib import Path

import pytest

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.options import Options
from frame_tools.costs.estimate import VideoInfo, build_pool, choose_throughput, probe_video, read_prices
from frame_tools.costs.prices import GPU_HOURS_USD, Prices
from tests.support.clips import Clip, make_clip

VIDEO = VideoInfo(frames=100, width=1000, height=1000, is_exact=True)


def test_probe_reads_count_and_size(tmp_path: Path) -> None:
    info = probe_video(make_clip(tmp_path / "clip.mp4", Clip(frames=30)))
    assert (info.frames, info.width, info.height, info.is_exact) == (30, 64, 48, True)
    with pytest.raises(MissingError):
        probe_video(tmp_path)


def test_probe_computes_count_from_duration(tmp_path: Path) -> None:
    info = probe_video(make_clip(tmp_path / "clip.mkv", Clip(frames=30)))
    assert (info.frames, info.is_exact) == (30, False)


def test_price_file_overrides_the_table(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"vm_hour_usd": {"Standard_X": 2}, "spot_factor": 0.5}')
    prices = read_prices(file)
    assert prices.hour_usd("STANDARD_x", spot=True) == 1.0
    assert prices.hour_usd("standard_nc4as_t4_v3", spot=False) == GPU_HOURS_USD["standard_nc4as_t4_v3"]
    assert prices.hour_usd("local", spot=False) is None


@pytest.mark.parametrize("text", ["{", '{"spot_factor": 2}', '{"vm_hour_usd": {"a": -1}}', '{"gpu": 1}'])
def test_invalid_price_file_is_rejected(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(InputError, match="price file"):
        read_prices(file)
    with pytest.raises(InputError, match="none"):
        read_prices(tmp_path / "none")


def test_vm_size_without_price_is_rejected() -> None:
    with pytest.raises(InputError, match="Standard_Unknown") as caught:
        build_pool("Standard_Unknown", nodes=1, spot=True, prices=Prices())
    assert "standard_nc4as_t4_v3" in caught.value.remedy
    assert build_pool("Standard_NC4as_T4_v3", nodes=1, spot=False, prices=Prices()).evictions_per_hour == 0


def test_explicit_figures_override_report_and_table(tmp_path: Path) -> None:
    table = choose_throughput(VIDEO, options=Options(), device="gpu")
    assert table.seconds_per_frame == pytest.approx(0.05)
    assert table.start_up_seconds == 10.0
    scoring = {"frames": 100, "batches": 4, "task_seconds": 60, "start_up_seconds": 20, "devices": ["cuda (T4)"]}
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"scoring": scoring}))
    reported = choose_throughput(VIDEO, options=Options(), device="gpu", report=report)
    assert (reported.seconds_per_frame, reported.start_up_seconds) == (0.4, 5.0)
    explicit = choose_throughput(VIDEO, options=Options(), device="gpu", report=report, start_up_seconds=7)
    assert (explicit.seconds_per_frame, explicit.start_up_seconds) == (0.4, 7)
    assert "report.json" in explicit.source
