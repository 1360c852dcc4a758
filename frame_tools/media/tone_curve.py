"""Levels of HDR video (PQ or HLG, BT.2020) in SDR (BT.709), one color at a time.

Steps, with their sources:

1. Light: PQ by SMPTE ST 2084; HLG by ITU-R BT.2100 with the system gamma 1.2 of a display of 1000 cd/m2.
2. Brightness: the EETF of ITU-R BT.2390, section 5.4.1, from the peak of the source to 203 cd/m2, the level of diffuse
   white by ITU-R BT.2408. It is applied to the largest of R, G and B; all three are scaled alike, which keeps hue and
   saturation. Below about 90 cd/m2 nothing changes.
3. Gamut: BT.2020 to BT.709 by the matrix of ITU-R BT.2407, section 2; channels outside are clipped.
4. Signal: the inverse of the EOTF of ITU-R BT.1886 (gamma 2.4).

FFmpeg's `zscale=transfer=linear:npl=203:agamma=0,zscale=primaries=709,zscale=transfer=709` gives the same values where
step 2 changes nothing. By default (`agamma=1`) zscale approximates the display gamma of HLG by a power of each channel;
BT.2100 takes a power of the luminance, which keeps hues. They differ by up to 35 levels in saturated colors.
"""

from functools import lru_cache
from math import exp
from typing import Final, TypeAlias

from frame_tools.media.color import PQ

Rgb: TypeAlias = tuple[float, float, float]

TARGET_NITS: Final = 203.0
DEFAULT_PEAK_NITS: Final = 1000.0
PQ_NITS: Final = 10_000.0
"""Light of the highest PQ signal."""
HLG_PEAK_NITS: Final = 1000.0
HLG_GAMMA: Final = 1.2
BT1886_GAMMA: Final = 2.4
LUMA_709: Final = (0.2126, 0.7152, 0.0722)
BT2020_TO_BT709: Final = (
    (1.66049100, -0.58764114, -0.07284986),
    (-0.12455048, 1.13289990, -0.00834942),
    (-0.01815076, -0.10057890, 1.11872966),
)
_LUMA_2020: Final = (0.2627, 0.6780, 0.0593)

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


def tone_mapped(signal: Rgb, transfer: int, peak: float = DEFAULT_PEAK_NITS) -> Rgb:
    """Return the SDR signal (0 to 1) of one HDR signal (0 to 1)."""
    light = [light_of(value, transfer) for value in signal]
    factor = nits_per_light(sum(share * value for share, value in zip(_LUMA_2020, light, strict=True)), transfer)
    brightest = max(light) * factor
    scale = factor * compressed(brightest, peak) / brightest / TARGET_NITS if brightest > 0 else 0.0
    red, green, blue = (
        sdr_signal(scale * sum(share * value for share, value in zip(row, light, strict=True)))
        for row in BT2020_TO_BT709
    )
    return red, green, blue


def light_of(signal: float, transfer: int) -> float:
    """Return the light of a channel from 0 to 1: of the display for PQ, of the scene for HLG."""
    return pq_nits(signal) / PQ_NITS if transfer == PQ else _hlg_light(signal)


def nits_per_light(luminance: float, transfer: int) -> float:
    """Return the cd/m2 of a display for light of 1, in a color of this luminance (0 to 1)."""
    return PQ_NITS if transfer == PQ else HLG_PEAK_NITS * max(luminance, 0.0) ** (HLG_GAMMA - 1)


def sdr_signal(light: float) -> float:
    """Return the signal of a channel; light of 1 is white."""
    return float(min(max(light, 0.0), 1.0) ** (1 / BT1886_GAMMA))


def compressed(nits: float, peak: float) -> float:
    """Compress a level from the range up to `peak` to the range up to the target, both in cd/m2."""
    source_peak, target, knee = _ends(peak)
    level = min(_pq_signal(nits) / source_peak, 1.0)
    if level < knee or target >= 1:
        return min(nits, peak)
    t = (level - knee) / (1 - knee)
    level = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * target
    return pq_nits(level * source_peak)


@lru_cache(maxsize=8)
def _ends(peak: float) -> tuple[float, float, float]:
    """Return the signal of the peak, and target and knee relative to it."""
    source_peak = _pq_signal(peak)
    target = _pq_signal(TARGET_NITS) / source_peak
    return source_peak, target, 1.5 * target - 0.5


def pq_nits(signal: float) -> float:
    """Return the light of a PQ signal in cd/m2."""
    power = signal ** (1 / _M2)
    return float(PQ_NITS * (max(power - _C1, 0.0) / (_C2 - _C3 * power)) ** (1 / _M1))


def _pq_signal(nits: float) -> float:
    power = (nits / PQ_NITS) ** _M1
    return float(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def _hlg_light(signal: float) -> float:
    return signal**2 / 3 if signal <= 0.5 else (exp((signal - _HLG_C) / _HLG_A) + _HLG_B) / 12
