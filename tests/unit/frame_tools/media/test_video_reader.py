"""The frames of a split are those that a player shows: the film, its transparency, one size, and correct tags."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media.split import split
from tests.support.clips import Clip, draw, make_clip, read_number
from tests.support.media import frame_images, join_split, read_video, to_seconds

PNG = SplitOptions(image_format="png")
STILL_FIRST = {"still": ((64, 64), 1), "preview": ((24, 18), 10)}


def add_stream(output: av.container.OutputContainer, codec: str, size: tuple[int, int], pix_fmt: str) -> VideoStream:
    stream = output.add_stream(codec, rate=25)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
    return stream


def packets_of(
    stream: VideoStream | VideoCodecContext, images: Iterable[Image.Image], first: int = 0
) -> list[av.Packet]:
    packets = []
    for number, image in enumerate(images, first):
        frame = av.VideoFrame.from_image(image).reformat(format=stream.pix_fmt)
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


@pytest.mark.parametrize(("size", "count"), STILL_FIRST.values(), ids=STILL_FIRST.keys())
def test_stills_and_previews_do_not_win(tmp_path: Path, size: tuple[int, int], count: int) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as output:
        first = add_stream(output, "mjpeg", size, "yuvj444p")
        film = add_stream(output, "mjpeg", (64, 48), "yuvj444p")
        first.disposition = Disposition.default
        packets = packets_of(first, (draw(900, size) for _ in range(count)))
        packets += packets_of(film, (draw(number, (64, 48)) for number in range(10)))
        for packet in sorted(packets, key=lambda packet: to_seconds(packet.pts, packet.time_base)):
            output.mux(packet)
    manifest = split(path, tmp_path / "out")
    assert [read_number(image) for image in frame_images(tmp_path / "out", manifest)] == list(range(10))
    assert (manifest.width, manifest.height) == (64, 48)


def test_default_stream_wins_among_films(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as output:
        streams = [add_stream(output, "mjpeg", (64, 48), "yuvj444p") for _ in range(2)]
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for packet in packets_of(streams[0], [draw(1, (64, 48))] * 3) + packets_of(streams[1], [draw(2, (64, 48))] * 3):
            output.mux(packet)
    manifest = split(path, tmp_path / "out")
    assert [read_number(image) for image in frame_images(tmp_path / "out", manifest)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt"),
    [("libvpx", ".webm", "yuva420p"), ("libvpx-vp9", ".webm", "yuva420p"), ("prores_ks", ".mov", "yuva444p10le")],
)
def test_transparency_is_laid_on_white(tmp_path: Path, codec: str, suffix: str, pix_fmt: str) -> None:
    """The left half is opaque red, the right half red with an alpha of a half."""
    source = Image.new("RGBA", (64, 48), (200, 0, 0, 255))
    source.paste((200, 0, 0, 128), (32, 0, 64, 48))
    path = tmp_path / f"v{suffix}"
    with av.open(str(path), "w") as output:
        stream = add_stream(output, codec, (64, 48), pix_fmt)
        stream.options = {"crf": "4", "b": "4M", "auto-alt-ref": "0"} if "vpx" in codec else {"profile": "4444"}
        for number in range(3):
            frame = av.VideoFrame(64, 48, "rgba")
            frame.planes[0].update(source.tobytes())
            converted = frame.reformat(format=pix_fmt)
            converted.pts, converted.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(converted))
        output.mux(stream.encode(None))
    manifest = split(path, tmp_path / "out", PNG)
    image = frame_images(tmp_path / "out", manifest)[1]
    assert image.getpixel((12, 24)) == pytest.approx((200, 0, 0), abs=6)
    assert image.getpixel((52, 24)) == pytest.approx((227, 127, 127), abs=6)
    assert any("white" in note for note in manifest.notes)


@pytest.mark.parametrize(("height", "matrix"), [(48, 6), (720, 1)])
def test_rgb_video_comes_out_tagged(tmp_path: Path, height: int, matrix: int) -> None:
    clip = Clip(frames=2, size=(64, height), codec="libx264rgb", pix_fmt="rgb24")
    assert read_video(join_split(make_clip(tmp_path / "v.mp4", clip), tmp_path).result).color == (1, 1, matrix, 1)


@pytest.mark.parametrize(("height", "matrix"), [(48, 6), (720, 1)])
def test_untagged_video_comes_out_tagged(tmp_path: Path, height: int, matrix: int) -> None:
    clip = Clip(frames=2, size=(64, height))
    assert read_video(join_split(make_clip(tmp_path / "v.mp4", clip), tmp_path).result).color == (2, 2, matrix, 1)


def test_another_size_is_scaled_to_first(tmp_path: Path) -> None:
    path = tmp_path / "v.webm"
    with av.open(str(path), "w") as output:
        stream = add_stream(output, "libvpx", (64, 48), "yuv420p")
        other = av.CodecContext.create("libvpx", "w")
        other.width, other.height, other.pix_fmt, other.time_base = 96, 32, "yuv420p", Fraction(1, 25)
        packets = packets_of(stream, [draw(number, (64, 48)) for number in range(5)])
        later = packets_of(other, [draw(number, (96, 32)) for number in range(5, 10)], first=5)
        for packet in packets + later:
            packet.stream = stream
            output.mux(packet)
    manifest = split(path, tmp_path / "out")
    images = frame_images(tmp_path / "out", manifest)
    assert [read_number(image) for image in images] == list(range(10))
    assert {image.size for image in images} == {(64, 48)}
    assert any("5 frames" in note and "64x48" in note for note in manifest.notes)


def test_empty_packets_keep_the_frame_before(tmp_path: Path) -> None:
    """Ogg Theora stores a dropped frame as an empty packet; NUT takes such packets too."""
    path = tmp_path / "v.nut"
    with av.open(str(path), "w") as output:
        stream = add_stream(output, "mjpeg", (64, 48), "yuvj444p")
        for packet in packets_of(stream, (draw(number, (64, 48)) for number in range(8))):
            if to_seconds(packet.pts, packet.time_base) * 25 in (3, 5, 7):
                empty = av.Packet(0)
                empty.pts = empty.dts = packet.pts
                empty.time_base, empty.duration, empty.stream = packet.time_base, packet.duration, stream
                packet = empty
            output.mux(packet)
    manifest = split(path, tmp_path / "out")
    assert [read_number(image) for image in frame_images(tmp_path / "out", manifest)] == [0, 1, 2, 4, 6]
    times = [pts * manifest.time_base for pts in manifest.frame_pts]
    assert [later - earlier for earlier, later in pairwise(times)] == [Fraction(n, 25) for n in (1, 1, 2, 2)]
    assert manifest.last_duration * manifest.time_base == Fraction(2, 25)


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"), [(".apng", "apng", "rgb24"), (".y4m", "wrapped_avframe", "yuv420p")]
)
def test_animated_png_and_raw_video_are_read(tmp_path: Path, suffix: str, codec: str, pix_fmt: str) -> None:
    path = make_clip(tmp_path / f"v{suffix}", Clip(codec=codec, pix_fmt=pix_fmt))
    manifest = split(path, tmp_path / "out")
    assert [read_number(image) for image in frame_images(tmp_path / "out", manifest)] == list(range(10))
    assert manifest.duration == Fraction(10, 25)


def test_file_name_that_is_not_utf8_is_shown_as_text(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "v.mp4").rename(tmp_path / "bad\udcff.mp4")
    assert split(path, tmp_path / "out").source == "bad .mp4"
