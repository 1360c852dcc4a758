"""Animated WebP files are split as videos, with the duration of each frame."""

from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media.split import split
from frame_tools.media.video_limits import VideoLimits
from tests.support.clips import draw, read_number
from tests.support.media import frame_images

PNG = SplitOptions(image_format="png")


def write_animation(path: Path, images: list[Image.Image], durations: list[int]) -> Path:
    images[0].save(path, "WEBP", save_all=True, append_images=images[1:], duration=durations, lossless=True)
    return path


def durations_ms(path: Path, folder: Path) -> list[int]:
    manifest = split(path, folder, PNG)
    times = [*manifest.frame_pts, manifest.frame_pts[-1] + manifest.last_duration]
    return [round((later - earlier) * manifest.time_base * 1000) for earlier, later in pairwise(times)]


def test_frames_and_their_durations_are_kept(tmp_path: Path) -> None:
    durations = [500, 40, 1000, 33, 2000]
    images = [draw(number, (51, 37)) for number in range(5)]
    path = write_animation(tmp_path / "a.webp", images, durations)
    assert durations_ms(path, tmp_path / "out") == durations
    manifest = split(path, tmp_path / "out", PNG)
    assert [read_number(image) for image in frame_images(tmp_path / "out", manifest)] == list(range(5))
    assert (manifest.source, manifest.width, manifest.height) == ("a.webp", 51, 37)


def test_frames_without_a_duration_last_as_in_browsers(tmp_path: Path) -> None:
    images = [draw(number, (48, 32)) for number in range(3)]
    assert durations_ms(write_animation(tmp_path / "a", images, [0, 10, 20]), tmp_path / "out") == [100, 100, 20]


def test_transparent_parts_are_laid_on_white(tmp_path: Path) -> None:
    images = [Image.new("RGBA", (40, 40), (0, 0, 255, alpha)) for alpha in (255, 0)]
    path = write_animation(tmp_path / "a.webp", images, [100, 100])
    manifest = split(path, tmp_path / "out", PNG)
    colors = [image.getpixel((20, 20)) for image in frame_images(tmp_path / "out", manifest)]
    assert colors == [(0, 0, 255), (255, 255, 255)]
    assert any("white" in note for note in manifest.notes)


def test_damaged_animation_is_rejected(tmp_path: Path) -> None:
    path = write_animation(tmp_path / "a.webp", [draw(number, (48, 32)) for number in range(4)], [50] * 4)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"a\.webp"):
        split(path, tmp_path / "out")


def test_limits_apply_before_frames_are_decoded(tmp_path: Path) -> None:
    path = write_animation(tmp_path / "a.webp", [draw(number, (48, 32)) for number in range(4)], [50] * 4)
    with pytest.raises(InputError, match="48x32"):
        split(path, tmp_path / "out", limits=VideoLimits(pixels=1000))
    with pytest.raises(InputError, match="frames"):
        split(path, tmp_path / "out", limits=VideoLimits(frames=3))
