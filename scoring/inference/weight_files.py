"""Where weight files lie on a node. No torch here: a command line that needs none must not wait for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

ANY_PAINTING: Final = "any.safetensors"
VGG: Final = "vgg16.safetensors"


def weights_folder(environ: Mapping[str, str]) -> Path:
    """Give the folder of the weights: IMPASTO_WEIGHTS, else `weights` beside this module."""
    named = environ.get("IMPASTO_WEIGHTS")
    return Path(named) if named else Path(__file__).parents[1] / "weights"
