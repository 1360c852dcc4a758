"""Masks of each frame, from a folder or from any part of a video; unusable ones are rejected by name."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.plan import BlobRef, PlannedMask
from frame_tools.media.mask_video import MaskVideo
from scoring.pipeline.masks import CACHED_MASKS, FolderMasks, VideoMasks, open_masks
from tests.support.clips import Clip, make_clip, read_number

SIZE = (64, 48)


def number_of(mask):
    return read_number(Image.fromarray(mask))


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()


def frame_name(index):
    return f"{index + 1:04d}.jpg"


def folder(files, suffix=".png"):
    """Return the masks of a folder with these files, and the list of the names that are read."""
    read_names = []

    def read(name):
        read_names.append(name)
        return files.get(name)

    return open_masks(
        PlannedMask(blob=BlobRef(container="input", name="film/masks/"), kind="folder", suffix=suffix),
        read=read,
        frame_name=frame_name,
    ), read_names


def video_of(name):
    return PlannedMask(blob=BlobRef(container="input", name=name), kind="video")


GRAY = np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)


def test_folder_mask_is_found_by_frame_name():
    masks, _ = folder({"film/masks/0001.png": png(GRAY), "film/masks/0002.png": png(255 - GRAY)})
    assert np.array_equal(masks.mask(0, SIZE), GRAY)
    assert np.array_equal(masks.mask(1, SIZE), 255 - GRAY)


def test_folder_masks_read_only_the_planned_suffix():
    masks, read_names = folder({"film/masks/0002.TIF": png(GRAY)}, suffix=".TIF")
    assert np.array_equal(masks.mask(1, SIZE), GRAY)
    assert read_names == ["film/masks/0002.TIF"]


def test_missing_mask_is_named():
    masks, _ = folder({"film/masks/0001.png": png(GRAY)})
    masks.mask(0, SIZE)
    with pytest.raises(InputError, match=r"0008\.png.*film/masks"):
        masks.mask(7, SIZE)


@pytest.mark.parametrize("data", [b"", b"no picture", png(GRAY)[:-200]], ids=["empty", "text", "torn"])
def test_undecodable_mask_is_named(data):
    masks, _ = folder({"film/masks/0001.png": data})
    with pytest.raises(InputError, match=r"0001\.png"):
        masks.mask(0, SIZE)


def test_oversized_mask_is_rejected_by_header():
    data = bytearray(png(GRAY))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = __import__("zlib").crc32(data[12:29]).to_bytes(4, "big")
    masks, _ = folder({"film/masks/0001.png": bytes(data)})
    with pytest.raises(InputError, match=r"0001\.png has more than"):
        masks.mask(0, SIZE)


@pytest.mark.parametrize("size", [(128, 96), (32, 24), (63, 48), (1, 1), (200, 20)])
def test_mask_is_resized_to_the_frame(size):
    masks, _ = folder({"film/masks/0001.png": png(GRAY)})
    mask = masks.mask(0, size)
    assert mask.shape == size[::-1]
    assert abs(float(mask.mean()) - GRAY.mean()) < 3


def test_resized_mask_keeps_black_and_white():
    half = np.zeros((48, 64), np.uint8)
    half[:, 32:] = 255
    masks, _ = folder({"film/masks/0001.png": png(half)})
    for size in ((256, 192), (32, 24)):
        mask = masks.mask(0, size)
        third = size[0] // 3
        assert (mask[:, :third] == 0).all()
        assert (mask[:, -third:] == 255).all()


def test_downscaled_mask_averages_fine_lines():
    lines = np.zeros((48, 64), np.uint8)
    lines[:, ::4] = 255
    masks, _ = folder({"film/masks/0001.png": png(lines)})
    assert np.abs(masks.mask(0, (16, 12)).astype(int) - 64).max() <= 1


def test_transparent_mask_is_black():
    white = np.full((48, 64, 4), 255, np.uint8)
    white[..., 3] = GRAY  # a cut-out: the shape is in the transparency
    masks, _ = folder({"film/masks/0001.png": png(white)})
    assert np.abs(masks.mask(0, SIZE).astype(int) - GRAY).max() <= 1


VIDEOS = {
    "b_frames.mp4": Clip(frames=40, b_frames=3),
    "uneven.mp4": Clip(frames=40, pts=[i * i + 3 for i in range(40)], time_base=Fraction(1, 90_000)),
    "turned.mov": Clip(frames=40, rotation=90),
    "b_frames.mkv": Clip(frames=40, b_frames=3),
    "vp9.webm": Clip(frames=20, codec="libvpx-vp9", pix_fmt="yuv420p"),
    "vp8.webm": Clip(frames=20, codec="libvpx", pix_fmt="yuv420p"),
    "mpeg4.avi": Clip(frames=20, codec="mpeg4", pix_fmt="yuv420p", b_frames=0),
    "stream.ts": Clip(frames=40),
    "same_times.mkv": Clip(frames=20, rate=Fraction(3000)),  # Matroska counts in milliseconds
    "rgb.gif": Clip(frames=10, codec="gif", pix_fmt="rgb8"),
    "full.mp4": Clip(frames=20, color=(2, 2, 2, 2), pix_fmt="yuvj444p"),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    place = tmp_path_factory.mktemp("masks")
    return {name: make_clip(place / name, clip) for name, clip in VIDEOS.items()}


@pytest.mark.parametrize("name", VIDEOS)
def test_mask_video_reads_from_any_frame(videos, name):
    count = VIDEOS[name].frames
    video = MaskVideo(videos[name], name=name)
    for start in (0, 1, 11, 12, 13, count - 1, count, count + 9):
        numbers = [number_of(np.asarray(image)) for image in video.images(start)]
        assert numbers == list(range(start, count))


def damaged(path, packets):
    """The file with the data of some packets overwritten."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for place, size in places[packets]:
        start = place + 8  # in Matroska the block's own header comes first
        data[start : place + size] = b"\xff" * (place + size - start)
    return io.BytesIO(bytes(data))


