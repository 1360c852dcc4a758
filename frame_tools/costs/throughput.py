"""Throughput of scoring: a table by kind of device, or the report of an earlier run.

Each row names its source: measured (`python -m benchmarks.scoring`) or a guess.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.tuning import TUNING_STEPS
from frame_tools.contracts.working_size import working_size


@dataclass(frozen=True, kw_only=True)
class DeviceSpeed:
    """Speed of a device with the scorer `any`, over a whole task after its start-up."""

    seconds_per_megapixel: float
    """Of the frame as it is scored: network and temporal smoothing."""
    seconds_per_output_megapixel: float
    """Of the frame as it is delivered: reading, resizing, encoding and writing."""
    start_up_seconds: float
    seconds_per_tuning_step: float
    """Of the option `tune`; on one thread of a CPU a step takes 0.25 s (`python -m benchmarks.tuning`)."""
    source: str


SPEEDS: Final = {
    "cpu": DeviceSpeed(
        seconds_per_megapixel=0.2,
        seconds_per_output_megapixel=0.024,
        start_up_seconds=1.5,
        seconds_per_tuning_step=0.21,
        source="measured: python -m benchmarks.scoring, 640x360 at 19.4 frames/s, 2 cores, November 2026",
    ),
    "gpu": DeviceSpeed(
        seconds_per_megapixel=0.04,
        seconds_per_output_megapixel=0.01,
        start_up_seconds=10.0,
        seconds_per_tuning_step=0.05,
        source="a guess for a T4, not measured",
    ),
}
"""By kind of device."""


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Seconds per frame and per task start-up, and the source of these figures."""

    seconds_per_frame: float
    start_up_seconds: float
    source: str
    is_measured: bool = False
    """Whether a run has shown them; those of the table may be far off, because devices differ."""


def tuning_seconds(device: str, paintings: int) -> float:
    """Return the seconds before the first frame in which so many paintings are tuned; `device` is a key of SPEEDS.

    It is the most that they take: a painting that was tuned before takes nothing.
    """
    return paintings * TUNING_STEPS * SPEEDS[device].seconds_per_tuning_step


def delivery_seconds(device: str, *, width: int, height: int, scale: int = 1) -> float:
    """Return the seconds that a frame takes besides scoring, when it is delivered at `scale` times its size.

    `device` is a key of SPEEDS. Reading costs less than writing, so the pixels of the delivered frame decide.
    """
    return SPEEDS[device].seconds_per_output_megapixel * width * height * scale**2 / 1e6


def device_throughput(device: str, *, width: int, height: int, options: Options) -> Throughput:
    """Return the throughput of a device for frames of this size; `device` is a key of SPEEDS.

    It scales with the pixels of a frame as it is scored (`strokes` and `size` choose them) and as it is delivered.
    """
    speed = SPEEDS[device]
    scored_width, scored_height = working_size(width, height, options)
    scored = speed.seconds_per_megapixel * scored_width * scored_height / 1e6
    return Throughput(
        seconds_per_frame=scored + delivery_seconds(device, width=width, height=height),
        start_up_seconds=speed.start_up_seconds,
        source=speed.source,
    )


def stroke_factor(width: int, height: int, options: Options) -> float | None:
    """Return how many times as long a frame takes as with the scorer's default strokes, on a CPU.

    None for scorers without strokes, and for options that give `size`.
    """
    default = options.model_copy(update={"strokes": None}).with_default_strokes
    if options.size is not None or default.strokes is None or not SCORERS[options.scorer].has_known_throughput:
        return None
    chosen, usual = (
        device_throughput("cpu", width=width, height=height, options=each).seconds_per_frame
        for each in (options.with_default_strokes, default)
    )
    return chosen / usual


def report_throughput(path: Path) -> Throughput:
    """Read the throughput from `report.json` of a finished run; valid for videos of the same frame size.

    Of a run that tuned its style, the table says how long a task starts: its tasks tuned before, or waited for that.
    Raises InputError if the file is not the report of a run that scored frames.
    """
    try:
        report: Any = json.loads(path.read_bytes())
        scoring, options = report["scoring"], report.get("plan", {}).get("options", {})
        frames, batches = int(scoring["frames"]), int(scoring["batches"])
        tasks = int(scoring.get("tasks", batches))  # in reports of earlier versions each batch had its own task
        total, start_up = float(scoring["task_seconds"]), float(scoring["start_up_seconds"])
        devices = ", ".join(map(str, scoring["devices"]))
        is_tuned = bool(options.get("tune"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{path} is not the report of a run that scored frames", "Use report.json from output/<run_id>/."
        ) from None
    if frames < 1 or tasks < 1 or not 0 <= start_up < total:
        raise InputError(f"The times in {path} are inconsistent", "Use the report of a finished run.")
    usual_start_up = SPEEDS["gpu" if "cuda" in devices else "cpu"].start_up_seconds
    return Throughput(
        seconds_per_frame=(total - start_up) / frames,
        start_up_seconds=min(start_up / tasks, usual_start_up) if is_tuned else start_up / tasks,
        source=f"report of {path.name}, {devices}",
        is_measured=True,
    )
