"""Compare the shipped recipe of tuning with another one: CPU seconds, and losses of painted frames.

    python -m benchmarks.tuning --clips a.mp4 b.mp4 --paintings a.jpg b.jpg

`--reference` names the other one. `large` (the default) paints two squares of 192 pixels in each of its 600 steps and
compares each alone with the painting; it is what tuning did before it was a part of runs, and takes about five minutes
on two cores. `alone` does the same with one square of the shipped recipe's size. The losses are those of
`benchmarks.losses`; a ratio of 1 means that the shipped recipe is as good. Nothing else should run: threads that wait
count as CPU time, too.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.losses import COLUMNS, FramePair, measure, read_pair
from scoring.image_codec import decode
from scoring.inference.weight_files import VGG, weights_folder
from scoring.perception.dead_leaves import dead_leaves
from scoring.perception.vgg import Vgg, load_vgg
from scoring.scorers.any_painting.weights import Networks, load_networks
from scoring.training.tune import TuningConfig, style_target, tune
from scoring.types import Picture

ALONE: Final = TuningConfig(steps=600, gram_rate=1.0, content_tolerance=0.045, grid_weight=1000.0)
REFERENCES: Final = {"large": replace(ALONE, side=192, squares_per_step=2), "alone": ALONE}
LINES: Final = 360
"""Height of the painted frames, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a tuning took, and `COLUMNS` of what is painted in its style."""

    seconds: float
    cpu_seconds: float
    losses: tuple[float, ...]


def measure_recipe(
    networks: Networks, vgg: Vgg, painting: Picture, clips: Sequence[FramePair], config: TuningConfig
) -> Measured:
    """Tune to a painting and measure the result."""
    started, started_cpu = time.perf_counter(), time.process_time()
    style = tune(
        networks, vgg, painting, lambda rng: dead_leaves(config.side, rng), config=config, on_step=lambda *_: None
    )
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    target = style_target(vgg, painting, networks.device)
    return Measured(
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        losses=tuple(measure(networks, vgg, style, target, clips)),
    )


def row(name: str, reference: Measured, shipped: Measured) -> str:
    """Return a row of the table: seconds of both recipes, and the ratios of the losses, shipped over reference."""
    ratios = [f"{after / before:.3f}" for before, after in zip(reference.losses, shipped.losses, strict=True)]
    times = [f"{each.seconds:.0f} s ({each.cpu_seconds:.0f} s CPU)" for each in (reference, shipped)]
    return f"| {' | '.join([name, *times, *ratios])} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="+", type=Path, required=True)
    parser.add_argument("--paintings", nargs="+", type=Path, required=True)
    parser.add_argument("--reference", choices=REFERENCES, default="large")
    arguments = parser.parse_args()
    cpu, folder = torch.device("cpu"), weights_folder({})
    networks, vgg = load_networks(folder, cpu), load_vgg(folder / VGG, cpu)
    clips = [read_pair(path, LINES) for path in arguments.clips]
    print(f"| painting | reference | shipped | {' | '.join(COLUMNS)} |")
    print("|---" * (3 + len(COLUMNS)) + "|")
    for path in arguments.paintings:
        painting = decode(path.read_bytes(), path.name)
        recipes = (REFERENCES[arguments.reference], TuningConfig())
        results = [measure_recipe(networks, vgg, painting, clips, each) for each in recipes]
        print(row(path.stem, *results), flush=True)


if __name__ == "__main__":
    main()
