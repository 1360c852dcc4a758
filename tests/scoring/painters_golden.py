"""Golden frames of the painter with the shipped weights, each a small frame as it should come out.

    python -m tests.scoring.painters_golden

makes them anew in tests/support/golden, in the scorer's environment, with the weights where tasks look for them; look
at the pictures before they are kept.
"""

import numpy as np

from scoring import image_codec
from scoring.inference.weight_files import weights_folder
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.types import FramePosition, Picture, StyleMix
from tests.support.golden_pictures import FOLDER, scene
from tests.support.scorer_runs import opened, painting, run_of

CASES = ("shared", "frame", "mixed")


def painted(scorer: AnyPainting, case: str) -> Picture:
    """Paint the scene twice as large as the controls' scene is: strokes need room."""
    picture = np.repeat(np.repeat(scene(), 2, 0), 2, 1)
    moment = (FramePosition(0, 0.0),)

    def sample() -> list[Picture]:
        return [picture, picture[:, ::-1]]

    if case == "mixed":
        files = (("a.png", painting()), ("b.png", painting(2.0)))
        run = run_of(*files, style_mixes=(StyleMix(0, (0.5, 0.5)),), frames=sample)
    else:
        run = run_of(statistics=case, frames=sample)
    return opened(scorer, run)(picture[None], moment)[0]


def main() -> None:
    """Write all pictures."""
    scorer = AnyPainting.load(weights_folder({}))
    for case in CASES:
        (FOLDER / f"painter_{case}.png").write_bytes(image_codec.encode_png(painted(scorer, case)))


if __name__ == "__main__":
    main()
