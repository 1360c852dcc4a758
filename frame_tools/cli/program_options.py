"""Command-line options that say how a program is called, for `scorer try` and `scorer allow`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from frame_tools.contracts.plan import MAX_FRAMES_PER_CALL, MAX_SCALE


class PrecisionChoice(StrEnum):
    """The values of --precision."""

    float32 = "float32"
    float16 = "float16"


Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--files", "-f", help='A file beside a script, such as weights: context.files["NAME"]. Repeat for several.'
    ),
]
Scale = Annotated[
    int, typer.Option("--scale", min=1, max=MAX_SCALE, help="Size of the pictures, as a multiple of the frames' size.")
]
FramesPerCall = Annotated[
    int | None,
    typer.Option(
        "--frames-per-call",
        min=1,
        max=MAX_FRAMES_PER_CALL,
        help="Frames in one call; the last call may have fewer. Default: a script's own frames_per_call, else 1.",
    ),
]
Precision = Annotated[
    PrecisionChoice,
    typer.Option(
        "--precision", help="Of a model: float16 on a GPU, if its first frame comes out the same; a CPU uses float32."
    ),
]
