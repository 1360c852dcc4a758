"""What tuning leaves beside the style: the loss curve as SVG, and the same pictures before and after."""

from collections.abc import Sequence
from html import escape
from itertools import accumulate

import cv2
import numpy as np

from scoring.training.tune import Losses
from scoring.types import Picture

WIDTH, HEIGHT, LEFT, TOP = 720, 300, 60, 60
GAP = 8
_COLORS = {"content": "#2b3a42", "style": "#b3372f"}
_KEPT = 0.9


def curve(losses: Sequence[Losses], title: str) -> str:
    """Return an SVG document: both losses over the steps, smoothed, each on its own scale from 0 to its highest."""
    head = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {head} font-family="system-ui,sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fbfaf7"/>',
        f'<text x="{LEFT}" y="24" font-size="16">{escape(title)}</text>',
    ]
    for row, name in enumerate(_COLORS):
        values = _smoothed([getattr(loss, name) for loss in losses])
        highest = max(values)
        points = " ".join(
            f"{LEFT + i * (WIDTH - 2 * LEFT) / max(1, len(values) - 1):.1f},"
            f"{HEIGHT - TOP + (TOP * 2 - HEIGHT) * value / highest:.1f}"
            for i, value in enumerate(values)
        )
        told = f"{name}: {values[0]:.3f} at the start, {values[-1]:.3f} at the end"
        parts.append(f'<polyline fill="none" stroke="{_COLORS[name]}" stroke-width="2" points="{points}"/>')
        parts.append(f'<text x="{LEFT}" y="{HEIGHT - 34 + 18 * row}" fill="{_COLORS[name]}">{told}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _smoothed(values: Sequence[float]) -> list[float]:
    return list(accumulate(values, lambda mean, value: _KEPT * mean + (1 - _KEPT) * value))


def side_by_side(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Return one picture of rows of pictures, all of one size, with gaps between them."""
    height, width = rows[0][0].shape[:2]
    down, across = len(rows), len(rows[0])
    sheet: Picture = np.full((down * (height + GAP) - GAP, across * (width + GAP) - GAP, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + GAP), j * (width + GAP)
            sheet[top : top + height, left : left + width] = cv2.resize(picture, (width, height))
    return sheet
