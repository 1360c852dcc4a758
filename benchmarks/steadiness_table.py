"""The figures of temporal smoothing, and their table in docs/steadiness.md."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Final

BEGIN: Final = "<!-- figures: begin -->"
END: Final = "<!-- figures: end -->"
DRIFT_BEGIN: Final = "<!-- drift: begin -->"
DRIFT_END: Final = "<!-- drift: end -->"
_EXACT: Final = " (exact flow)"
_HEADER: Final = (
    "| clip | painting | weight | warping error | its root | sharpness | style loss | input's warping error |",
    "|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, kw_only=True)
class Point:
    """Ratios to frames painted independently, at one weight: squared warping error, sharpness, style loss."""

    weight: float
    warp: float
    sharp: float
    style: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The figures of a clip with a painting, by increasing weight."""

    clip: str
    painting: str
    points: tuple[Point, ...]
    exact: bool
    """Whether the motion is known exactly, not estimated."""
    unpainted: float
    """Warping error of the input, as a ratio to that of the painted frames."""


class FinishedCurves:
    """Curves in a file, one JSON document a line, so that an interrupted measurement can continue.

    path: the file, which need not exist; with None nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else []
        items = [json.loads(line) for line in lines]
        curves = [Curve(**{**item, "points": tuple(Point(**point) for point in item["points"])}) for item in items]
        self._curves = {(curve.clip, curve.painting): curve for curve in curves}

    def find(self, clip: str, painting: str) -> Curve | None:
        """Return the curve of a clip with a painting, if it is in the file."""
        return self._curves.get((clip, painting))

    def add(self, curve: Curve) -> Curve:
        """Append a curve to the file; returns it."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(curve)) + "\n")
        return curve


def replaced(page: str, begin: str, end: str, text: str) -> str:
    """Return a page with another text between two markers."""
    head, rest = page.split(begin)
    return f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def format_table(curves: Sequence[Curve]) -> str:
    """Return the curves as a Markdown table: one row for each clip, painting and weight, means last."""
    lines = [*_HEADER]
    for curve in curves:
        clip = f"{curve.clip}{_EXACT}" if curve.exact else curve.clip
        lines += [
            f"| {clip} | {curve.painting} | {point.weight:g} | {point.warp:.3f} | {point.warp**0.5:.3f} "
            f"| {point.sharp:.3f} | {point.style:.3f} | {curve.unpainted:.3f} |"
            for point in curve.points
        ]
    for label, exact in (("mean of the clips", False), ("mean with exact flow", True)):
        for points in zip(*(curve.points for curve in curves if curve.exact is exact), strict=True):
            warp, sharp, style = (
                fmean(getattr(point, name) for point in points) for name in ("warp", "sharp", "style")
            )
            root = fmean(point.warp**0.5 for point in points)
            lines.append(
                f"| **{label}** | | {points[0].weight:g} | {warp:.3f} | {root:.3f} | {sharp:.3f} | {style:.3f} | |"
            )
    return "\n".join(lines)


def parse_table(page: str) -> list[Curve]:
    """Read the curves from the table between the markers of a Markdown page."""
    block = page.split(BEGIN)[1].split(END)[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines() if line.startswith("|")]
    measured = [row for row in rows[len(_HEADER) :] if row[1]]
    curves = []
    for (clip, painting), items in groupby(measured, key=lambda row: (row[0], row[1])):
        cells = list(items)
        points = tuple(
            Point(weight=float(row[2]), warp=float(row[3]), sharp=float(row[5]), style=float(row[6])) for row in cells
        )
        curves.append(
            Curve(
                clip=clip.removesuffix(_EXACT),
                painting=painting,
                points=points,
                exact=clip.endswith(_EXACT),
                unpainted=float(cells[0][7]),
            )
        )
    return curves
