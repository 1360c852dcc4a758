"""Small pictures of frames spread over the run, before and after painting, one sheet of all of them, and the painting.

The Function App decodes no pictures, so tasks write these. The task that completes the last pair writes the sheet; if
two do, they write the same bytes. The task of the first frame writes the picture of the painting.
"""

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeAlias

from PIL import Image

from frame_tools.contracts.batch_borders import spread_sample
from frame_tools.contracts.paths import PairSide, RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.deployment import Storage
from scoring.image_codec import decode_painting
from scoring.postprocess.resize import enlarge
from scoring.types import DeliveredFrame, Picture, StyleFile

LONGER_SIDE: Final = 960
"""Longer side of a small picture, in pixels."""
STYLE_SIDE: Final = 160
"""Longer side of the picture of the painting, in pixels."""
CELL_WIDTH: Final = 480
COLUMNS: Final = 4
GAP: Final = 6
QUALITY: Final = 85
_log = logging.getLogger(__name__)
Pair: TypeAlias = tuple[bytes, bytes]
"""The files of a frame, before and after."""
SIDES: Final[tuple[PairSide, PairSide]] = ("before", "after")


class PairWriter:
    """Writes the pairs of a batch while it is painted, and at its end the sheet, if that completes the pairs.

    `submit` lets another thread write: the frames do not wait for storage.
    """

    def __init__(self, storage: Storage, plan: Plan, *, submit: Callable[[Callable[[], None]], Future[None]]) -> None:
        self._storage, self._plan, self._submit = storage, plan, submit
        self._names = RunPaths(plan.run_id)
        self._indices = spread_sample(plan.frame_count)
        self._pairs: dict[int, Pair] = {}
        self._cells: dict[int, list[Image.Image]] = {}
        self._writing: list[Future[None]] = []

    def add(self, frame: DeliveredFrame) -> None:
        """Take the batch's next frame."""
        index = frame.decoded.position.index
        if index in self._indices:
            # Of the same size as the painted one: the page lays one over the other.
            original = enlarge(frame.decoded.picture, self._plan.scale)
            pair = self._pairs[index] = small_jpeg(original), small_jpeg(frame.picture)
            self._writing.append(self._submit(partial(self._write_pair, index, pair)))

    def _write_pair(self, index: int, pair: Pair) -> None:
        for side, data in zip(SIDES, pair, strict=True):
            self._storage.work.write(self._names.pair(index, side), data)
        self._cells[index] = [cell(data) for data in pair]

    def finish(self) -> None:
        """Wait until the batch's pairs are written; write the sheet if all pairs of the run exist now."""
        for written in self._writing:
            written.result()
        if self._pairs and (pairs := read_pairs(self._storage, self._plan, own=self._pairs)):
            cells = [self._cells.get(index) or [cell(data) for data in pair] for index, pair in pairs.items()]
            self._storage.work.write(self._names.pair_sheet, sheet(cells))


def read_pairs(storage: Storage, plan: Plan, *, own: Mapping[int, Pair]) -> dict[int, Pair]:
    """Return the pairs of the run by frame, in order; empty unless all exist.

    Those of the task's `own` batch are at hand. A run that redoes a part of another one has the other pairs in the
    folder of that run.
    """
    pairs: dict[int, Pair] = {}
    for index in spread_sample(plan.frame_count):
        pair = own.get(index) or _read_pair(storage, plan, index)
        if pair is None:
            return {}
        pairs[index] = pair
    return pairs


def _read_pair(storage: Storage, plan: Plan, index: int) -> Pair | None:
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


def sheet(cells: Sequence[Sequence[Image.Image]]) -> bytes:
    """Return a sheet of the cells of pairs: four columns, the painted frame under the original."""
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


def cell(data: bytes) -> Image.Image:
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
