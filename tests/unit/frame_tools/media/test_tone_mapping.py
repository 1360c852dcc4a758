"""HDR video becomes SDR with the levels that ITU-R BT.2390, BT.2408 and BT.1886 give, and SDR tags."""

import random
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from av.video.reformatter import ColorRange, Colorspace

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media.color import Conversion
from frame_tools.media.mask_video import MaskVideo
from frame_tools.media.split import split
from frame_tools.media.tone_curve import DEFAULT_PEAK_NITS, Rgb, light_of, tone_mapped
from frame_tools.media.tone_mapping import ToneMapper, read_peak
from tests.support.media import frame_images, join_split, read_video

PQ, HLG = 16, 18
PNG = SplitOptions(image_format="png")
BT709_TO_BT2020 = ((0.6274, 0.3293, 0.0433), (0.0691, 0.9195, 0.0114), (0.0164, 0.0880, 0.8956))


def pq(nits: float) -> float:
    """Return the signal of a level by SMPTE ST 2084."""
    power = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def write_hdr(path: Path, transfer: int, rgb: tuple[float, float, float]) -> None:
    """Write one color, given as an R'G'B' signal, losslessly as 10-bit YCbCr of BT.2020 in limited range."""
    red, green, blue = rgb
    luma = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    codes = (64 + 876 * luma, 512 + 896 * (blue - luma) / 1.8814, 512 + 896 * (red - luma) / 1.4746)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, transfer, 9, 1
        for number in range(2):
            frame = av.VideoFrame(64, 48, "yuv444p10le")
            for plane, code in zip(frame.planes, codes, strict=True):
                plane.update(round(code).to_bytes(2, "little") * (plane.buffer_size // 2))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def sdr_color(folder: Path, transfer: int, rgb: tuple[float, float, float]) -> tuple[int, ...]:
    write_hdr(folder / "v.mkv", transfer, rgb)
    color = frame_images(folder / "out", split(folder / "v.mkv", folder / "out", PNG))[0].getpixel((30, 20))
    assert isinstance(color, tuple)
    return color


@pytest.mark.parametrize("nits", [0.5, 5, 20, 50, 80])
def test_levels_below_the_knee_keep_their_light(tmp_path: Path, nits: float) -> None:
    expected = 255 * (nits / 203) ** (1 / 2.4)
    assert sdr_color(tmp_path, PQ, (pq(nits),) * 3) == pytest.approx((expected,) * 3, abs=1.5)


def test_highlights_are_compressed_not_clipped(tmp_path: Path) -> None:
    levels = [tone_mapped((pq(nits),) * 3, PQ)[0] for nits in (100, 203, 400, 700, 1000)]
    assert levels == sorted(set(levels))
    assert levels[1] == pytest.approx(0.903, abs=0.005)  # 159 of 203 cd/m2
    assert levels[-1] == pytest.approx(1)
    assert tone_mapped((pq(4000),) * 3, PQ)[0] == pytest.approx(1)
    assert sdr_color(tmp_path, PQ, (pq(203),) * 3) == pytest.approx((230, 230, 230), abs=1.5)


@pytest.mark.parametrize("channel", [0, 1, 2], ids=["red", "green", "blue"])
def test_colors_of_bt709_keep_their_hue(tmp_path: Path, channel: int) -> None:
    red, green, blue = (pq(50 * row[channel]) for row in BT709_TO_BT2020)
    color = sdr_color(tmp_path, PQ, (red, green, blue))
    expected = [0.0, 0.0, 0.0]
    expected[channel] = 255 * (50 / 203) ** (1 / 2.4)
    assert color[channel] == pytest.approx(expected[channel], abs=6)  # 10 bits are coarse near the gamut
    assert max(value for index, value in enumerate(color) if index != channel) <= 26


def test_reference_white_of_hlg_equals_that_of_pq(tmp_path: Path) -> None:
    """A signal of 75 % of HLG is 203 cd/m2 on a display of 1000 cd/m2 (ITU-R BT.2408)."""
    assert sdr_color(tmp_path, HLG, (0.75,) * 3) == pytest.approx((230, 230, 230), abs=2)


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        ((0.40, 0.40, 0.40), (114.4, 114.4, 114.4)),
        ((0.45, 0.30, 0.25), (140.6, 81.9, 72.7)),
        ((0.42, 0.30, 0.22), (130.5, 82.9, 63.4)),
        ((0.30, 0.40, 0.35), (67.6, 115.8, 100.1)),
        ((0.25, 0.30, 0.50), (56.5, 86.8, 135.8)),
        ((0.20, 0.20, 0.45), (50.4, 57.4, 118.9)),
    ],
)
def test_colors_of_hlg_are_those_of_the_luminance_gamma(
    tmp_path: Path, signal: tuple[float, float, float], expected: tuple[float, float, float]
) -> None:
    """The expected levels were computed by FFmpeg's zscale without its approximate gamma (agamma=0)."""
    assert [255 * value for value in tone_mapped(signal, HLG)] == pytest.approx(expected, abs=0.15)
    assert sdr_color(tmp_path, HLG, signal) == pytest.approx(expected, abs=2.5)


# ITU-R BT.2020 light of Display P3 (SMPTE RP 431-2 primaries, white of BT.709).
P3_TO_BT2020 = ((0.753833, 0.198597, 0.047570), (0.045744, 0.941777, 0.012479), (-0.001210, 0.017602, 0.983609))
COLORS = 4096


