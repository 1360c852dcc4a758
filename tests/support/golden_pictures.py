"""Golden pictures of the postprocessing options: small frames with the expected result.

    python -m tests.support.golden_pictures

writes them to tests/support/golden, in the scorer's environment. Inspect the pictures before committing them.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from frame_tools.contracts.options import Options
from scoring import image_codec
from scoring.postprocess.compositor import Compositor
from scoring.postprocess.resize import to_working_size
from scoring.types import Picture

FOLDER = Path(__file__).parent / "golden"
SIZE = (64, 48)
"""Width and height."""


def scene() -> Picture:
    """Draw the input: a sky with a gradient, a green hill, a red ball with a dark edge, fine stripes."""
    width, height = SIZE
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([60 + rows, 110 + rows, 200 - rows], axis=2).astype(np.uint8)
    picture[rows > 34 + 4 * np.sin(columns / 9)] = (70, 130, 40)
    picture[:, 48:60:2] //= 2
    cv2.circle(picture, (22, 24), 11, (210, 60, 40), -1, cv2.LINE_AA)
    cv2.circle(picture, (22, 24), 11, (40, 20, 20), 1, cv2.LINE_AA)
    return picture


def painting() -> Picture:
    """Draw a stand-in for the output of a network: other colors, and strokes."""
    picture = scene().astype(np.float64)
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    strokes = 24 * np.sin(columns / 2.1 + np.sin(rows / 3))
    mixed = picture @ np.array([[0.1, 0.2, 0.9], [0.4, 0.6, 0.1], [0.5, 0.1, 0.3]]).T
    return np.clip(mixed + strokes[..., None], 0, 255).astype(np.uint8)


def mask() -> np.ndarray:
    """Draw a soft mask: black on the left, white on the right."""
    return np.broadcast_to(np.linspace(-80, 335, SIZE[0]).clip(0, 255).astype(np.uint8), SIZE[::-1]).copy()


def composited(*, reduction: int = 1, use_mask: bool = False, **options: object) -> Picture:
    """Composite the painting, scored at 1 / `reduction` of its size."""
    scored = to_working_size(painting(), (SIZE[0] // reduction, SIZE[1] // reduction))
    return Compositor(Options.model_validate(options))(scene(), scored, mask() if use_mask else None)


CASES: dict[str, Callable[[], Picture]] = {
    "luma": lambda: composited(preserve_color="luma"),
    "statistics": lambda: composited(preserve_color="statistics"),
    "enlarged": lambda: composited(reduction=2),
    "masked": lambda: composited(use_mask=True),
    "all": lambda: composited(reduction=2, use_mask=True, preserve_color="luma", strength=0.7),
}


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in CASES.items():
        (FOLDER / f"controls_{name}.png").write_bytes(image_codec.encode_png(make()))


if __name__ == "__main__":
    main()
