"""Tuning as a part of a run: from the bytes of a painting to those of its style, with drawn training pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from frame_tools.contracts.errors import DamagedError
from frame_tools.contracts.scorers import VGG_WEIGHTS
from frame_tools.storage.blobs import sha256_of
from scoring.image_codec import decode_painting
from scoring.inference.tensors import best_device
from scoring.inference.weight_files import VGG
from scoring.perception.dead_leaves import dead_leaves
from scoring.perception.vgg import load_vgg
from scoring.scorers.any_painting.tuned import dump_style
from scoring.scorers.any_painting.weights import load_networks
from scoring.training.tune import TuningConfig, tune
from scoring.types import StyleFile

CONFIG: Final = TuningConfig()


class TunedFileMaker:
    """Tunes styles with the weights of a folder, which are loaded for each painting."""

    def __init__(self, weights: Path) -> None:
        self._weights = weights

    def __call__(self, painting: StyleFile, on_step: Callable[[int], object]) -> bytes:
        """Return the file of the style that is tuned to a painting.

        Raises InputError if the painting cannot be decoded, MissingError or DamagedError without the weights.
        """
        picture, device = decode_painting(painting.data, painting.name), best_device()
        path = self._weights / VGG
        vgg = load_vgg(path, device)
        sha256 = sha256_of(path.read_bytes())
        if sha256 != VGG_WEIGHTS:
            remedy = "Create the VGG16 weights again with: python -m scoring vgg"
            raise DamagedError(f"{path} has sha256 {sha256}, not {VGG_WEIGHTS}", remedy)
        style = tune(
            load_networks(self._weights, device),
            vgg,
            picture,
            lambda rng: dead_leaves(CONFIG.side, rng),
            config=CONFIG,
            on_step=lambda step, _losses: on_step(step),
        )
        return dump_style(style.cpu().numpy(), painting=painting.name, painting_sha256=sha256_of(painting.data))
