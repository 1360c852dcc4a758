"""Training pictures: folders of image files, and random crops, hues and flat regions of them."""

import random
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch

from frame_tools.contracts.errors import InputError, MissingError
from scoring.image_codec import decode
from scoring.opencv import resize
from scoring.types import Picture

SUFFIXES: Final = (".jpg", ".jpeg", ".png")


def read_folder(folder: Path, shorter_side: int) -> list[Picture]:
    """Read all pictures of a folder in the order of their names, scaled to `shorter_side` pixels.

    Raises MissingError for a folder without pictures.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise MissingError(f"{folder} has no pictures", f"Put files there that end with {', '.join(SUFFIXES)}")
    return [resize_shorter_side(decode(path.read_bytes(), path.name), shorter_side) for path in paths]


def resize_shorter_side(picture: Picture, shorter_side: int) -> Picture:
    """Scale (H, W, 3) uint8 so that the shorter side has `shorter_side` pixels."""
    height, width = picture.shape[:2]
    factor = shorter_side / min(height, width)
    new_height, new_width = (max(shorter_side, round(length * factor)) for length in (height, width))
    return resize(picture, new_width, new_height, cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def random_square(picture: Picture, side: int, rng: random.Random, *, min_share: float) -> Picture:
    """Crop a random square of `min_share` to 1 of the shorter side, scale it to `side`, and mirror it half the time."""
    height, width = picture.shape[:2]
    if min(height, width) < 2:
        raise InputError(f"A picture of {width}x{height} pixels is too small for training", "Remove it from the folder")
    square = max(2, round(min(height, width) * rng.uniform(min_share, 1)))
    top, left = rng.randint(0, height - square), rng.randint(0, width - square)
    crop = resize_shorter_side(picture[top : top + square, left : left + square], side)
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def rotate_hue(picture: Picture, rng: random.Random) -> Picture:
    """Rotate all hues by one random angle, which gives another painting of the same hand."""
    hsv = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int32) + rng.randint(0, 179)) % 180
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def flatten_region(picture: Picture, rng: random.Random) -> Picture:
    """Blur a random half of a picture until it is flat, like skies and walls."""
    height, width = picture.shape[:2]
    flat = cv2.GaussianBlur(picture, (0, 0), min(height, width) / rng.uniform(6, 16))
    mask = np.zeros((height, width), np.float32)
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    rows, columns = np.mgrid[0:height, 0:width]
    mask[np.cos(angle) * (rows / height - 0.5) + np.sin(angle) * (columns / width - 0.5) > offset] = 1
    weights = cv2.GaussianBlur(mask, (0, 0), 4)[..., None]
    return np.asarray(np.rint(flat * weights + picture * (1 - weights)), np.uint8)


def to_batch(pictures: list[Picture]) -> torch.Tensor:
    """Convert uint8 pictures (H, W, 3) of one size to float (B, 3, H, W) in 0..1."""
    stacked = np.stack([np.ascontiguousarray(picture) for picture in pictures])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float().div(255).contiguous()
