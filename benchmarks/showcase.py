"""Write the README's picture and its loop: a clip, paintings, and the clip painted like each of them.

    python -m benchmarks.showcase picture --clip a.mp4 --paintings a.jpg b.jpg -o docs/showcase.jpg
    python -m benchmarks.showcase loop --clip a.mp4 --paintings a.jpg b.jpg -o docs/showcase.webp

The picture shows a frame, and the same frame painted like each painting, which is in its corner. The loop shows the
first seconds of the clip and of what is painted, side by side, with temporal smoothing, as a run with default options.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.frames import resized
from benchmarks.gallery import fitted, sheet
from benchmarks.painted_clips import Footage, load_scorer, paint_clip, paint_frame
from frame_tools.client.comparison import write_animation
from frame_tools.contracts.options import Options
from scoring.image_codec import decode
from scoring.scorers.any_painting.convert import TRANSFORMER
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.types import Picture

POSITION: Final = 0.8
"""Of the frame in the picture, 0 to 1 of the length of the clip."""
CELL: Final = (400, 225)
INSET: Final = (112, 84)
LOOP_CELL: Final = (320, 180)
"""Width and height in pixels."""
BORDER: Final = 3
"""White pixels around a painting in the corner."""
QUALITY: Final = 84
"""JPEG quality of the picture."""
LOOP_STEP: Final = 3
"""Every third frame of the clip is in the loop; all are painted."""
LOOP_MILLISECONDS: Final = 100
"""Time for which a frame of the loop is shown."""


def showcase(scorer: AnyPainting, footage: Footage, paintings: Sequence[Path]) -> Picture:
    """Return the picture."""
    index = int(POSITION * (len(footage.frames) - 1))
    painted = [
        with_inset(
            fitted(paint_frame(scorer, footage, path, index), CELL),
            fitted(decode(path.read_bytes(), path.name), INSET),
        )
        for path in paintings
    ]
    return sheet([[fitted(footage.frames[index], CELL), *painted]])


def with_inset(picture: Picture, inset: Picture) -> Picture:
    """Return the picture with a smaller one, framed in white, in its lower left corner."""
    height, width = inset.shape[:2]
    out = picture.copy()
    out[-height - 2 * BORDER :, : width + 2 * BORDER] = 255
    out[-height - BORDER : -BORDER, BORDER : width + BORDER] = inset
    return out


def loop(scorer: AnyPainting, footage: Footage, paintings: Sequence[Path], *, count: int) -> Iterator[Image.Image]:
    """Yield every third of the first `count` frames beside the same frame painted like each painting."""
    clips = (paint_clip(scorer, footage, painting, count=count) for painting in paintings)
    for index, (frame, *painted) in enumerate(zip(footage.frames[:count], *clips, strict=True)):
        if index % LOOP_STEP == 0:
            yield Image.fromarray(np.hstack([resized(each, LOOP_CELL) for each in (frame, *painted)]))


def main() -> None:
    """Write what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("picture", "loop"))
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--paintings", nargs="+", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=TRANSFORMER, help="Transformer; default: the repository's.")
    parser.add_argument("--frames", type=int, default=90, help="Frames of the clip in the loop.")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    scorer, footage = load_scorer(arguments.weights), Footage.read(arguments.clip, Options())
    if arguments.what == "picture":
        picture = showcase(scorer, footage, arguments.paintings)
        Image.fromarray(picture).save(arguments.out, quality=QUALITY)
    else:
        images = loop(scorer, footage, arguments.paintings, count=arguments.frames)
        write_animation(list(images), arguments.out, milliseconds=LOOP_MILLISECONDS)
    print(arguments.out)


if __name__ == "__main__":
    main()
