"""Clips for the measurement of temporal smoothing: parts of videos, and scenes drawn over stills with exact motion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.frames import read_frames, resized
from scoring.opencv import remap
from scoring.temporal.flow import GrayImage, VectorField, pixel_grid
from scoring.temporal.measure import motion
from scoring.types import Picture

SIZE: Final = (426, 240)
"""Pixels (width, height) of drawn scenes; clips have about as many pixels."""
STILL_SCALE: Final = 2
"""Size of a still, relative to the scene over it."""
FIXED_POINT_STEPS: Final = 30
PEOPLE: Final = 14
"""Figures that walk through the scene "crowd"."""

Motion: TypeAlias = list[tuple[VectorField, GrayImage]]
Transform: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """Frames of a clip and their motion.

    `motion` tells for each frame but the first where its pixels were in the previous frame, and which of them were
    visible there; `exact` whether that is known exactly, not estimated.
    """

    name: str
    frames: list[Picture]
    motion: Motion
    exact: bool


def read_clip(source: str, count: int) -> Clip:
    """Read frames of a video, scaled down to about as many pixels as SIZE at the same aspect ratio.

    They are from the middle of the video, or from a given frame on: `source` is PATH or PATH:FRAME.
    """
    name, _, first = source.rpartition(":") if source.rpartition(":")[2].isdecimal() else (source, "", "")
    path = Path(name)
    frames = list(read_frames(path))
    start = int(first) if first else max(0, (len(frames) - count) // 2)
    height, width = frames[0].shape[:2]
    scale = min(1.0, (SIZE[0] * SIZE[1] / (width * height)) ** 0.5)
    size = (round(width * scale), round(height * scale))
    frames = [resized(frame, size) for frame in frames[start : start + count]]
    return Clip(path.stem, frames, [motion(a, b) for a, b in pairwise(frames)], exact=False)


def draw_clips(stills: Sequence[Picture], names: Sequence[str], count: int) -> list[Clip]:
    """Draw the scenes of these names, each over the still in its place of SCENES; the stills are used in turn."""
    clips = []
    for index, (name, draw) in enumerate(SCENES.items()):
        if name not in names:
            continue
        clips.append(Clip(name, *draw(_cropped(stills[index % len(stills)]), count), exact=True))
    return clips


def _cropped(still: Picture) -> Picture:
    """Return the middle of a still at the aspect ratio of SIZE, STILL_SCALE times as large."""
    width, height = STILL_SCALE * SIZE[0], STILL_SCALE * SIZE[1]
    scale = max(width / still.shape[1], height / len(still))
    enclosing = resized(still, (max(width, round(still.shape[1] * scale)), max(height, round(len(still) * scale))))
    top, left = (len(enclosing) - height) // 2, (enclosing.shape[1] - width) // 2
    return np.ascontiguousarray(enclosing[top : top + height, left : left + width])


def _camera(transform: Callable[[int], Transform]) -> Callable[[Picture, int], tuple[list[Picture], Motion]]:
    """Return a scene that a moving camera sees: `transform` maps pixels of frame t to pixels of the still."""

    def draw(still: Picture, count: int) -> tuple[list[Picture], Motion]:
        transforms = [transform(t) for t in range(count)]
        frames = [remap(still, _apply(each, _grid()), cv2.INTER_CUBIC) for each in transforms]
        moved = [_apply(np.linalg.inv(before) @ after, _grid()) for before, after in pairwise(transforms)]
        return frames, [(positions, _inside(positions)) for positions in moved]

    return draw


def _window(x: float, y: float, scale: float = 1.0, angle: float = 0.0) -> Transform:
    """Return the map of a frame to a window of the still whose center is (x, y) pixels from the still's."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    (width, height), around = SIZE, STILL_SCALE / 2
    move = np.array([[1, 0, around * width + x], [0, 1, around * height + y], [0, 0, 1]])
    return np.asarray(
        move @ [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]] @ [[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]]
    )


def _pan(t: int) -> Transform:
    return _window(2.7 * t - 60, 0.8 * t - 20)


def _fast_pan(t: int) -> Transform:
    return _window(7.3 * t % 400 - 200, 0)


def _zoom(t: int) -> Transform:
    return _window(0, 0, 1.5 * 0.988**t)


