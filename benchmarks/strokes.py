"""Write the sheet of stroke sizes for docs/gallery.md: one frame at several resolutions, painted in each size.

    python -m benchmarks.strokes --clip a.mp4 --painting a.jpg --lines 720 1080 -o strokes.jpg

The frame is scaled to each number of lines before it is painted, as the frame of such a video.
"""

import argparse
from pathlib import Path
from typing import Final, get_args

import numpy as np

from benchmarks.frames import resized
from frame_tools.contracts.choices import StrokeName
from frame_tools.contracts.options import Options
from frame_tools.contracts.preview import PreviewRow, PreviewStyle
from frame_tools.contracts.working_size import working_size
from frame_tools.costs.throughput import stroke_factor
from frame_tools.media.frame_samples import sample_images
from scoring.inference.weight_files import weights_folder
from scoring.preview.looks import LookPainter
from scoring.preview.sheet import SheetRow, draw_sheet
from scoring.types import Picture

QUALITY: Final = 82
"""JPEG quality."""


def at_lines(picture: Picture, lines: int) -> Picture:
    """Return the picture at this height."""
    height, width = picture.shape[:2]
    return resized(picture, (round(width * lines / height / 2) * 2, lines))


def strokes_row(frame: Picture, painting: Path, weights: Path) -> SheetRow:
    """Return a frame and its paintings, one for each stroke size; the text says at which size the network worked."""
    height, width = frame.shape[:2]
    painter, pictures, lines = LookPainter([frame], (width, height), weights), [frame], [f"{height} lines"]
    for strokes in get_args(StrokeName):
        options = Options(strokes=strokes)
        style = PreviewStyle(path=painting, weight=1.0)
        look = painter.paint(PreviewRow(options=options, styles=(style,), label=(strokes,), caption=""))
        pictures += look.pictures
        factor = stroke_factor(width, height, options) or 1.0
        lines.append(f"{strokes}: painted at {min(working_size(width, height, options))} lines, {factor:.1f}x")
    return SheetRow(label=lines, pictures=pictures, caption="the clip; fine, medium and broad strokes")


def main() -> None:
    """Write the sheet that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--painting", type=Path, required=True)
    parser.add_argument("--lines", nargs="+", type=int, default=[720, 1080])
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    frame = np.asarray(sample_images(arguments.clip, 1)[0], np.uint8)
    weights = weights_folder({})
    rows = [strokes_row(at_lines(frame, lines), arguments.painting, weights) for lines in arguments.lines]
    draw_sheet(rows).save(arguments.out, quality=QUALITY)
    print(arguments.out)


if __name__ == "__main__":
    main()
