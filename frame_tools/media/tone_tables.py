"""Tables with which libavfilter's lut1d, colorchannelmixer and lut3d compute the levels of `tone_curve`.

A table of HDR signals alone is inexact near the border of BT.709, where channels become 0: the inverse of the gamma is
steep there. So the light of each channel is converted to BT.709 exactly, by a table and a matrix of floating-point
numbers, and the three-dimensional table has the resulting light as its coordinates, with nodes at 0. The steps:

1. `light`: signal to light, moved and scaled so that the matrix, whose rows add up to 1, gives values from 0 to 1.
2. The matrix from BT.2020 to BT.709.
3. `coarse` and `fine`: light to coordinates. Sampled evenly, the first is straight around 0, the second bends that.
4. `colors`: coordinates to SDR signals.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, copysign, exp, log
from typing import Final, Self

from frame_tools.media.color import PQ
from frame_tools.media.tone_curve import (
    BT1886_GAMMA,
    BT2020_TO_BT709,
    HLG_GAMMA,
    HLG_PEAK_NITS,
    LUMA_709,
    PQ_NITS,
    TARGET_NITS,
    compressed,
    light_of,
    nits_per_light,
    sdr_signal,
)

_LOWEST: Final = min(sum(min(share, 0.0) for share in row) for row in BT2020_TO_BT709)
_HIGHEST: Final = max(sum(max(share, 0.0) for share in row) for row in BT2020_TO_BT709)
"""Range of the light of a BT.709 channel for BT.2020 light from 0 to 1."""
_BT709_TO_BT2020: Final = (
    (0.627404, 0.329283, 0.043313),
    (0.069097, 0.919540, 0.011362),
    (0.016391, 0.088013, 0.895595),
)
_ROUNDING: Final = 1.5e-7
"""Light of a channel that single precision may make of 0; black must be black."""
_LIGHT_STEPS: Final = 4096
_COARSE_STEPS: Final = 4096
_FINE_STEPS: Final = 16_384
_PQ_DENSITY: Final = 8
_HLG_DENSITY: Final = 12


@dataclass(frozen=True, slots=True)
class ToneTables:
    """The tables in the .cube format."""

    light: str
    coarse: str
    fine: str
    colors: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Coordinates of light that may be negative: a power below `white`, a logarithm above it, 0 at the node `zero`.

    `density` is the number of nodes from 0 to white.
    """

    white: float
    exponent: float
    density: int
    zero: int
    nodes: int

    @classmethod
    def for_transfer(cls, transfer: int) -> Self:
        """Return the axis for PQ or HLG; gray in the range that is not compressed then is a straight line."""
        if transfer == PQ:
            white, exponent, density = TARGET_NITS / PQ_NITS, 1 / BT1886_GAMMA, _PQ_DENSITY
        else:
            white, exponent = (TARGET_NITS / HLG_PEAK_NITS) ** (1 / HLG_GAMMA), HLG_GAMMA / BT1886_GAMMA
            density = _HLG_DENSITY
        ends = cls(white, exponent, density, zero=0, nodes=2)
        zero = ceil(-ends.coordinate(_LOWEST))
        return cls(white, exponent, density, zero=zero, nodes=zero + ceil(ends.coordinate(_HIGHEST)) + 1)

    def coordinate(self, light: float) -> float:
        """Return where light lies, in nodes from `zero`."""
        size = abs(light) / self.white
        code = size**self.exponent if size <= 1 else 1 + self.exponent * log(size)
        return copysign(code * self.density, light)

    def position(self, light: float) -> float:
        """Return where light lies on the axis, from 0 to 1."""
        return min(max((self.zero + self.coordinate(light)) / (self.nodes - 1), 0.0), 1.0)

    def light(self, node: int) -> float:
        """Return the light of a node."""
        code = abs(node - self.zero) / self.density
        size = code ** (1 / self.exponent) if code <= 1 else exp((code - 1) / self.exponent)
        return copysign(size * self.white, node - self.zero)


@lru_cache(maxsize=2)
def tone_tables(transfer: int, peak: float) -> ToneTables:
    """Return the tables for PQ or HLG video with a peak in cd/m2."""
    axis = Axis.for_transfer(transfer)
    coarse = [axis.position(_unscaled(index / (_COARSE_STEPS - 1))) for index in range(_COARSE_STEPS)]
    return ToneTables(
        light=_curve_text(_scaled(light_of(index / (_LIGHT_STEPS - 1), transfer)) for index in range(_LIGHT_STEPS)),
        coarse=_curve_text(coarse),
        fine=_curve_text(_fine_curve(coarse, axis)),
        colors=_colors_text(axis, transfer, peak),
    )


def _scaled(light: float) -> float:
    return (light - _LOWEST) / (_HIGHEST - _LOWEST)


def _unscaled(value: float) -> float:
    return _LOWEST + value * (_HIGHEST - _LOWEST)


def _fine_curve(coarse: list[float], axis: Axis) -> Iterator[float]:
    """Yield what maps the interpolated values of `coarse`, an increasing curve, to exact positions."""
    segment = 0
    for index in range(_FINE_STEPS):
        value = index / (_FINE_STEPS - 1)
        while segment < len(coarse) - 2 and coarse[segment + 1] < value:
            segment += 1
        rise = coarse[segment + 1] - coarse[segment]
        inside = (value - coarse[segment]) / rise if rise > 0 else 0.0
        light = _unscaled(min(max(segment + inside, 0.0) / (len(coarse) - 1), 1.0))
        yield axis.position(light if abs(light) > _ROUNDING else 0.0)


def _curve_text(values: Iterable[float]) -> str:
    lines = [f"{value:.9f} {value:.9f} {value:.9f}\n" for value in values]
    return f"LUT_1D_SIZE {len(lines)}\n" + "".join(lines)


def _colors_text(axis: Axis, transfer: int, peak: float) -> str:
    """Return the three-dimensional table: red changes fastest, then green, then blue."""
    lights = [axis.light(node) for node in range(axis.nodes)]
    lines = [f"LUT_3D_SIZE {axis.nodes}\n"]
    for blue in lights:
        for green in lights:
            lines += _row(lights, green, blue, transfer, peak)
    return "".join(lines)


def _row(reds: list[float], green: float, blue: float, transfer: int, peak: float) -> Iterator[str]:
    """Yield the lines of the colors with these levels of green and blue light."""
    wide = [(row[0], row[1] * green + row[2] * blue) for row in _BT709_TO_BT2020]
    luminance = LUMA_709[1] * green + LUMA_709[2] * blue
    for red in reds:
        brightest = max(share * red + rest for share, rest in wide)
        if brightest <= 0:
            yield "0 0 0\n"
            continue
        factor = nits_per_light(luminance + LUMA_709[0] * red, transfer)
        scale = compressed(brightest * factor, peak) / TARGET_NITS / brightest
        yield f"{sdr_signal(scale * red):.6f} {sdr_signal(scale * green):.6f} {sdr_signal(scale * blue):.6f}\n"
