"""A video with an index is decoded from anywhere to exactly the frames of a split, and no other video is."""

import io
import random
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest
from PIL import Image

from frame_tools.contracts.errors import ErrorCode, InputError
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.video_index import MIN_KEY_DISTANCE, Obstacle, VideoIndex
from frame_tools.media.indexed_video import IndexedVideo
from frame_tools.media.split import split
from frame_tools.media.video_indexing import index_video
from tests.support.clips import Clip, Tone, make_clip
from tests.support.interlaced import H264, MPEG2, write_interlaced
from tests.support.media import frame_images
from tests.support.mp4_edits import set_edits

PNG = SplitOptions(image_format="png")
FRAMES = 90
LONG = Clip(frames=FRAMES)
JITTER = [round(40 * number + random.Random(number).uniform(0, 20)) for number in range(FRAMES)]
X265 = {"preset": "ultrafast", "x265-params": "keyint=30:min-keyint=30:scenecut=0:log-level=none"}
SEEKABLE: dict[str, tuple[str, Clip]] = {
    "rotated": ("v.mp4", replace(LONG, rotation=90, size=(48, 64), audio=(Tone(seconds=3),))),
    "mirrored": ("v.mov", replace(LONG, mirrored=True)),
    "variable rate": ("v.mkv", replace(LONG, time_base=Fraction(1, 1000), pts=JITTER)),
    "odd size": ("v.mp4", replace(LONG, size=(63, 47))),
    "index at the end": ("v.mp4", replace(LONG, muxer_options={"movflags": "0"})),
    "fragments": ("v.mp4", replace(LONG, muxer_options={"movflags": "frag_keyframe+empty_moov"})),
    "many B frames": ("v.mp4", replace(LONG, b_frames=8, encoder_options={"g": "30"})),
    "HDR in HEVC": (
        "v.mp4",
        replace(LONG, codec="libx265", pix_fmt="yuv420p10le", color=(9, 16, 9, 1), encoder_options=X265),
    ),
    "open groups in HEVC": (
        "v.mkv",
        replace(
            LONG,
            codec="libx265",
            pix_fmt="yuv420p",
            encoder_options=X265 | {"x265-params": X265["x265-params"] + ":open-gop=1:bframes=3"},
        ),
    ),
    "alpha in VP9": (
        "v.webm",
        replace(LONG, codec="libvpx-vp9", pix_fmt="yuva420p", encoder_options={"g": "30", "auto-alt-ref": "0"}),
    ),
    "hidden frames in VP8": (
        "v.webm",
        replace(
            LONG,
            codec="libvpx",
            pix_fmt="yuv420p",
            encoder_options={"g": "30", "auto-alt-ref": "1", "lag-in-frames": "16"},
        ),
    ),
    "intra only": ("v.mov", replace(LONG, codec="prores_ks", pix_fmt="yuva444p10le")),
    "MPEG-4": ("v.mp4", replace(LONG, codec="mpeg4", pix_fmt="yuv420p", encoder_options={"g": "30", "bf": "2"})),
}
UNSEEKABLE: dict[str, tuple[str, Clip, Obstacle]] = {
    "AVI": ("v.avi", replace(LONG, codec="mpeg4", pix_fmt="yuv420p"), "format"),
    "transport stream": ("v.ts", LONG, "format"),
    "open groups in H.264": (
        "v.mp4",
        replace(
            LONG,
            b_frames=3,
            encoder_options={
                "flags": "-cgop",
                "x264opts": "open-gop=1:keyint=30:min-keyint=30:scenecut=0:bframes=3:b-adapt=0",
            },
        ),
        "keys",
    ),
    "intra refresh": (
        "v.mp4",
        replace(LONG, b_frames=0, encoder_options={"x264opts": "intra-refresh=1:keyint=30"}),
        "keys",
    ),
    "one key frame": ("v.mp4", replace(LONG, encoder_options={"g": "1000"}), "keys"),
}


