"""Scenes with exact motion: windows that pan, a picture that turns, what passes by, clouds; and flickering paint."""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.opencv import remap
from scoring.types import Picture

Flow: TypeAlias = NDArray[np.float32]
"""Vectors (H, W, 2), x before y, in pixels."""
Shares: TypeAlias = NDArray[np.float32]
"""Values 0 to 1, (H, W)."""


def wide_picture(height: int = 160, width: int = 400, seed: int = 0) -> Picture:
    """Draw soft blobs of color with fine grain, on which optical flow works well."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            random.uniform(0, 255, (max(2, height // s), max(2, width // s), 3)), (width, height), interpolation=3
        )
        for s in (3, 8, 24)
    ]
    return np.clip(sum(layers) / 3, 0, 255).astype(np.uint8)


def pan(count: int, size: tuple[int, int] = (96, 128), step: tuple[int, int] = (3, 1), seed: int = 0) -> list[Picture]:
    """Return frames of a window, (height, width), that moves by `step` (x, y) pixels per frame."""
    height, width = size
    still = wide_picture(height + abs(step[1]) * count, width + abs(step[0]) * count, seed)
    return [
        np.ascontiguousarray(still[step[1] * t : step[1] * t + height, step[0] * t : step[0] * t + width])
        for t in range(count)
    ]


def turning(size: tuple[int, int] = (180, 240), angle: float = 2.0, zoom: float = 1.0) -> tuple[list[Picture], Flow]:
    """Return two frames, the second turned by `angle` degrees and magnified, and the exact flow back to the first."""
    height, width = size
    margin = 40
    around = wide_picture(height + 2 * margin, width + 2 * margin)
    matrix = cv2.getRotationMatrix2D((width / 2 + margin, height / 2 + margin), angle, zoom)
    turned = cv2.warpAffine(around, matrix, around.shape[1::-1], flags=cv2.INTER_CUBIC)
    inner = np.s_[margin : margin + height, margin : margin + width]
    y, x = np.mgrid[inner]
    positions = np.stack([x, y, np.ones_like(x)], -1) @ cv2.invertAffineTransform(matrix).T
    flow = (positions - np.stack([x, y], -1)).astype(np.float32)
    return [np.ascontiguousarray(around[inner]), np.ascontiguousarray(turned[inner])], flow


def grainy_sky(count: int, grain: float, size: tuple[int, int] = (180, 320)) -> list[Picture]:
    """Return frames of a sky that does not move, with a camera's grain of so many gray levels."""
    random = np.random.default_rng(3)
    sky = np.linspace(150, 210, size[0])[:, None, None] + np.array([-12, 0, 14])
    return [np.clip(np.rint(sky + random.normal(0, grain, (*size, 1))), 0, 255).astype(np.uint8) for _ in range(count)]


def flickering(frames: list[Picture], spread: float = 25.0, seed: int = 1, grain: int = 1) -> list[Picture]:
    """Paint frames as a flickering network would: in other colors, with grain that changes in every frame.

    `grain` is the size of the grain in pixels, `spread` its deviation.
    """
    random = np.random.default_rng(seed)

    def noise(height: int, width: int) -> NDArray[np.float64]:
        drawn = random.normal(0, spread, (-(-height // grain), -(-width // grain), 3))
        return np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_NEAREST))

    return [
        np.clip(255 - frame + noise(*frame.shape[:2]), 0, 255).astype(np.uint8)
        for frame in (cv2.blur(f, (3, 3)) for f in frames)
    ]


def waving(size: tuple[int, int] = (180, 240)) -> tuple[list[Picture], Flow]:
    """Return two frames of a picture seen through traveling waves, and the exact flow back to the first."""
    height, width = size
    margin = 20
    still = wide_picture(height + 2 * margin, width + 2 * margin)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pixels = np.stack([x, y], -1)

    def displaced(places: Flow, t: float) -> Flow:
        x, y = places[..., 0], places[..., 1]
        return np.stack([x + 2.5 * np.sin(x / 19 + y / 11 - t / 2.5), y + 2.5 * np.sin(x / 23 - y / 9 + t / 2.1)], -1)

    frames = [remap(still, displaced(pixels, t) + margin, cv2.INTER_CUBIC) for t in (0, 1)]
    here, places = displaced(pixels, 1), pixels
    for _ in range(40):  # converges: the slope of the waves is below 1
        places = places + here - displaced(places, 0)
    return frames, places - pixels


def passing(count: int, size: tuple[int, int] = (96, 240), step: int = 16) -> tuple[list[Picture], list[int]]:
    """Return frames of a bright square that moves right over soft dark ground, and its left side in each frame."""
    height, width = size
    ground = (cv2.GaussianBlur(wide_picture(height, width, 5), (0, 0), 6) // 2).astype(np.uint8)
    square = 255 - wide_picture(48, 48, 9) // 4
    frames: list[Picture] = []
    lefts: list[int] = []
    for t in range(count):
        frame, left = ground.copy(), 8 + step * t
        frame[24:72, left : left + 48] = square
        frames.append(frame)
        lefts.append(left)
    return frames, lefts


def flying(
    count: int, size: tuple[int, int] = (180, 320), step: int = 9
) -> tuple[list[Picture], list[NDArray[np.uint8]]]:
    """Return frames of a dark bird, wings two pixels thick, that flies over a plain sky; and where it is, 1 or 0."""
    height, width = size
    random = np.random.default_rng(2)
    shade = np.linspace(170, 225, height)[:, None, None] + np.array([-12, 0, 14])
    frames: list[Picture] = []
    places: list[NDArray[np.uint8]] = []
    for t in range(count):
        mask = np.zeros(size, np.uint8)
        x, y, beat = 24 + step * t, height // 2 - t, round(4 * np.sin(1.1 * t))
        for side in (-1, 1):
            cv2.line(mask, (x, y), (x + 11 * side, y - 3 - beat), 1, 2)
        sky = shade + random.normal(0, 1, (height, width, 1))
        frames.append(np.clip(np.where(mask[..., None] > 0, 35, sky), 0, 255).astype(np.uint8))
        places.append(mask)
    return frames, places


def drifting(
    count: int, step: int, *, carried_grain: bool, size: tuple[int, int] = (120, 200)
) -> tuple[list[Picture], list[Shares]]:
    """Return frames of a pale sky that moves right by `step` pixels per frame, and the share of cloud in each pixel.

    Clouds are 30 gray levels brighter than the sky, with edges 20 pixels wide. The faint grain moves with the sky, or,
    if not `carried_grain`, is that of a camera, new in every frame.
    """
    height, width = size
    whole = width + step * count
    random = np.random.default_rng(6)
    cloud = np.zeros((height, whole), np.float32)
    for left in range(20, whole, 110):
        cv2.ellipse(cloud, (left + 25, int(random.integers(35, height - 35))), (30, 20), 0, 0, 360, 1, -1)
    cloud = cv2.GaussianBlur(cloud, (0, 0), 5).astype(np.float32)
    sky = np.linspace(150, 190, height)[:, None, None] + np.array([-12, 0, 14]) + 30 * cloud[..., None]
    grain = random.normal(0, 1.5, (height, whole, 1))
    frames: list[Picture] = []
    clouds: list[Shares] = []
    for t in range(count):
        shown = np.s_[:, step * (count - t) : step * (count - t) + width]
        over = grain[shown] if carried_grain else random.normal(0, 1.5, (height, width, 1))
        frames.append(np.clip(sky[shown] + over, 0, 255).astype(np.uint8))
        clouds.append(cloud[shown])
    return frames, clouds
