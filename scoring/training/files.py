"""File input and output of the commands `tune` and `finetune`."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import safetensors
import safetensors.torch
import torch

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.tuning import TUNED_SUFFIX
from frame_tools.media import images
from frame_tools.media.files import write_atomically
from frame_tools.storage.blobs import sha256_of
from scoring.image_codec import encode_jpeg
from scoring.inference.tensors import best_device, to_pictures
from scoring.inference.weight_files import weights_folder
from scoring.perception.dead_leaves import dead_leaves
from scoring.perception.vgg import load_vgg
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.convert import TRANSFORMER, load_published_networks
from scoring.scorers.any_painting.network import StyleTransferNet
from scoring.scorers.any_painting.tuned import dump_style
from scoring.scorers.any_painting.weights import Networks, load_networks
from scoring.training import augmentation, report
from scoring.training.finetune import Recipe, Terms, finetune
from scoring.training.style_samples import draw_samples
from scoring.training.tune import StepLosses, TuningConfig, predicted_style, tune
from scoring.types import Picture

BEFORE_AFTER_ROWS: Final = 3
FINETUNE_SIDE: Final = 480
"""Pixels: shorter side to which paintings and photos are scaled before parts of them are drawn for fine-tuning."""
CHECKPOINT_STEPS: Final = 100
"""Steps of fine-tuning after which its weights and losses are written."""


@dataclass(frozen=True, kw_only=True)
class TunedFiles:
    """Files that a tuning wrote, and its losses."""

    style: Path
    loss_table: Path
    pictures: Path
    losses: tuple[StepLosses, ...]


def tune_file(
    painting: Path,
    out: Path,
    *,
    photos: Path | None,
    config: TuningConfig,
    vgg: Path,
    on_step: Callable[[int], object],
    weights: Path | None = None,
) -> TunedFiles:
    """Fit a style to a painting file and write it to `out`, with its losses and a before/after picture beside it.

    Raises MissingError or InputError for files that cannot be used.
    """
    if out.suffix != TUNED_SUFFIX:
        raise InputError(f"{out} does not end with {TUNED_SUFFIX}", f"Name it {out.stem}{TUNED_SUFFIX}")
    try:
        data = painting.read_bytes()
    except OSError as error:
        raise MissingError(f"{painting} cannot be read ({error.strerror})", "Give the path of an image file") from error
    device = best_device()
    networks = load_networks(weights or weights_folder({}), device)
    losses: list[StepLosses] = []

    def record(step: int, step_losses: StepLosses) -> None:
        losses.append(step_losses)
        on_step(step)

    draw_photo = _photo_source(photos, config.side)
    picture = np.array(images.read_painting(data))
    style = tune(networks, load_vgg(vgg, device), picture, draw_photo, config=config, on_step=record)
    files = TunedFiles(
        style=out,
        loss_table=out.with_suffix(".loss.csv"),
        pictures=out.with_suffix(".before_after.jpg"),
        losses=tuple(losses),
    )
    sheet = _before_after(networks, (predicted_style(networks, picture), style), draw_photo, config.side)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(files.loss_table, report.losses_csv(losses).encode())
    write_atomically(files.pictures, encode_jpeg(sheet))
    write_atomically(out, dump_style(style.cpu().numpy(), painting=painting.name, painting_sha256=sha256_of(data)))
    return files


def finetune_file(
    paintings: Path,
    photos: Path,
    out: Path,
    *,
    start: Path = TRANSFORMER,
    reference: Path | None = None,
    recipe: Recipe,
    vgg: Path,
    on_step: Callable[[int], object],
) -> None:
    """Train the transformer with the weights in `start` further; write its weights to `out`, its losses beside it.

    The colors of the transformer with the weights in `reference` are kept; None: of that in `start`.
    Both files are written every `CHECKPOINT_STEPS` steps, so a training that is stopped leaves what it has reached.
    Raises MissingError or InputError for files that cannot be used.
    """
    device = best_device()
    started, referred = (_networks_of(path, device) for path in (start, reference or start))
    loaded_vgg = load_vgg(vgg, device)
    pictures = augmentation.read_folder(paintings, FINETUNE_SIDE)
    samples = draw_samples(started, loaded_vgg, pictures, random.Random(recipe.seed))  # noqa: S311 - not for security
    rows: list[dict[str, float]] = []
    out.parent.mkdir(parents=True, exist_ok=True)

    def record(step: int, terms: Terms, average: StyleTransferNet) -> None:
        rows.append(terms.values())
        if step % CHECKPOINT_STEPS == 0 or step == recipe.steps:
            tensors = {name: value.cpu().contiguous() for name, value in average.state_dict().items()}
            write_atomically(out.with_suffix(".loss.csv"), report.terms_csv(rows).encode())
            write_atomically(out, safetensors.torch.save(tensors))
        on_step(step)

    finetune(
        started.transformer,
        loaded_vgg,
        samples,
        augmentation.read_folder(photos, FINETUNE_SIDE),
        reference=referred.transformer,
        recipe=recipe,
        on_step=record,
    )


def _networks_of(path: Path, device: torch.device) -> Networks:
    """Return the networks with the transformer weights of a file, on a device."""
    networks = load_published_networks()
    load_transformer(networks.transformer, path)
    return Networks(networks.predictor.to(device), networks.transformer.to(device))


def load_transformer(transformer: StyleTransferNet, path: Path) -> None:
    """Give a transformer the weights of a file that `finetune` wrote.

    Raises MissingError for a file that cannot be read, InputError for one of other content.
    """
    try:
        tensors = safetensors.torch.load(path.read_bytes())
    except OSError as error:
        raise MissingError(f"{path} cannot be read ({error.strerror})", "Give the path of a file of weights") from error
    except safetensors.SafetensorError as error:
        raise InputError(f"{path} is not a safetensors file ({error})", "Give a file that `finetune` wrote") from error
    expected = {name: value.shape for name, value in transformer.state_dict().items()}
    if {name: value.shape for name, value in tensors.items()} != expected:
        raise InputError(f"{path} has other tensors than the transformer", "Give a file that `finetune` wrote")
    transformer.load_state_dict(tensors)


def _photo_source(photos: Path | None, side: int) -> Callable[[random.Random], Picture]:
    """Return a function that draws a square training picture: a crop of a photo of the folder, or dead leaves."""
    if photos is None:
        return lambda rng: dead_leaves(side, rng)
    loaded = augmentation.read_folder(photos, 2 * side)
    return lambda rng: augmentation.random_square(rng.choice(loaded), side, rng, min_share=0.4)


def _before_after(
    networks: Networks,
    styles: tuple[torch.Tensor, torch.Tensor],
    draw_photo: Callable[[random.Random], Picture],
    side: int,
) -> Picture:
    """Paint some pictures in the styles before and after tuning; each row: the picture, before, after."""
    rng = random.Random(1)  # noqa: S311 - not for security
    rows = []
    for _ in range(BEFORE_AFTER_ROWS):
        photo = draw_photo(rng)
        x = augmentation.to_batch([photo]).to(networks.device)
        with torch.inference_mode():
            painted = [to_pictures(networks.transformer(x, StyleCondition(style)) * 255)[0] for style in styles]
        rows.append([augmentation.resize_shorter_side(photo, side), *painted])
    return report.side_by_side(rows)