class Clipping:
    """A video, its frames as a split writes them, and its index."""

    def __init__(self, video: Path, options: SplitOptions = PNG) -> None:
        self.video = video
        manifest = split(video, video.parent / "split", options)
        self.images = [image.tobytes() for image in frame_images(video.parent / "split", manifest)]
        self.manifest = index_video(video, video.parent / "index", options)
        assert self.manifest.model_copy(update={"index": None}) == manifest

    @property
    def index(self) -> VideoIndex:
        assert self.manifest.index is not None
        return self.manifest.index

    def check(self) -> None:
        """Fail unless decoding from frames at and around keys, and at both ends, gives the frames of the split."""
        count = self.manifest.frame_count
        starts = {0, 1, count // 2, count - 1}
        starts |= {key + step for key in self.index.keys for step in (-1, 0, 1)}
        file = IndexedVideo(io.BytesIO(self.video.read_bytes()), self.manifest, name=self.video.name)
        for start in sorted(start for start in starts if 0 <= start < count):
            images = [image.tobytes() for image in islice(file.images(start), 4)]
            assert images == self.images[start : start + 4], start


@pytest.mark.parametrize("name", SEEKABLE)
def test_frames_from_anywhere_equal_those_of_the_split(tmp_path: Path, name: str) -> None:
    file, clip = SEEKABLE[name]
    clipping = Clipping(make_clip(tmp_path / file, clip))
    assert len(clipping.index.keys) > 2
    assert clipping.index.obstacle is None
    clipping.check()


@pytest.mark.parametrize("name", UNSEEKABLE)
def test_where_seeking_is_not_exact_decoding_begins_at_the_first_frame(tmp_path: Path, name: str) -> None:
    file, clip, obstacle = UNSEEKABLE[name]
    clipping = Clipping(make_clip(tmp_path / file, clip))
    assert (clipping.index.keys, clipping.index.obstacle) == ((0,), obstacle)
    clipping.check()


@pytest.mark.parametrize(("suffix", "encoding"), [(".mp4", H264), (".mkv", MPEG2)])
def test_interlaced_frames_are_decoded_with_their_neighbors(
    tmp_path: Path, suffix: str, encoding: tuple[str, dict[str, str]]
) -> None:
    write_interlaced(tmp_path / f"v{suffix}", *encoding, frames=60)
    clipping = Clipping(tmp_path / f"v{suffix}")
    assert clipping.index.lead == 1
    assert len(clipping.index.keys) > 1
    clipping.check()


def test_alternating_interlaced_and_progressive_frames_are_decoded_from_the_first(tmp_path: Path) -> None:
    write_interlaced(tmp_path / "fields.mkv", *MPEG2, frames=30)
    make_clip(
        tmp_path / "frames.mkv",
        Clip(frames=60, size=(96, 64), codec="mpeg2video", pix_fmt="yuv420p", encoder_options={"b": "8M", "g": "6"}),
    )
    with av.open(str(tmp_path / "v.mkv"), "w") as output:
        stream, start = None, 0
        for part in ("fields", "frames"):
            with av.open(str(tmp_path / f"{part}.mkv")) as source:
                stream = stream or output.add_stream_from_template(source.streams.video[0])
                packets = [packet for packet in source.demux() if packet.size]
            for packet in packets:
                packet.pts, packet.dts = (packet.pts or 0) + start, (packet.dts or 0) + start
                packet.stream = stream
                output.mux(packet)
            start = 30 * 40
    clipping = Clipping(tmp_path / "v.mkv")
    assert (clipping.index.keys, clipping.index.obstacle) == ((0,), "fields")
    clipping.check()


def test_several_edits_are_decoded_from_the_first_frame(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "v.mp4", replace(LONG, muxer_options={"movflags": "0"}))
    set_edits(video, {0: [(Fraction(0), Fraction(1)), (Fraction(2), Fraction(1))]})
    clipping = Clipping(video)
    assert (clipping.index.keys, clipping.index.obstacle) == ((0,), "edits")
    clipping.check()


def test_an_edit_that_begins_within_a_group_is_searched(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "v.mp4", replace(LONG, b_frames=0, muxer_options={"movflags": "0"}))
    set_edits(video, {0: [(Fraction(7, 25), Fraction(3))]})
    clipping = Clipping(video)
    assert len(clipping.index.keys) > 2
    clipping.check()


def test_kept_damage_is_decoded_from_the_first_frame(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "v.mkv", LONG)
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60] = bytes(60)
    video.write_bytes(data)
    clipping = Clipping(video, SplitOptions(image_format="png", damaged="keep"))
    assert (clipping.index.keys, clipping.index.obstacle) == ((0,), "damage")
    clipping.check()


