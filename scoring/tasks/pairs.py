"""Small pictures of frames spread over the run, before and after painting, one sheet of all of them, and the painting.

The Function App decodes no pictures, so tasks write these. The task that completes the last pair writes the sheet; if
two do, they write the same bytes. The task of the first frame writes the picture of the painting.
"""

import io
import logging
from collections.abc import Sequence
from typing import Final

from PIL import Image

from frame_tools.contracts.batch_borders import spread_sample
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import PairSide, RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.deployment import Storage
from scoring.image_codec import decode_painting
from scoring.pipeline.frame_reader import PictureSource, read_frame
from scoring.postprocess.resize import enlarge
from scoring.types import Picture, StyleFile

LONGER_SIDE: Final = 960
"""Longer side of a small picture, in pixels."""
STYLE_SIDE: Final = 160
"""Longer side of the picture of the painting, in pixels."""
CELL_WIDTH: Final = 480
COLUMNS: Final = 4
GAP: Final = 6
QUALITY: Final = 85
_log = logging.getLogger(__name__)
SIDES: Final[tuple[PairSide, PairSide]] = ("before", "after")


class PairWriter:
    """Keeps the painted frames of a batch that belong to pairs, and writes the pairs at its end."""

    def __init__(self, storage: Storage, plan: Plan, manifest: Manifest, source: PictureSource, *, start: int) -> None:
        self._storage, self._plan, self._manifest, self._source = storage, plan, manifest, source
        self._names = RunPaths(plan.run_id)
        self._indices = spread_sample(plan.frame_count)
        self._next = start
        self._painted: dict[int, bytes] = {}

    def add(self, picture: Picture) -> None:
        """Take the batch's next painted frame, in order."""
        if self._next in self._indices:
            self._painted[self._next] = small_jpeg(picture)
        self._next += 1

    def write(self) -> None:
        """Write the batch's pairs, and the sheet if all pairs of the run exist now."""
        work = self._storage.work
        for index, painted in self._painted.items():
            # Of the same size as the painted one: the page lays one over the other.
            original = enlarge(read_frame(self._manifest, self._source, index).picture, self._plan.scale)
            work.write(self._names.pair(index, "before"), small_jpeg(original))
            work.write(self._names.pair(index, "after"), painted)
        if self._painted and (pairs := read_pairs(self._storage, self._plan)):
            work.write(self._names.pair_sheet, sheet(pairs))


def read_pairs(storage: Storage, plan: Plan) -> list[tuple[bytes, bytes]]:
    """Return the pairs of the run, before and after; empty unless all exist.

    A run that redoes a part of another one has the other pairs in the folder of that run.
    """
    pairs: list[tuple[bytes, bytes]] = []
    for index in spread_sample(plan.frame_count):
        pair = _read_pair(storage, plan, index)
        if pair is None:
            return []
        pairs.append(pair)
    return pairs


def _read_pair(storage: Storage, plan: Plan, index: int) -> tuple[bytes, bytes] | None:
    for run_id in filter(None, (plan.run_id, plan.parent)):
        before, after = (storage.work.read(RunPaths(run_id).pair(index, side)) for side in SIDES)
        if before is not None and after is not None:
            return before.data, after.data
    return None


def write_style_picture(storage: Storage, plan: Plan, styles: Sequence[StyleFile]) -> None:
    """Write a small picture of the run's first painting; other kinds of styles are no pictures.

    Raises InputError if the painting cannot be decoded.
    """
    paintings = (style for planned, style in zip(plan.styles, styles, strict=True) if planned.kind == "painting")
    painting = next(paintings, None)
    if painting is not None:
        picture = small_jpeg(decode_painting(painting.data, painting.name), side=STYLE_SIDE)
        storage.work.write(RunPaths(plan.run_id).style_picture, picture)


def small_jpeg(picture: Picture, *, side: int = LONGER_SIDE) -> bytes:
    """Encode a picture at no more than `side` pixels."""
    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _jpeg(image)


def sheet(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return a sheet of the pairs: four columns, the painted frame under the original."""
    cells = [[_cell(data) for data in pair] for pair in pairs]
    height = max(image.height for pair in cells for image in pair)
    rows = -(-len(cells) // COLUMNS)
    columns = min(COLUMNS, len(cells))
    pair_height = 2 * height + GAP
    canvas = Image.new("RGB", (columns * (CELL_WIDTH + GAP) - GAP, rows * (pair_height + 2 * GAP) - 2 * GAP), "white")
    for position, pair in enumerate(cells):
        left = position % COLUMNS * (CELL_WIDTH + GAP)
        top = position // COLUMNS * (pair_height + 2 * GAP)
        for offset, image in enumerate(pair):
            canvas.paste(image, (left, top + offset * (height + GAP)))
    return _jpeg(canvas)


def _cell(data: bytes) -> Image.Image:
    """Return a picture in the size of a cell; a gray line for one that is damaged, which must not fail the batch."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB").resize(
                (CELL_WIDTH, max(1, round(image.height * CELL_WIDTH / image.width))), Image.Resampling.LANCZOS
            )
    except (OSError, Image.DecompressionBombError) as error:
        _log.warning("a picture of the sheet is damaged: %s", error)
        return Image.new("RGB", (CELL_WIDTH, 1), "gray")


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
