"""Frames are converted on several threads, in order, and to the same pixels in every form."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest
from av.video.plane import VideoPlane
from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.media.frame_converter import FrameConverter
from frame_tools.media.frame_decoder import FrameDecoder, FrameInfo
from frame_tools.media.images import rgb_from_frame
from frame_tools.media.probe import select_video_stream
from frame_tools.media.read_frame import ReadFrame, converted
from frame_tools.media.track_headers import read_track_header
from frame_tools.media.video_reader import VideoReader
from tests.support.clips import Clip, draw, make_clip, read_number

CLIPS = {
    "plain": Clip(),
    "odd": Clip(size=(63, 47)),
    "rotated": Clip(rotation=90),
    "transparent": Clip(codec="libvpx-vp9", pix_fmt="yuva420p"),
}


def read_frames(folder: Path, clip: Clip) -> Iterator[ReadFrame]:
    path = make_clip(folder / ("v.webm" if "vpx" in clip.codec else "v.mp4"), clip)
    with av.open(str(path)) as container:
        stream = select_video_stream(container, path.name, path)
        header = read_track_header(path, container, stream)
        yield from VideoReader(container, stream, name=path.name, header=header).frames()


@pytest.mark.parametrize("name", CLIPS)
def test_pixels_are_those_of_the_image(tmp_path: Path, name: str) -> None:
    for frame in read_frames(tmp_path, CLIPS[name]):
        image, pixels = frame.image(), frame.pixels()
        assert (pixels.width, pixels.height) == image.size == frame.converter.size
        data = bytes(pixels.data)
        rows = [data[start : start + 3 * pixels.width] for start in range(0, len(data), pixels.line_size)]
        assert b"".join(rows[: pixels.height]) == image.tobytes()


def test_pixels_of_an_rgb_video_may_be_changed(tmp_path: Path) -> None:
    """FFmpeg's memory is that of the frame, which other readers convert again, and which a decoder may refer to."""
    path = make_clip(tmp_path / "v.mov", Clip(codec="png", pix_fmt="rgb24", b_frames=0))
    with av.open(str(path)) as container:
        frame = next(VideoReader(container, select_video_stream(container, path.name, path), name=path.name).frames())
    before = frame.image().tobytes()
    data = frame.pixels().data
    if isinstance(data, VideoPlane):
        data.update(bytes(data.buffer_size))
    assert frame.image().tobytes() == before


def test_one_thread_at_a_time_converts_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged frame shows the picture of the frame before: both are one object, whose tags change meanwhile."""
    decode, locked = FrameDecoder.frames, []

    def damaged(decoder: FrameDecoder) -> Iterator[tuple[av.VideoFrame, FrameInfo]]:
        for number, (frame, info) in enumerate(decode(decoder)):
            yield frame, replace(info, is_damaged=number % 2 == 1)

    monkeypatch.setattr(FrameDecoder, "frames", damaged)
    first, repeated, other = list(read_frames(tmp_path, Clip(frames=3)))
    convert = FrameConverter._packed

    def observe(converter: FrameConverter, frame: av.VideoFrame) -> av.VideoFrame:
        locked.append((first.lock.locked(), other.lock.locked()))
        return convert(converter, frame)

    monkeypatch.setattr(FrameConverter, "_packed", observe)
    assert repeated.frame is first.frame
    repeated.image(), first.pixels(), other.image()
    assert locked == [(True, False), (True, False), (False, True)]


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (1, 1)])
def test_rows_of_a_frame_may_have_gaps(size: tuple[int, int]) -> None:
    frame = av.VideoFrame.from_image(draw(5, size)).reformat(format="rgb24")
    assert rgb_from_frame(frame).tobytes() == draw(5, size).tobytes()


def test_images_come_in_order_with_what_is_known_of_them(tmp_path: Path) -> None:
    clip = Clip(frames=40, encoder_options={"g": "10"})
    images = list(converted(read_frames(tmp_path, clip)))
    assert [read_number(read.image) for read in images] == list(range(40))
    assert [number for number, read in enumerate(images) if read.info.is_key] == [0, 10, 20, 30]


def test_several_frames_are_converted_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    convert, both = FrameConverter.to_image, threading.Barrier(2)

    def meet(converter: FrameConverter, frame: av.VideoFrame) -> Image.Image:
        both.wait(timeout=60)
        return convert(converter, frame)

    monkeypatch.setattr(FrameConverter, "to_image", meet)
    assert len(list(converted(read_frames(tmp_path, Clip(frames=8))))) == 8


def test_few_frames_wait_and_no_thread_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    taken = 0

    def counted() -> Iterator[ReadFrame]:
        nonlocal taken
        for frame in read_frames(tmp_path, Clip(frames=30)):
            taken += 1
            yield frame

    images = converted(counted())
    next(images)
    assert taken == 4
    images.close()  # type: ignore[attr-defined]  # a generator
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("convert")]


def test_error_of_the_frames_is_raised() -> None:
    def failing() -> Iterator[ReadFrame]:
        raise InputError("The video is damaged", "Send another")
        yield

    with pytest.raises(InputError):
        list(converted(failing()))
