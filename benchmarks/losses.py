"""Measure content and style losses of painted frames, with the untuned and with a tuned style.

    python -m benchmarks.losses --clips a.mp4 b.mp4 --paintings a.jpg --styles a.safetensors

One frame of each clip, 360 lines high, is painted alone; content and style loss are those of scoring/perception. The
other columns measure the network's grid artifact, fine detail in flat regions, and specks. `--published` compares the
published weights with ours instead of tuned styles with untuned ones.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.gallery import Clip, read_clip
from scoring.image_codec import decode
from scoring.inference.weight_files import VGG, weights_folder
from scoring.perception import losses
from scoring.perception.vgg import Vgg, load_vgg
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.convert import load_published_networks
from scoring.scorers.any_painting.scorer import pad
from scoring.scorers.any_painting.tuned import load_style
from scoring.scorers.any_painting.weights import Networks, load_networks
from scoring.training.augmentation import to_batch
from scoring.training.finetune import features
from scoring.training.tune import predicted_style, style_target

COLUMNS: Final = ("content", "style", "grid", "flat", "specks")


def measure(
    networks: Networks, vgg: Vgg, style: torch.Tensor, target: dict[str, torch.Tensor], clips: Sequence[Clip]
) -> list[float]:
    """Return the mean of each of `COLUMNS` over the clips' frames."""
    rows = []
    for clip in clips:
        x = pad(to_batch([clip.shown]))
        with torch.inference_mode():
            painted = networks.transformer(x, StyleCondition(style))
            painted_features, content = features(vgg, painted), features(vgg, x)
            values = (
                losses.content_loss(painted_features, content),
                losses.style_loss(painted_features, target),
                losses.grid_energy(painted),
                losses.flat_energy(painted, losses.flat_regions(x)),
                losses.specks(painted, x),
            )
        rows.append([value.item() for value in values])
    means: list[float] = np.mean(rows, axis=0).tolist()
    return means


def row(name: str, before: Sequence[float], after: Sequence[float]) -> str:
    """Return a row of the table: before, after and their ratio for each column."""
    cells = (f"{b:.4g} | {a:.4g} | {a / b:.3f}" for b, a in zip(before, after, strict=True))
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="+", type=Path, required=True)
    parser.add_argument("--paintings", nargs="+", type=Path, required=True)
    parser.add_argument("--styles", nargs="+", type=Path, default=[])
    parser.add_argument("--published", action="store_true")
    arguments = parser.parse_args()
    cpu, folder = torch.device("cpu"), weights_folder({})
    ours, vgg = load_networks(folder, cpu), load_vgg(folder / VGG, cpu)
    clips = [read_clip(path) for path in arguments.clips]
    print("| painting | " + " | ".join(f"{name} before | after | ratio" for name in COLUMNS) + " |")
    print("|---" * (1 + 3 * len(COLUMNS)) + "|")
    for i, path in enumerate(arguments.paintings):
        painting = decode(path.read_bytes(), path.name)
        target = style_target(vgg, painting, cpu)
        own = measure(ours, vgg, predicted_style(ours, painting), target, clips)
        if arguments.published:
            theirs = load_published_networks()
            print(row(path.stem, measure(theirs, vgg, predicted_style(theirs, painting), target, clips), own))
        else:
            style = torch.from_numpy(load_style(arguments.styles[i].read_bytes(), arguments.styles[i].name))
            print(row(path.stem, own, measure(ours, vgg, style, target, clips)))


if __name__ == "__main__":
    main()
