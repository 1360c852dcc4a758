"""Compare the folded network of a CPU with the any-painting network itself, and show where the time of a frame goes.

    .venv-scoring/bin/python -m benchmarks.network [--size 640x360 --size 1280x720] [--rounds 9]

All times are CPU times of one thread, and the two forms take turns, so other work on the machine affects both alike.
"""

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.scoring.clip import Size
from scoring.inference.malloc import keep_freed_memory
from scoring.inference.weight_files import weights_folder
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.folded_network import FoldedNetwork
from scoring.scorers.any_painting.network import STRIDE
from scoring.scorers.any_painting.predictor import STYLE_SIZE
from scoring.scorers.any_painting.weights import load_networks

SHOWN: Final = 16
"""Operators with the longest times."""
PASSES: Final = 3
"""Passes in which operators are timed."""


@dataclass(frozen=True)
class Comparison:
    """CPU milliseconds of a frame in both forms, medians over rounds."""

    size: Size
    network_ms: float
    folded_ms: float
    ratio: float
    """Median over rounds of the folded form's time over the network's."""
    levels: float
    """Maximum difference of their pictures, in gray levels."""
    operators: tuple[tuple[str, float], ...]
    """torch's operators in the folded form with their shapes, and milliseconds; medians over passes."""


def compare(size: Size, rounds: int, weights: Path) -> Comparison:
    """Measure both forms at one size, whose sides are multiples of 4."""
    network = load_networks(weights, torch.device("cpu")).transformer
    generator = torch.Generator().manual_seed(0)
    frame = torch.rand(1, 3, size.height, size.width, generator=generator).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        style = network.style(torch.randn(STYLE_SIZE, generator=generator))
        condition = StyleCondition(style, network.measure(frame, style))
        folded = FoldedNetwork(network, condition)
        levels = (folded(frame) - network(frame, condition)).abs().max().item() * 255
        times = [(_cpu_ms(lambda: network(frame, condition)), _cpu_ms(lambda: folded(frame))) for _ in range(rounds)]
        operators = _operator_times(lambda: folded(frame))
    network_ms, folded_ms = (median(column) for column in zip(*times, strict=True))
    ratio = median(after / before for before, after in times)
    return Comparison(size, network_ms, folded_ms, ratio, levels, operators)


def _cpu_ms(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return (time.thread_time() - start) * 1e3


class _Timer(TorchDispatchMode):
    """Adds up the CPU time of each operator."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.ms: defaultdict[str, float] = defaultdict(float)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = time.thread_time()
        result = func(*args, **(kwargs or {}))
        shapes = " ".join(str(list(a.shape)) for a in args[:3] if isinstance(a, torch.Tensor) and a.dim() > 1)
        self.ms[f"{func} {shapes}"] += (time.thread_time() - start) * 1e3
        return result


def _operator_times(call: Callable[[], object]) -> tuple[tuple[str, float], ...]:
    timers = [_Timer() for _ in range(PASSES)]
    for timer in timers:
        with timer:
            call()
    times = {name: median(timer.ms[name] for timer in timers) for name in timers[0].ms}
    return tuple(sorted(times.items(), key=lambda item: -item[1]))


def _size(text: str) -> Size:
    size = Size.parse(text)
    if size.width % STRIDE or size.height % STRIDE:
        raise argparse.ArgumentTypeError(f"{text} has sides that are not multiples of {STRIDE}; use 640x360")
    return size


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=_size, action="append")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for size in arguments.size or [Size(640, 360)]:
        result = compare(size, arguments.rounds, weights_folder(os.environ))
        print(
            f"{size}: network {result.network_ms:.1f} ms, folded {result.folded_ms:.1f} ms, ratio {result.ratio:.3f},"
            f" difference {result.levels:.5f} levels"
        )
        for name, ms in result.operators[:SHOWN]:
            print(f"  {ms:7.2f} ms  {name}")


if __name__ == "__main__":
    main()
