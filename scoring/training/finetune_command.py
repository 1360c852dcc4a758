"""The command `finetune`: folders of pictures in, the transformer's weights out, around `finetune.finetune`."""

from collections.abc import Callable
from pathlib import Path

import safetensors.torch

from frame_tools.media.files import write_atomically
from scoring.inference.tensors import best_device
from scoring.perception.vgg import load_vgg
from scoring.scorers.any_painting.convert import published
from scoring.scorers.any_painting.weights import Networks
from scoring.training import pictures
from scoring.training.finetune import Recipe, finetune

SHORTER_SIDE = 400
"""Pixels to which paintings and photos are scaled before squares are cut out of them."""


def finetune_file(
    paintings: Path, photos: Path, out: Path, *, recipe: Recipe, vgg: Path, on_step: Callable[[int], object]
) -> None:
    """Train from the published weights (the installed package's) and write the transformer's to `out`."""
    device, networks = best_device(), published()
    trained = finetune(
        Networks(networks.predictor.to(device), networks.transformer.to(device)),
        load_vgg(vgg, device),
        pictures.read_folder(paintings, SHORTER_SIDE),
        pictures.read_folder(photos, SHORTER_SIDE),
        recipe=recipe,
        on_step=lambda step, _terms, _average: on_step(step),
    )
    tensors = {name: value.cpu().contiguous() for name, value in trained.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, safetensors.torch.save(tensors))
