"""How fast frames are painted: a table by kind of device, or the report of an earlier run.

A row says whether it was measured (`python -m benchmarks.scoring`) or is a guess.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frame_tools.contracts.errors import InputError


@dataclass(frozen=True, kw_only=True)
class DeviceSpeed:
    """How fast a device paints with the scorer `any`, as a whole task after its start."""

    seconds_per_megapixel: float
    start_up_seconds: float
    source: str


SPEEDS: Final = {
    "cpu": DeviceSpeed(
        seconds_per_megapixel=0.224,
        start_up_seconds=1.5,
        source="measured: python -m benchmarks.scoring, 640x360 at 19.4 frames/s, 2 cores, November 2026",
    ),
    "gpu": DeviceSpeed(
        seconds_per_megapixel=0.05,
        start_up_seconds=10.0,
        source="a guess for a T4, not measured",
    ),
}
"""By kind of device."""


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Seconds for one frame and for a task's start, and where they are from."""

    seconds_per_frame: float
    start_up_seconds: float
    source: str


def pace_of_device(device: str, *, width: int, height: int) -> Throughput:
    """Scale the table's row to a frame's pixels; `device` is a key of SPEEDS."""
    speed = SPEEDS[device]
    return Throughput(
        seconds_per_frame=speed.seconds_per_megapixel * width * height / 1e6,
        start_up_seconds=speed.start_up_seconds,
        source=speed.source,
    )


def pace_of_report(path: Path) -> Throughput:
    """Take the pace from `report.json` of a finished run; it counts for videos of the same size.

    Raises InputError if the file is no report with receipts.
    """
    try:
        said: Any = json.loads(path.read_bytes())["scoring"]
        frames, batches = int(said["frames"]), int(said["batches"])
        total, start_up = float(said["task_seconds"]), float(said["start_up_seconds"])
        source = f"report of {path.name}, {', '.join(map(str, said['devices']))}"
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path} is not the report of a run that scored frames", "Give report.json from output/<run_id>/"
        ) from None
    if frames < 1 or batches < 1 or not 0 <= start_up < total:
        raise InputError(f"The times in {path} make no sense", "Give the report of a run that finished")
    return Throughput(seconds_per_frame=(total - start_up) / frames, start_up_seconds=start_up / batches, source=source)
