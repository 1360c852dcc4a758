"""Location of weight files on a node. Imports no torch: commands that do not need it must not wait for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

ANY_PAINTING: Final = "any.safetensors"
VGG: Final = "vgg16.safetensors"


def weights_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the weights: IMPASTO_WEIGHTS, else `scoring/weights`."""
    configured = environ.get("IMPASTO_WEIGHTS")
    return Path(configured) if configured else Path(__file__).parents[1] / "weights"