def _hand_held(t: int) -> Transform:
    """Tremble by up to 2 pixels and half a degree per frame, as a hand does: sines of several periods."""
    x, y = 9 * np.sin(t / 5) + 2.5 * np.sin(t / 1.7 + 1), 6 * np.sin(t / 6 + 2) + 2 * np.sin(t / 1.9)
    return _window(x, y, 1.2, 0.01 * np.sin(t / 4) + 0.004 * np.sin(t / 1.6))


def _water(still: Picture, count: int) -> tuple[list[Picture], Motion]:
    """Draw a still seen through waves, whose displacement is a sum of traveling sines."""

    def displaced(positions: VectorField, t: int) -> VectorField:
        x, y = positions[..., 0], positions[..., 1]
        dx = 2.2 * np.sin(x / 19 + y / 11 - t / 2.5) + 1.1 * np.sin(y / 7 - t / 1.9)
        dy = 2.4 * np.sin(x / 23 - y / 9 + t / 2.1) + 0.9 * np.sin(x / 8 + t / 1.7)
        return np.asarray(positions + np.stack([dx, dy], -1), np.float32)

    corner = np.array([SIZE[0] / 2, SIZE[1] / 2], np.float32)
    frames = [remap(still, displaced(_grid(), t) + corner, cv2.INTER_CUBIC) for t in range(count)]
    moves = []
    for t in range(1, count):
        here, positions = displaced(_grid(), t), _grid()
        for _ in range(FIXED_POINT_STEPS):  # converges: the displacement's slope is below 1
            positions = positions + here - displaced(positions, t - 1)
        moves.append((positions, _inside(positions)))
    return frames, moves


def _crowd(still: Picture, count: int) -> tuple[list[Picture], Motion]:
    """Draw figures cut from the still that walk in both directions before it, some of them hiding others."""
    width, height = SIZE
    random = np.random.default_rng(3)
    ground = still[height // 2 : height // 2 + height, width // 2 : width // 2 + width]
    figures = []
    for _ in range(PEOPLE):
        h = int(random.integers(height // 5, height // 2))
        w = h // 3
        y, x = (int(random.integers(0, size - side)) for size, side in ((len(still), h), (still.shape[1], w)))
        top, speed = int(random.integers(height // 4, height - h)), float(random.uniform(0.8, 4.5))
        coat = random.integers(0, 200, 3)
        texture = np.asarray(still[y : y + h, x : x + w] * 0.5 + coat * 0.5, np.uint8)
        figures.append((texture, top, float(random.uniform(0, width)), speed * random.choice([-1, 1])))
    figures.sort(key=lambda figure: figure[1] + len(figure[0]))
    frames, layers, lefts = [], [], []
    for t in range(count):
        frame, layer = ground.copy(), np.full((height, width), -1)
        left_of = []
        for index, (texture, top, start, speed) in enumerate(figures):
            h, w = texture.shape[:2]
            left = round((start + speed * t) % (width + w)) - w
            left_of.append(left)
            mask = np.zeros((h, w), np.uint8)
            cv2.ellipse(mask, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
            columns = slice(max(0, left), min(width, left + w))
            inner = mask[:, columns.start - left : columns.stop - left].astype(bool)
            frame[top : top + h, columns][inner] = texture[:, columns.start - left : columns.stop - left][inner]
            layer[top : top + h, columns][inner] = index
        frames.append(frame)
        layers.append(layer)
        lefts.append(np.array([*left_of, 0]))
    moves = []
    for t in range(1, count):
        positions = _grid()
        positions[..., 0] -= (lefts[t] - lefts[t - 1])[layers[t]]
        before = remap((layers[t - 1] + 1).astype(np.uint8), positions, cv2.INTER_NEAREST)
        moves.append((positions, _inside(positions) * (before == layers[t] + 1).astype(np.uint8)))
    return frames, moves


SCENES: Final = {
    "pan": _camera(_pan),
    "fast pan": _camera(_fast_pan),
    "zoom": _camera(_zoom),
    "hand-held": _camera(_hand_held),
    "water": _water,
    "crowd": _crowd,
}


def _grid() -> VectorField:
    return pixel_grid(range(SIZE[1]), SIZE[0])


def _apply(transform: Transform, positions: VectorField) -> VectorField:
    return np.asarray(positions @ transform[:2, :2].T + transform[:2, 2], np.float32)


def _inside(positions: VectorField) -> GrayImage:
    x, y = positions[..., 0], positions[..., 1]
    return ((x >= 0) & (y >= 0) & (x <= SIZE[0] - 1) & (y <= SIZE[1] - 1)).astype(np.uint8)
