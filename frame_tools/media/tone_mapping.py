"""Tone mapping of HDR video (PQ or HLG, BT.2020) to SDR (BT.709): a three-dimensional table for libavfilter's lut3d.

Steps, with their sources:

1. Light: PQ by SMPTE ST 2084; HLG by ITU-R BT.2100 with the system gamma 1.2 of a display of 1000 cd/m2.
2. Brightness: the EETF of ITU-R BT.2390, section 5.4.1, from the peak of the source to 203 cd/m2, the level of diffuse
   white by ITU-R BT.2408. It is applied to the largest of R, G and B; all three are scaled alike, which keeps hue and
   saturation. Below about 90 cd/m2 nothing changes.
3. Gamut: BT.2020 to BT.709 by ITU-R BT.2407; colors outside move toward gray of the same luminance until they fit.
4. Signal: the inverse of the EOTF of ITU-R BT.1886 (gamma 2.4).

FFmpeg's `zscale=transfer=linear:npl=203:agamma=0,zscale=primaries=709,zscale=transfer=709` gives the same values where
step 2 changes nothing and the color lies in BT.709. By default (`agamma=1`) zscale approximates the display gamma of
HLG by a power of each channel; BT.2100 takes a power of the luminance, which keeps hues. They differ by up to 35 levels
in saturated colors.
"""

import struct
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import exp
from pathlib import Path
from typing import Final, TypeAlias, cast

from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from typing_extensions import Buffer

from frame_tools.media.color import HLG, PQ, SCALING, Conversion

TARGET_NITS: Final = 203.0
DEFAULT_PEAK_NITS: Final = 1000.0
_MAX_PEAK_NITS: Final = 10_000.0
_HLG_PEAK_NITS: Final = 1000.0
_HLG_GAMMA: Final = 1.2
_GRID: Final = 33
_BT1886_GAMMA: Final = 2.4
_LUMA_2020: Final = (0.2627, 0.6780, 0.0593)
_LUMA_709: Final = (0.2126, 0.7152, 0.0722)
_BT2020_TO_BT709: Final = (
    (1.660491, -0.587641, -0.072850),
    (-0.124550, 1.132900, -0.008349),
    (-0.018151, -0.100579, 1.118730),
)
_MASTERING_MAX_LUMINANCE: Final = 72  # offset in AVMasteringDisplayMetadata: six primaries, white point and minimum
_FORMAT: Final = "gbrp16le"

Rgb: TypeAlias = tuple[float, float, float]

# SMPTE ST 2084.
_M1: Final = 2610 / 16384
_M2: Final = 2523 / 4096 * 128
_C1: Final = 3424 / 4096
_C2: Final = 2413 / 4096 * 32
_C3: Final = 2392 / 4096 * 32
# ITU-R BT.2100, HLG.
_HLG_A: Final = 0.17883277
_HLG_B: Final = 1 - 4 * _HLG_A
_HLG_C: Final = 0.55991073


