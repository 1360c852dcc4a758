"""Golden frames of the any-painting scorer with the shipped weights.

    .venv-scoring/bin/python -m tests.unit.scoring.scorers.any_painting.golden_frames

writes them to the folder `golden` beside this file, with the weights of the weights folder. Inspect the pictures before
you commit them.
"""

from pathlib import Path

import numpy as np

from scoring import image_codec
from scoring.inference.weight_files import weights_folder
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.types import FramePosition, Picture, StyleMix
from tests.support.golden_pictures import scene
from tests.support.scorer_runs import opened, painting, run_of

FOLDER = Path(__file__).parent / "golden"
CASES = ("shared", "frame", "mixed")


def painted(scorer: AnyPainting, case: str) -> Picture:
    """Paint the scene at twice its size: strokes need room."""
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
        (FOLDER / f"{case}.png").write_bytes(image_codec.encode_png(painted(scorer, case)))


if __name__ == "__main__":
    main()
