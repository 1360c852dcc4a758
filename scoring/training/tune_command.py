"""The command `tune`: files in, files out, around `tune.tune`."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.media import images
from frame_tools.media.files import write_atomically
from frame_tools.storage.blobs import sha256_of
from scoring.image_codec import encode_jpeg
from scoring.inference.tensors import best_device, to_pictures
from scoring.inference.weight_files import weights_folder
from scoring.perception.vgg import load_vgg
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.scorer import TUNED_SUFFIX
from scoring.scorers.any_painting.tuned import dump_style
from scoring.scorers.any_painting.weights import Networks, load_networks
from scoring.training import pictures, report
from scoring.training.scenes import dead_leaves
from scoring.training.tune import Losses, Tuning, predicted, tune
from scoring.types import Picture

SHOWN = 3
"""Rows of the before/after picture."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a tuning wrote."""

    style: Path
    loss_table: Path
    pictures: Path
    losses: tuple[Losses, ...]


def tune_file(
    painting: Path,
    out: Path,
    *,
    photos: Path | None,
    steps: int,
    vgg: Path,
    on_step: Callable[[int], object],
    weights: Path | None = None,
) -> Made:
    """Fit a style to the painting's file and write it to `out`, with its losses and pictures beside it.

    Raises MissingError or InputError for files that can't be used.
    """
    if out.suffix != TUNED_SUFFIX:
        raise InputError(f"{out} does not end with {TUNED_SUFFIX}", f"Name it {out.stem}{TUNED_SUFFIX}")
    try:
        data = painting.read_bytes()
    except OSError as error:
        raise MissingError(f"{painting} can't be read ({error.strerror})", "Give the path of an image file") from error
    device, tuning = best_device(), Tuning(steps=steps)
    networks = load_networks(weights or weights_folder({}), device)
    told: list[Losses] = []

    def note(step: int, losses: Losses) -> None:
        told.append(losses)
        on_step(step)

    photo = _practice(photos, tuning.side)
    picture = np.array(images.read_rgb(data))
    style = tune(networks, load_vgg(vgg, device), picture, photo, tuning=tuning, on_step=note)
    made = Made(
        style=out,
        loss_table=out.with_suffix(".loss.csv"),
        pictures=out.with_suffix(".before_after.jpg"),
        losses=tuple(told),
    )
    sheet = _before_after(networks, (predicted(networks, picture), style), photo, tuning.side)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(made.loss_table, report.losses_csv(told).encode())
    write_atomically(made.pictures, encode_jpeg(sheet))
    write_atomically(out, dump_style(style.cpu().numpy(), painting=painting.name, painting_sha256=sha256_of(data)))
    return made


def _practice(photos: Path | None, side: int) -> Callable[[random.Random], Picture]:
    """Give what draws a square picture to practise on: cut out of a folder's photos, or drawn."""
    if photos is None:
        return lambda rng: dead_leaves(side, rng)
    read = pictures.read_folder(photos, 2 * side)
    return lambda rng: pictures.cut(rng.choice(read), side, rng, smallest=0.4)


def _before_after(
    networks: Networks, styles: tuple[torch.Tensor, torch.Tensor], photo: Callable[[random.Random], Picture], side: int
) -> Picture:
    """Paint some pictures in the styles before and after; each row: the picture, before, after."""
    rng = random.Random(1)  # noqa: S311 - for variety, not for secrets
    rows = []
    for _ in range(SHOWN):
        drawn = photo(rng)
        x = pictures.tensor([drawn]).to(networks.device)
        with torch.inference_mode():
            painted = [to_pictures(networks.transformer(x, StyleCondition(style)) * 255)[0] for style in styles]
        rows.append([pictures.scaled(drawn, side), *painted])
    return report.side_by_side(rows)
