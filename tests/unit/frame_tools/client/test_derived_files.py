"""Files beside a painted video: comparisons with the original's time and sound, and loops."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image, ImageSequence

from frame_tools.client.comparison import CompareKind, painted_images, side_by_side, wiped
from frame_tools.client.derived_files import DerivedFiles, choose_derived
from frame_tools.client.originals import SplitVideo
from frame_tools.client.progress import QuietDisplay
from frame_tools.client.workflow import join_folder
from frame_tools.contracts.errors import InputError
from frame_tools.media.split import split
from tests.support.clips import Clip, Tone, make_clip, read_number

FRAMES = 50


@pytest.fixture
def painted(tmp_path: Path) -> tuple[Path, SplitVideo]:
    """Return a "painted" video with odd sides (a copy of its original) and its split original."""
    clip = Clip(frames=FRAMES, size=(65, 49), pix_fmt="yuv444p", rate=Fraction(25), audio=(Tone(seconds=2.0),))
    folder = tmp_path / "split"
    manifest = split(make_clip(tmp_path / "clip.mp4", clip), folder)
    out = tmp_path / "painted.mp4"
    join_folder(folder, out, odd_size="pad", display=QuietDisplay())
    return out, SplitVideo(folder=folder, manifest=manifest)


def test_side_by_side_has_both_pictures_and_the_sound(painted: tuple[Path, SplitVideo]) -> None:
    (written,) = DerivedFiles(compare="side").write_videos(painted[0], lambda: painted[1])
    assert written.name == "painted_side.mp4"
    images = list(painted_images(written))
    assert [read_number(image.crop((0, 0, 64, 48))) for image in images] == list(range(FRAMES))
    assert [read_number(image.crop((65, 0, 129, 48))) for image in images] == list(range(FRAMES))
    with av.open(str(written)) as container, av.open(str(painted[0])) as original:
        assert len(container.streams.audio) == 1
        assert [packet.pts for packet in container.demux(video=0)] == [packet.pts for packet in original.demux(video=0)]


def test_wipe_has_the_size_of_the_video(painted: tuple[Path, SplitVideo]) -> None:
    (written,) = DerivedFiles(compare="wipe").write_videos(painted[0], lambda: painted[1])
    images = list(painted_images(written))
    assert (len(images), images[0].size) == (FRAMES, (66, 50))


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_loop_is_short_and_repeats(painted: tuple[Path, SplitVideo], suffix: str) -> None:
    def no_original() -> SplitVideo:
        raise AssertionError("a loop needs no original")

    (written,) = DerivedFiles(gif=suffix == ".gif", webp=suffix == ".webp").write_videos(painted[0], no_original)
    assert written.name == f"painted{suffix}"
    with Image.open(written) as image:
        assert image.format == suffix.removeprefix(".").upper()
        assert image.info["loop"] == 0
        assert 2 <= sum(1 for _ in ImageSequence.Iterator(image)) <= FRAMES // 3 + 1


def test_border_moves_from_left_to_right_and_back() -> None:
    before, after = Image.new("RGB", (100, 10), "black"), Image.new("RGB", (100, 10), "red")
    for seconds, red in ((0.0, 0), (1.5, 50), (3.0, 100), (4.5, 50), (6.0, 0)):
        image = wiped(before, after, seconds)
        seen = sum(image.getpixel((x, 5)) == (255, 0, 0) for x in range(100))
        assert abs(seen - red) <= 2


def test_large_pictures_are_scaled_down() -> None:
    image = Image.new("RGB", (100, 50), "red")
    assert side_by_side(image, image, (40, 20)).size == (80, 20)


@pytest.mark.parametrize("kind", ["side", "wipe"])
def test_existing_files_are_kept(tmp_path: Path, kind: CompareKind) -> None:
    derived = DerivedFiles(compare=kind, gif=True)
    out = tmp_path / "painted.mp4"
    derived.check(out, overwrite=False)
    derived.videos(out)[0].touch()
    with pytest.raises(InputError, match="overwrite"):
        derived.check(out, overwrite=False)
    derived.check(out, overwrite=True)


def test_records_cannot_be_compared() -> None:
    with pytest.raises(InputError, match=r"clip\.jsonl"):
        DerivedFiles(webp=True).check(Path("clip.jsonl"), overwrite=False)


def test_report_goes_into_a_folder_of_its_own(tmp_path: Path) -> None:
    derived, out = DerivedFiles(report=True), tmp_path / "painted.mp4"
    derived.check(out, overwrite=False)
    (tmp_path / "painted_report").mkdir()
    with pytest.raises(InputError, match="painted_report"):
        derived.check(out, overwrite=False)
    derived.check(out, overwrite=True)
    assert not derived.exist(out)
    (tmp_path / "painted_report" / "report.html").touch()
    assert derived.exist(out)


def test_unknown_comparison_is_named() -> None:
    with pytest.raises(InputError, match="diagonal"):
        choose_derived(compare="diagonal")


def test_enlarged_video_is_compared_at_the_size_of_the_original(tmp_path: Path) -> None:
    small, large = (make_clip(tmp_path / f"{side}.mp4", Clip(frames=3, size=(side, side))) for side in (64, 128))
    manifest = split(small, tmp_path / "split")
    derived, original = DerivedFiles(compare="side"), SplitVideo(folder=tmp_path / "split", manifest=manifest)
    (written,) = derived.write_videos(large, lambda: original)
    assert {image.size for image in painted_images(written)} == {(128, 64)}