@pytest.mark.parametrize("name", ["b_frames.mp4", "b_frames.mkv"])
def test_mask_video_decodes_from_the_key_frame(videos, name):
    # Key frames are 12 apart: packets before the last of them are damaged and must not matter.
    video = MaskVideo(damaged(videos[name], slice(0, 24)), name=name)
    assert [number_of(np.asarray(image)) for image in video.images(30)] == list(range(30, 40))


@pytest.mark.parametrize("name", ["vp8.webm", "mpeg4.avi", "stream.ts", "same_times.mkv"])
def test_mask_video_counts_frames_without_index(videos, name):
    assert MaskVideo(videos[name], name=name)._index is None


@pytest.mark.parametrize("name", ["b_frames.mp4", "full.mp4", "vp9.webm"])
def test_mask_video_has_full_range(videos, name):
    mask = VideoMasks(videos[name], name=name).mask(3, SIZE)
    assert mask.min() <= 2
    assert mask.max() >= 253


def test_video_masks_in_any_order(videos):
    masks = VideoMasks(videos["b_frames.mp4"], name="x")
    for index in (20, 21, 19, 22, 5, 6, 39, 0):
        assert number_of(masks.mask(index, SIZE)) == index


def test_video_masks_are_thread_safe(videos):
    masks = VideoMasks(videos["b_frames.mp4"], name="x")
    start = threading.Barrier(4)

    def ask(offset):
        start.wait()
        return [number_of(masks.mask(index, SIZE)) for index in range(offset, 40, 4)]

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(ask, range(4)))
    assert numbers == [list(range(offset, 40, 4)) for offset in range(4)]


def test_video_mask_cache_is_bounded(videos):
    masks = VideoMasks(videos["b_frames.mp4"], name="x")
    for index in range(40):
        masks.mask(index, SIZE)
    assert len(masks._cache) == CACHED_MASKS


def test_open_masks_reads_a_video(videos):
    blobs = {"film/mask.mp4": videos["b_frames.mp4"].read_bytes()}
    masks = open_masks(video_of("film/mask.mp4"), read=blobs.get, frame_name=frame_name)
    assert number_of(masks.mask(17, (128, 96))) == 17
    with pytest.raises(InputError, match=r"gone\.mp4"):
        open_masks(video_of("film/gone.mp4"), read=blobs.get, frame_name=frame_name)


def test_short_mask_video_is_rejected(videos):
    for first in (39, 60):
        masks = VideoMasks(videos["b_frames.mp4"], name="film.mp4")
        with pytest.raises(InputError, match=r"'film\.mp4' is shorter than the video: it has no frame 6[01]"):
            [masks.mask(index, SIZE) for index in (first, 60, 61)]


@pytest.mark.parametrize("data", [b"", b"#EXTM3U\n/etc/passwd\n", b"no video" * 100], ids=["empty", "list", "text"])
def test_mask_that_is_no_video_is_rejected(data):
    with pytest.raises(InputError, match=r"mask\.mp4"):
        VideoMasks(io.BytesIO(data), name="mask.mp4")


@pytest.mark.parametrize("name", ["b_frames.mp4", "b_frames.mkv"])
def test_truncated_mask_video_is_rejected(videos, name):
    with av.open(str(videos[name])) as container:
        end = [packet.pos for packet in container.demux(video=0) if packet.size][20]
    cut = io.BytesIO(videos[name].read_bytes()[:end])
    with pytest.raises(InputError, match=r"mask is damaged .*cut off"):
        MaskVideo(cut, name="mask")


def test_damaged_mask_frame_fails_every_time(videos):
    masks = VideoMasks(damaged(videos["b_frames.mp4"], slice(10, 20)), name="mask.mp4")
    for _ in range(2):
        with pytest.raises(InputError, match=r"mask\.mp4 is damaged"):
            [masks.mask(index, SIZE) for index in range(40)]


@pytest.mark.parametrize("lost", [14, 39])
def test_missing_mask_frame_is_named(videos, tmp_path, lost):
    file = io.BytesIO(videos["b_frames.mp4"].read_bytes())
    video = MaskVideo(file, name="mask.mp4")
    kept = [number for number in range(40) if number != lost]
    file.seek(0)
    file.truncate()
    file.write(make_clip(tmp_path / "less.mp4", Clip(frames=39, pts=kept, b_frames=3)).read_bytes())
    with pytest.raises(InputError, match=rf"damaged \(frame {lost} is missing\)"):
        list(video.images(12))


def test_oversized_mask_video_is_rejected(videos, monkeypatch):
    monkeypatch.setattr("frame_tools.media.mask_video.MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(InputError, match="64x48 pixels"):
        VideoMasks(videos["b_frames.mp4"], name="mask.mp4")


def test_open_masks_opens_a_folder_lazily():
    masks, read_names = folder({})
    assert isinstance(masks, FolderMasks)
    assert read_names == []