def test_a_clock_that_jumps_is_decoded_from_the_first_frame(tmp_path: Path) -> None:
    first, second = (make_clip(tmp_path / f"{name}.ts", Clip(frames=30)) for name in "ab")
    (tmp_path / "v.ts").write_bytes(first.read_bytes() + second.read_bytes())
    clipping = Clipping(tmp_path / "v.ts")
    assert (clipping.index.keys, clipping.index.has_jumps) == ((0,), True)
    clipping.check()


def test_animated_images_are_decoded_from_the_first_frame(tmp_path: Path) -> None:
    images = [Image.new("RGBA", (40, 30), (0, 9 * number, 255, 255 - 9 * number)) for number in range(28)]
    images[0].save(tmp_path / "v.webp", save_all=True, append_images=images[1:], duration=50, lossless=True)
    clipping = Clipping(tmp_path / "v.webp")
    assert (clipping.index.keys, clipping.index.obstacle) == ((0,), "format")
    clipping.check()


def test_key_frames_that_give_other_frames_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if file and codec promised them: here, decoding lands one frame too late."""
    exact = IndexedVideo.images
    with monkeypatch.context() as patch:
        patch.setattr(IndexedVideo, "images", lambda video, start: exact(video, start + 1))
        clipping = Clipping(make_clip(tmp_path / "v.mp4", LONG))
    assert (clipping.index.keys, clipping.index.obstacle) == ((0,), "seek")
    clipping.check()


OTHERS: dict[str, tuple[Clip, int, str]] = {
    "another rate": (replace(LONG, rate=Fraction(24)), 50, "its ticks last 1/12288"),
    "another size": (replace(LONG, size=(66, 48)), 0, "66x48"),
    "fewer frames": (replace(LONG, frames=80), 78, "frame 80"),
    "more frames": (replace(LONG, frames=95), 88, "more than 90"),
    "another start": (replace(LONG, time_base=Fraction(1, 25), pts=range(3, FRAMES + 3)), 60, "frame"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_video_is_refused_by_name(tmp_path: Path, name: str) -> None:
    manifest = index_video(make_clip(tmp_path / "v.mp4", LONG), tmp_path / "index", PNG)
    clip, start, message = OTHERS[name]
    other = make_clip(tmp_path / "w.mp4", clip)
    with pytest.raises(InputError, match=f"w.mp4 is not the video that its index describes: .*{message}") as caught:
        list(IndexedVideo(other, manifest, name="w.mp4").images(start))
    assert caught.value.code is ErrorCode.INPUT_CHANGED


def test_keys_are_no_closer_than_the_least_distance(tmp_path: Path) -> None:
    manifest = index_video(
        make_clip(tmp_path / "v.mov", Clip(frames=60, codec="mjpeg", pix_fmt="yuvj444p")), tmp_path / "index"
    )
    assert manifest.index is not None
    assert manifest.index.keys == tuple(range(0, 60, MIN_KEY_DISTANCE))


def test_only_the_needed_ranges_are_read(tmp_path: Path) -> None:
    """A task must not download the whole video."""

    class Counting(io.BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            Counting.read_bytes += len(data)
            return data

    video = make_clip(tmp_path / "v.mp4", Clip(frames=200, size=(640, 480), codec="mjpeg", pix_fmt="yuvj444p"))
    manifest = index_video(video, tmp_path / "index")
    file = Counting(video.read_bytes())
    assert len(list(islice(IndexedVideo(file, manifest, name="v.mp4").images(140), 12))) == 12
    assert Counting.read_bytes < video.stat().st_size / 2
