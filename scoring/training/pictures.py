"""Paintings and photos to train on: folders of image files, cut, turned and coloured anew for each step."""

import random
from pathlib import Path

import cv2
import numpy as np
import torch

from frame_tools.contracts.errors import InputError, MissingError
from scoring.image_codec import decode
from scoring.types import Picture

SUFFIXES = (".jpg", ".jpeg", ".png")


def read_folder(folder: Path, shorter_side: int) -> list[Picture]:
    """Read all pictures of a folder in the order of their names, scaled down to `shorter_side` pixels.

    Raises MissingError for a folder without pictures.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise MissingError(f"There are no pictures in {folder}", f"Put files with the endings {SUFFIXES} there")
    return [scaled(decode(path.read_bytes(), path.name), shorter_side) for path in files]


def scaled(picture: Picture, shorter_side: int) -> Picture:
    """Scale (H, W, 3) uint8 so that the shorter side has so many pixels."""
    height, width = picture.shape[:2]
    factor = shorter_side / min(height, width)
    size = max(shorter_side, round(width * factor)), max(shorter_side, round(height * factor))
    smaller: Picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    return smaller


def cut(picture: Picture, side: int, rng: random.Random, *, smallest: float) -> Picture:
    """Cut a random square of `smallest` to 1 of the shorter side, scale it to `side`, mirror it half the time."""
    height, width = picture.shape[:2]
    if min(height, width) < 2:
        raise InputError(f"A picture of {width}x{height} pixels is too small to train on", "Take it out of the folder")
    square = max(2, round(min(height, width) * rng.uniform(smallest, 1)))
    top, left = rng.randint(0, height - square), rng.randint(0, width - square)
    part = scaled(picture[top : top + square, left : left + square], side)
    return part[:, ::-1] if rng.random() < 0.5 else part


def turned_hue(picture: Picture, rng: random.Random) -> Picture:
    """Turn all hues by one random angle: another painting of the same hand."""
    hsv = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int32) + rng.randint(0, 179)) % 180
    other: Picture = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return other


def flattened(picture: Picture, rng: random.Random) -> Picture:
    """Blur a random half of the picture until it is flat, as skies and walls are."""
    side = picture.shape[0]
    flat = cv2.GaussianBlur(picture, (0, 0), side / rng.uniform(6, 16))
    mask = np.zeros((side, side), np.float32)
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    rows, columns = np.mgrid[0:side, 0:side] / side - 0.5
    mask[np.cos(angle) * rows + np.sin(angle) * columns > offset] = 1
    mask = cv2.GaussianBlur(mask, (0, 0), 4)[..., None]
    mixed: Picture = np.rint(flat * mask + picture * (1 - mask)).astype(np.uint8)
    return mixed


def tensor(pictures: list[Picture]) -> torch.Tensor:
    """Turn uint8 (H, W, 3) pictures of one size into float (B, 3, H, W) in 0..1."""
    stacked = np.stack([np.ascontiguousarray(picture) for picture in pictures])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float().div(255).contiguous()
