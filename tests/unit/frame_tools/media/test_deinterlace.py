"""Interlaced video becomes progressive, one frame for each frame, at the same times."""

from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media.split import split
from tests.support.clips import Clip, make_clip
from tests.support.interlaced import ENCODINGS, FRAMES, H264, write_interlaced
from tests.support.media import frame_images


def comb(image: Image.Image) -> float:
    """Return the mean difference of neighboring lines in the middle of the picture."""
    gray = image.convert("L")
    rows = [gray.crop((0, y, gray.width, y + 1)).tobytes() for y in range(16, 48)]
    return sum(abs(a - b) for above, below in pairwise(rows) for a, b in zip(above, below, strict=True)) / len(rows)


@pytest.mark.parametrize(("suffix", "codec", "options"), ENCODINGS.values(), ids=ENCODINGS.keys())
def test_interlaced_frames_are_deinterlaced(tmp_path: Path, suffix: str, codec: str, options: dict[str, str]) -> None:
    path = tmp_path / f"v{suffix}"
    write_interlaced(path, codec, options)
    plain = split(path, tmp_path / "off", SplitOptions(deinterlace="off"))
    manifest = split(path, tmp_path / "on")
    assert manifest.frame_count == plain.frame_count == FRAMES
    assert (manifest.frame_pts, manifest.last_duration) == (plain.frame_pts, plain.last_duration)
    combed, smooth = frame_images(tmp_path / "off", plain)[5], frame_images(tmp_path / "on", manifest)[5]
    assert comb(combed) > 1000
    assert comb(smooth) < comb(combed) / 4
    assert any("bwdif" in note for note in manifest.notes)
    assert any("both fields" in note for note in plain.notes)


def test_every_frame_stays_at_its_time(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_interlaced(path, *H264)
    manifest = split(path, tmp_path / "out", SplitOptions(image_format="png"))
    for number, image in enumerate(frame_images(tmp_path / "out", manifest)):
        box = image.convert("L").point(lambda value: 255 * (value > 128)).getbbox()
        assert box is not None
        left, _, right, _ = box
        assert (left + right) / 2 == pytest.approx(16 + 6 * number, abs=3)


def test_progressive_frames_are_unchanged(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "v.mp4", Clip())
    on, off = (split(path, tmp_path / name, SplitOptions(deinterlace=name)) for name in ("on", "off"))
    assert on.notes == off.notes == ()
    for one, other in zip(frame_images(tmp_path / "on", on), frame_images(tmp_path / "off", off), strict=True):
        assert one.tobytes() == other.tobytes()
