"""A new scene is a cut; a flash, a pan and a fade are not."""

from pathlib import Path

import av
import pytest
from PIL import Image, ImageDraw
from pydantic import ValidationError

from frame_tools.contracts.manifest import Manifest
from frame_tools.media.scene_detection import SceneCutDetector
from frame_tools.media.split import split
from tests.support.clips import Clip, make_clip

SIZE = (160, 90)


def scene(seed: int, step: int) -> Image.Image:
    """Draw a scene whose shapes move by 3 pixels per step."""
    image = Image.new("RGB", SIZE, ((seed * 67) % 256, (seed * 151) % 256, (seed * 29) % 256))
    draw = ImageDraw.Draw(image)
    for k in range(8):
        x, y = (k * 37 + seed * 11 + 3 * step) % 200 - 20, (k * 53 + seed * 7) % 80
        draw.rectangle((x, y, x + 25, y + 20), fill=((k * 90 + seed) % 256, (seed * 40) % 256, 255 - k * 30))
    return image


def cuts_of(images: list[Image.Image]) -> tuple[int, ...]:
    detector = SceneCutDetector()
    for image in images:
        detector.add(image)
    return detector.cuts()


def test_cuts_between_moving_scenes_are_found() -> None:
    images = [scene(seed, step) for seed in (1, 2, 3) for step in range(12)]
    assert cuts_of(images) == (12, 24)


def test_flash_is_not_a_cut() -> None:
    images = [scene(1, step) for step in range(12)]
    images[6] = Image.new("RGB", SIZE, "white")
    assert cuts_of(images) == ()


def test_fast_pan_and_fade_are_not_cuts() -> None:
    wide = Image.effect_noise((60, 2), 120).resize((3000, 90), Image.Resampling.BICUBIC).convert("RGB")
    pan = [wide.crop((90 * i, 0, 90 * i + 160, 90)) for i in range(20)]
    assert cuts_of(pan) == ()
    black = Image.new("RGB", SIZE)
    assert cuts_of([Image.blend(scene(1, 0), black, i / 8) for i in range(9)]) == ()


def test_no_cuts_in_zero_or_one_frames() -> None:
    assert cuts_of([]) == cuts_of([scene(1, 0)]) == ()


def test_split_stores_cuts_in_manifest(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv444p"
        for seed in (1, 2, 3):
            for step in range(10):
                output.mux(stream.encode(av.VideoFrame.from_image(scene(seed, step))))
        output.mux(stream.encode(None))
    manifest = split(tmp_path / "v.mp4", tmp_path / "out")
    assert manifest.cuts == (10, 20)
    assert Manifest.parse_input((tmp_path / "out" / "manifest.json").read_bytes()) == manifest


@pytest.mark.parametrize("cuts", [(0,), (3, 3), (5, 4), (12,), (-1,)])
def test_manifest_rejects_impossible_cuts(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    manifest = split(make_clip(tmp_path / "v.mp4", Clip(frames=12)), tmp_path / "out")
    fields = manifest.model_dump() | {"cuts": cuts}
    with pytest.raises(ValidationError):
        Manifest.model_validate(fields)
    Manifest.model_validate(fields | {"cuts": (1, 11)})
