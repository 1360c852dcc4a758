"""Segments have equal headers, equal bytes for equal frames, and the right colors and sizes."""

import io
from fractions import Fraction

import av
import pytest
from av.video.frame import VideoFrame
from PIL import Image, ImageStat

from frame_tools.contracts.errors import InputError, InternalError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.media_description import Color
from frame_tools.media.color import conversion_for_manifest
from frame_tools.media.segment import SegmentEncoder
from tests.support.clips import draw, read_number
from tests.support.media import segment_bytes, segments_of


def plain(count: int = 8, width: int = 64, height: int = 48, **fields: object) -> Manifest:
    return Manifest.plain(count, Fraction(30_000, 1001), width=width, height=height).model_copy(update=fields)


def headers(segment: bytes) -> bytes:
    with av.open(io.BytesIO(segment)) as container:
        extradata = container.streams.video[0].codec_context.extradata
    assert extradata is not None
    return extradata


def decoded(segment: bytes) -> list[VideoFrame]:
    with av.open(io.BytesIO(segment)) as container:
        return list(container.decode(video=0))


def test_all_segments_share_one_header() -> None:
    images = [draw(number, (64, 48)) for number in range(30)]
    segments = segments_of(plain(30), images, [0, 1, 3, 12])
    assert len({headers(segment_bytes(segment)) for segment in segments}) == 1
    numbers = [read_number(frame.to_image()) for segment in segments for frame in decoded(segment_bytes(segment))]
    assert numbers == list(range(30))


def test_equal_frames_give_equal_bytes() -> None:
    """At this size, with B-frames, x264's AVX-512 code gave different bytes from run to run."""
    noise = Image.effect_noise((480, 360), 90).convert("RGB")
    views = [noise.crop((n, n, 480 - n, 360 - n)).resize((320, 240)).tobytes() for n in range(40)]
    results = []
    for _ in range(6):
        encoder = SegmentEncoder(plain(40, 320, 240))
        for view in views:
            encoder.add(view)
        results.append(encoder.finish())
    assert len(set(results)) == 1


def test_thread_count_is_part_of_the_result() -> None:
    encoder = SegmentEncoder(plain(1), threads=3)
    encoder.add(bytes(64 * 48 * 3))
    assert b" threads=3 " in encoder.finish()


def test_video_frame_and_bytes_encode_alike() -> None:
    image = draw(5, (63, 47))
    results = []
    for frame in (image.tobytes(), bytearray(image.tobytes()), VideoFrame.from_image(image)):
        encoder = SegmentEncoder(plain(1, 63, 47), odd_size="pad")
        encoder.add(frame)
        results.append(encoder.finish())
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("size", "odd_size", "coded", "format_name"),
    [
        ((64, 48), "exact", (64, 48), "yuv420p"),
        ((63, 47), "exact", (63, 47), "yuv444p"),
        ((64, 47), "exact", (64, 47), "yuv444p"),
        ((63, 47), "pad", (64, 48), "yuv420p"),
        ((1, 1), "exact", (1, 1), "yuv444p"),
    ],
)
def test_odd_sizes(size: tuple[int, int], odd_size: str, coded: tuple[int, int], format_name: str) -> None:
    encoder = SegmentEncoder(plain(1, *size), odd_size=odd_size)  # type: ignore[arg-type]
    encoder.add(Image.new("RGB", size, (200, 40, 90)).tobytes())
    (frame,) = decoded(encoder.finish())
    assert (frame.width, frame.height, frame.format.name) == (*coded, format_name)


def test_padding_repeats_last_row_and_column() -> None:
    image = Image.new("RGB", (31, 31), "white")
    encoder = SegmentEncoder(plain(1, 31, 31), odd_size="pad", quality_crf=1)
    encoder.add(image.tobytes())
    (frame,) = decoded(encoder.finish())
    assert min(low for low, _ in frame.to_image().getextrema()) > 245


@pytest.mark.parametrize("matrix", [None, 1, 5, 6, 7, 9])
@pytest.mark.parametrize("levels", [None, "limited", "full"])
@pytest.mark.parametrize("sides", [(64, 48), (64, 720)])
def test_colors_survive_for_every_matrix(matrix: int | None, levels: str | None, sides: tuple[int, int]) -> None:
    manifest = plain(1, *sides, color=Color(matrix=matrix, range=levels))  # type: ignore[arg-type]
    encoder = SegmentEncoder(manifest, quality_crf=1)
    encoder.add(Image.new("RGB", sides, (210, 60, 30)).tobytes())
    (frame,) = decoded(encoder.finish())
    back = conversion_for_manifest(manifest)
    rgb = frame.to_image(src_colorspace=back.matrix, src_color_range=back.range, dst_color_range=2)
    assert ImageStat.Stat(rgb).mean == pytest.approx((210, 60, 30), abs=4)
    # H.264 can't signal an unknown range with a known matrix: what is not full is limited.
    assert (frame.color_range == 2) == (levels == "full")
    assert frame.colorspace == ({48: 6, 720: 1}[sides[1]] if matrix is None else matrix)


def test_untagged_sd_and_hd_use_different_matrices() -> None:
    assert conversion_for_manifest(plain(1, 64, 576)) != conversion_for_manifest(plain(1, 64, 578))
    # A phone's upright video was encoded sideways.
    assert conversion_for_manifest(plain(1, 480, 640, rotation=90)) == conversion_for_manifest(plain(1, 640, 480))


def test_unsupported_matrix_is_rejected() -> None:
    with pytest.raises(InputError, match="code 8"):
        SegmentEncoder(plain(1, color=Color(matrix=8)))


@pytest.mark.parametrize("frame", [b"", bytes(64 * 48 * 3 - 1), bytes(64 * 48 * 4), VideoFrame(48, 64, "rgb24")])
def test_frame_of_wrong_size_is_rejected(frame: bytes | VideoFrame) -> None:
    encoder = SegmentEncoder(plain())
    with pytest.raises(InternalError, match="not 64x48"):
        encoder.add(frame)


def test_segment_without_frames_is_rejected() -> None:
    with pytest.raises(InputError, match="no frames"):
        SegmentEncoder(plain()).finish()
