"""Frames spread over a video, found by seeking."""

from fractions import Fraction
from pathlib import Path

import pytest

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.media.frame_samples import sample_images
from tests.support.clips import Clip, make_clip, read_number


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.mov"])
def test_sample_is_from_the_middles_of_equal_parts(name: str, tmp_path: Path) -> None:
    video = make_clip(tmp_path / name, Clip(frames=60, size=(64, 48), rate=Fraction(25)))
    numbers = [read_number(image) for image in sample_images(video, 3)]
    assert [abs(number - middle) <= 1 for number, middle in zip(numbers, (10, 30, 50), strict=True)] == [True] * 3


def test_frames_are_upright(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "clip.mp4", Clip(frames=8, size=(64, 48), rotation=90))
    (image,) = sample_images(video, 1)
    assert image.size == (64, 48)
    assert abs(read_number(image) - 4) <= 1


def test_short_video_has_each_frame_once(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "clip.mp4", Clip(frames=2))
    assert [read_number(image) for image in sample_images(video, 8)] == [0, 1]


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"nowhere\.mp4"):
        sample_images(tmp_path / "nowhere.mp4", 3)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match=r"text\.mp4"):
        sample_images(tmp_path / "text.mp4", 3)