class ToneMapper:
    """Converts frames of one HDR video to SDR as RGB with 16 bits per channel; single use.

    `transfer` is PQ or HLG as in ITU-T H.273, `peak` the brightest level of the source in cd/m2.
    """

    def __init__(self, transfer: int, conversion: Conversion, *, peak: float = DEFAULT_PEAK_NITS) -> None:
        self._transfer = transfer
        self._peak = _HLG_PEAK_NITS if transfer == HLG else min(max(peak, TARGET_NITS), _MAX_PEAK_NITS)
        self._conversion = conversion
        self._reformatter = VideoReformatter()
        self._graph: Graph | None = None
        self._size = (0, 0)

    def map(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame in SDR, as gbrp16le of the same size."""
        rgb = self._reformatter.reformat(
            frame,
            format=_FORMAT,
            src_colorspace=self._conversion.matrix,
            src_color_range=self._conversion.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=SCALING,
            threads=1,
        )
        if self._graph is None or self._size != (rgb.width, rgb.height):
            self._size = rgb.width, rgb.height
            self._graph = self._build_graph(rgb)
        self._graph.vpush(rgb)
        return self._graph.vpull()

    def _build_graph(self, template: VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = 1
        source = graph.add_buffer(
            width=template.width, height=template.height, format=template.format, time_base=Fraction(1, 1000)
        )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "tone.cube"
            file.write_text(cube_text(self._transfer, self._peak), encoding="ascii")
            table = graph.add("lut3d", file=str(file), interp="tetrahedral")
            graph.link_nodes(source, table, graph.add("buffersink"))
            graph.configure()
        return graph


def read_peak(frame: VideoFrame) -> float:
    """Return the peak of the display that an HDR video was mastered on in cd/m2, or the usual 1000."""
    data = cast("Mapping[str, Buffer]", frame.side_data).get("MASTERING_DISPLAY_METADATA")
    if data is None:
        return DEFAULT_PEAK_NITS
    numerator, denominator, _, has_luminance = struct.unpack_from("=4i", bytes(data), _MASTERING_MAX_LUMINANCE)
    return float(numerator / denominator) if has_luminance and min(numerator, denominator) > 0 else DEFAULT_PEAK_NITS


@lru_cache(maxsize=2)
def cube_text(transfer: int, peak: float) -> str:
    """Return the table in the .cube format: red changes fastest, then green, then blue."""
    steps = [index / (_GRID - 1) for index in range(_GRID)]
    levels = [_pq_nits(step) if transfer == PQ else _hlg_light(step) for step in steps]
    lines = [f"LUT_3D_SIZE {_GRID}"]
    for blue in levels:
        for green in levels:
            for red in levels:
                rgb = (red, green, blue) if transfer == PQ else _hlg_display(red, green, blue)
                lines.append("{:.6f} {:.6f} {:.6f}".format(*_to_sdr(rgb, peak)))
    return "\n".join(lines) + "\n"


def tone_mapped(signal: Rgb, transfer: int, peak: float = DEFAULT_PEAK_NITS) -> Rgb:
    """Return the SDR signal (0 to 1) of one HDR signal (0 to 1): what the table interpolates."""
    red, green, blue = (_pq_nits(value) if transfer == PQ else _hlg_light(value) for value in signal)
    return _to_sdr((red, green, blue) if transfer == PQ else _hlg_display(red, green, blue), peak)


def _to_sdr(nits: Rgb, peak: float) -> Rgb:
    """Map light of a BT.2020 display in cd/m2 to an SDR signal of BT.709."""
    brightest = max(nits)
    scale = _eetf(brightest, peak) / brightest / TARGET_NITS if brightest > 0 else 0.0
    light = [value * scale for value in nits]
    rgb = [sum(factor * value for factor, value in zip(row, light, strict=True)) for row in _BT2020_TO_BT709]
    red, green, blue = (value ** (1 / _BT1886_GAMMA) for value in _into_gamut(rgb))
    return red, green, blue


def _into_gamut(rgb: list[float]) -> list[float]:
    """Move a color toward gray of the same luminance until all channels lie from 0 to 1."""
    gray = sum(factor * value for factor, value in zip(_LUMA_709, rgb, strict=True))
    gray = min(max(gray, 0.0), 1.0)
    low, high = min(rgb), max(rgb)
    keep = 1.0
    if low < 0 and gray > low:
        keep = min(keep, gray / (gray - low))
    if high > 1 and high > gray:
        keep = min(keep, (1 - gray) / (high - gray))
    return [min(max(gray + keep * (value - gray), 0.0), 1.0) for value in rgb]


@lru_cache(maxsize=4096)
def _eetf(nits: float, peak: float) -> float:
    """Compress a level from the range up to `peak` to the range up to the target, both in cd/m2."""
    source_peak = _pq_signal(peak)
    level = min(_pq_signal(nits) / source_peak, 1.0)
    target = _pq_signal(TARGET_NITS) / source_peak
    knee = 1.5 * target - 0.5
    if level >= knee and target < 1:
        t = (level - knee) / (1 - knee)
        level = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * target
    return _pq_nits(level * source_peak)


def _pq_nits(signal: float) -> float:
    power = signal ** (1 / _M2)
    return float(10_000 * (max(power - _C1, 0.0) / (_C2 - _C3 * power)) ** (1 / _M1))


def _pq_signal(nits: float) -> float:
    power = (nits / 10_000) ** _M1
    return float(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def _hlg_light(signal: float) -> float:
    """Return scene light from 0 to 1."""
    return signal**2 / 3 if signal <= 0.5 else (exp((signal - _HLG_C) / _HLG_A) + _HLG_B) / 12


def _hlg_display(red: float, green: float, blue: float) -> Rgb:
    """Return the light of a display of 1000 cd/m2 for scene light."""
    luminance = sum(factor * value for factor, value in zip(_LUMA_2020, (red, green, blue), strict=True))
    gain = _HLG_PEAK_NITS * luminance ** (_HLG_GAMMA - 1)
    return red * gain, green * gain, blue * gain
