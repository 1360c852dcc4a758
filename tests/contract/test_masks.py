"""Contract of planner and node about masks: every mask that a plan accepts is decoded by the tasks."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("cv2", reason="the node decodes masks in the scorer's environment")

import numpy as np

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.image_files import IMAGE_SUFFIXES
from frame_tools.contracts.plan import BlobRef, PlannedMask
from scoring.pipeline.masks import open_masks
from tests.support.heic import encode_heic

OPTIONS_PAGE = Path(__file__).parents[2] / "docs" / "options.md"
SIZE = (64, 48)
GRADIENT = np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)
CASES: tuple[Callable[[str], str], ...] = (str.lower, str.upper, str.title)


def encode(image: Image.Image, suffix: str, **options: Any) -> bytes:
    if IMAGE_SUFFIXES[suffix] == "HEIF":
        return encode_heic(image.convert("RGB"))
    file = io.BytesIO()
    image.save(file, IMAGE_SUFFIXES[suffix], **options)
    return file.getvalue()


def mask_of(data: bytes, suffix: str) -> Any:
    planned = PlannedMask(blob=BlobRef(container="input", name="film/masks/"), kind="folder", suffix=suffix)
    blobs = {f"film/masks/000001{suffix}": data}
    return open_masks(planned, read=blobs.get, frame_name=lambda index: f"{index + 1:06d}.jpg").mask(0, SIZE)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_every_planned_suffix_is_decoded(suffix: str, case: Callable[[str], str]) -> None:
    options = {"quality": 100} if suffix in (".jpg", ".jpeg", ".webp", ".avif") else {}
    mask = mask_of(encode(Image.fromarray(GRADIENT), suffix, **options), case(suffix))
    assert mask.shape == GRADIENT.shape
    assert np.abs(mask.astype(int) - GRADIENT).max() <= 4


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_every_planned_suffix_is_documented(suffix: str) -> None:
    section = OPTIONS_PAGE.read_text(encoding="utf-8").partition("## Masks")[2].partition("## ")[0]
    assert f"`{suffix}`" in section


@pytest.mark.parametrize("mode", ["RGB", "1", "P"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_color_modes_of_masks_are_decoded(suffix: str, mode: str) -> None:
    image = Image.fromarray(np.where(GRADIENT > 127, 255, 0).astype(np.uint8)).convert(mode)
    mask = mask_of(encode(image, suffix), suffix)
    assert np.array_equal(mask > 127, GRADIENT > 127)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_masks_keep_their_high_bytes(suffix: str) -> None:
    mask = mask_of(encode(Image.fromarray(GRADIENT.astype(np.uint16) * 257), suffix), suffix)
    assert np.abs(mask.astype(int) - GRADIENT).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_transparent_parts_of_masks_are_black(suffix: str) -> None:
    white = np.full((48, 64, 4), 255, np.uint8)
    white[..., 3] = GRADIENT
    options = {"lossless": True} if suffix == ".webp" else {}
    mask = mask_of(encode(Image.fromarray(white), suffix, **options), suffix)
    assert np.abs(mask.astype(int) - GRADIENT).max() <= 1


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_truncated_masks_are_rejected_by_name(suffix: str) -> None:
    data = encode(Image.fromarray(GRADIENT), suffix)
    with pytest.raises(InputError, match=f"000001{suffix}"):
        mask_of(data[: len(data) // 2], suffix)


@pytest.mark.parametrize(("kind", "suffix"), [("folder", None), ("video", ".png")])
def test_suffix_belongs_to_folders_only(kind: Any, suffix: str | None) -> None:
    with pytest.raises(ValueError, match="suffix"):
        PlannedMask(blob=BlobRef(container="input", name="masks"), kind=kind, suffix=suffix)
