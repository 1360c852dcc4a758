"""Wall and CPU time of a call, divided by its number of arguments."""

import time
from collections.abc import Callable, Sequence
from typing import Any


def time_stage(
    call: Callable[[Any], object],
    arguments: Sequence[Any],
    finish: Callable[[], object] | None = None,
    *,
    frames_per_call: int = 1,
) -> dict[str, float]:
    """Call for each argument, then `finish`, and return milliseconds per frame: `ms` of wall clock and `cpu_ms`."""
    wall, cpu = time.perf_counter(), time.process_time()
    for argument in arguments:
        call(argument)
    if finish is not None:
        finish()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    frames = len(arguments) * frames_per_call
    return {"ms": round(wall / frames * 1e3, 3), "cpu_ms": round(cpu / frames * 1e3, 3)}
