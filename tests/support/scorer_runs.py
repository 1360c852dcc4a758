"""Run inputs for tests: paintings, sample frames and positions, as a task has them."""

import numpy as np
from PIL import Image

from frame_tools.contracts.options import Options
from frame_tools.media.images import encode_png
from scoring.types import FramePosition, RunInputs, StyleFile, StyleMix


def painting(shift=0.0):
    """Return the file of a painting; another `shift` gives another painting."""
    rows, columns = np.mgrid[0:300, 0:400]
    swirl = np.sin(rows / 9 + shift) * np.cos(columns / 13)
    colors = np.stack([swirl, -swirl, np.sin(columns / 5 + shift)], axis=2)
    return encode_png(Image.fromarray(((colors + 1) * 127).astype(np.uint8)))


def sample(count=3, height=40, width=56):
    """Return frames of noise."""
    generator = np.random.default_rng(7)
    return [generator.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


def run_of(*styles, style_mixes=None, frames=None, **options):
    """Return a run's inputs; `styles` are files (name, data), by default one painting."""
    files = tuple(StyleFile(*style) for style in styles or (("swirls.png", painting()),))
    first = StyleMix(0, (1.0, *[0.0] * (len(files) - 1)))
    return RunInputs(
        options=Options(**options), styles=files, style_mixes=style_mixes or (first,), sample=frames or sample
    )


def positions(count, *, start=0, rate=25):
    """Return consecutive frame positions."""
    return tuple(FramePosition(index, index / rate) for index in range(start, start + count))


def opened(scorer, run=None):
    """Prepare a run like its first task, and return the scorer's function for it."""
    run = run or run_of()
    return scorer.open(run, scorer.prepare(run))