def random_signals(transfer: int, *, p3: bool) -> list[Rgb]:
    """Return random HDR signals of BT.2020; with `p3`, those of colors of P3."""
    dice = random.Random(f"{transfer} {p3}")
    signals: list[Rgb] = []
    while len(signals) < COLORS:
        signal = dice.random(), dice.random(), dice.random()
        light = [light_of(value, transfer) for value in signal]
        wide = [sum(share * value for share, value in zip(row, light, strict=True)) for row in P3_TO_BT2020]
        red, green, blue = (signal_of(value, transfer) for value in wide) if p3 else signal
        signals.append((red, green, blue))
    return signals


def signal_of(light: float, transfer: int) -> float:
    """Invert `light_of` by bisection."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if light_of(middle, transfer) < light else (low, middle)
    return low


def rgb_frame(signals: Sequence[Rgb]) -> av.VideoFrame:
    frame = av.VideoFrame(64, len(signals) // 64, "gbrpf32le")
    for plane, channel in zip(frame.planes, (1, 2, 0), strict=True):
        row_values = plane.line_size // 4
        padding = [0.0] * (row_values - 64)
        values = [signal[channel] for signal in signals]
        rows = (values[at : at + 64] + padding for at in range(0, len(values), 64))
        plane.update(b"".join(struct.pack(f"<{row_values}f", *row) for row in rows))
    return frame


def rgb_values(frame: av.VideoFrame) -> list[Rgb]:
    planes = []
    for plane in frame.planes:
        values = struct.unpack(f"<{plane.buffer_size // 4}f", bytes(plane))
        row_values = plane.line_size // 4
        planes.append([value for at in range(0, len(values), row_values) for value in values[at : at + 64]])
    green, blue, red = planes
    return list(zip(red, green, blue, strict=True))


@pytest.mark.parametrize("p3", [True, False], ids=["P3", "BT.2020"])
@pytest.mark.parametrize(("transfer", "peak"), [(PQ, 1000.0), (PQ, 4000.0), (HLG, 1000.0)])
def test_wide_colors_have_the_levels_of_the_formula(transfer: int, peak: float, p3: bool) -> None:
    signals = random_signals(transfer, p3=p3)
    mapper = ToneMapper(transfer, Conversion(Colorspace.BT2020, ColorRange.JPEG, 9), peak=peak)
    levels = rgb_values(mapper.map(rgb_frame(signals)))
    errors = sorted(
        max(255 * abs(value - right) for value, right in zip(level, tone_mapped(signal, transfer, peak), strict=True))
        for level, signal in zip(levels, signals, strict=True)
    )
    assert all(0 <= value <= 1 for level in levels for value in level)
    assert errors[COLORS // 2] <= 0.6
    assert errors[COLORS * 95 // 100] <= 2.5


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_grays_and_dark_colors_are_exact(transfer: int) -> None:
    """Banding would show there."""
    grays = [(index / 2048,) * 3 for index in range(2048)]
    mapper = ToneMapper(transfer, Conversion(Colorspace.BT2020, ColorRange.JPEG, 9))
    levels = rgb_values(mapper.map(rgb_frame(grays)))
    for level, signal in zip(levels, grays, strict=True):
        assert [255 * value for value in level] == pytest.approx(
            [255 * value for value in tone_mapped(signal, transfer)], abs=1.5
        )
        assert max(level) - min(level) < 0.004
    assert [level[0] for level in levels] == sorted(level[0] for level in levels)


def test_output_is_tagged_as_sdr_and_noted(tmp_path: Path) -> None:
    write_hdr(tmp_path / "v.mkv", HLG, (0.5, 0.4, 0.3))
    trip = join_split(tmp_path / "v.mkv", tmp_path)
    assert read_video(trip.result).color == (1, 1, 1, 1)
    assert any("HLG" in note and "SDR" in note for note in trip.manifest.notes)


@pytest.mark.parametrize(("transfer", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_hdr_is_refused_on_request(tmp_path: Path, transfer: int, name: str) -> None:
    write_hdr(tmp_path / "v.mkv", transfer, (0.5, 0.5, 0.5))
    with pytest.raises(InputError, match=name) as caught:
        split(tmp_path / "v.mkv", tmp_path / "out", SplitOptions(hdr="refuse"))
    assert "tonemap" in caught.value.remedy


@pytest.mark.parametrize(
    ("maximum", "has_luminance", "peak"), [((40_000_000, 10_000), 1, 4000), ((0, 1), 1, None), ((600, 1), 0, None)]
)
def test_peak_is_that_of_the_mastering_display(
    maximum: tuple[int, int], has_luminance: int, peak: float | None
) -> None:
    """The fields of AVMasteringDisplayMetadata: six primaries, white point, minimum, maximum, and two flags."""
    data = bytes(72) + struct.pack("=4i", *maximum, 0, has_luminance)
    frame: Any = SimpleNamespace(side_data={"MASTERING_DISPLAY_METADATA": data})
    assert read_peak(frame) == (peak or DEFAULT_PEAK_NITS)
    untagged: Any = SimpleNamespace(side_data={})
    assert read_peak(untagged) == DEFAULT_PEAK_NITS


def test_hdr_mask_is_refused(tmp_path: Path) -> None:
    write_hdr(tmp_path / "mask.mkv", HLG, (0.5, 0.5, 0.5))
    with pytest.raises(InputError, match="HLG"):
        MaskVideo(tmp_path / "mask.mkv", name="mask")
