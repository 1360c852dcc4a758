"""From a scorer's name to the loaded scorer. Networks are imported only by the scorer that needs them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from frame_tools.errors import InputError
from scoring.copying import Copying
from scoring.protocol import Scorer


def load(name: str, weights: Path) -> Scorer:
    """Load the scorer `name` with its weights from the folder `weights`; an unknown name is an InputError."""
    if name not in LOADERS:
        raise InputError(f"There is no scorer {name!r}", f"Use one of: {', '.join(sorted(LOADERS))}")
    return LOADERS[name](weights)


def _copying(_weights: Path) -> Scorer:
    return Copying()


def _any_painting(weights: Path) -> Scorer:
    from scoring.stylize import AnyPainting  # torch takes seconds to import; `copy` must not pay for it

    return AnyPainting.load(weights)


LOADERS: Mapping[str, Callable[[Path], Scorer]] = {"any": _any_painting, "copy": _copying}
"""Name of a scorer, as a trigger file says it -> what loads it from the folder of weights."""
