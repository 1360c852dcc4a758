"""Bounded numbers and texts of which the manifest consists, as types for pydantic."""

import re
from fractions import Fraction
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, StringConstraints

MAX_FRAMES: Final = 1_000_000
MAX_SIDE: Final = 16_384
MAX_CHAPTERS: Final = 1000
MAX_NOTES: Final = 50
MAX_PTS: Final = 2**53
_MAX_INT32: Final = 2**31 - 1
_RATIO: Final = re.compile(r"(-?[0-9]{1,10})/([0-9]{1,10})")


def parse_ratio(value: object) -> Fraction:
    """Return "n/d" or a Fraction as a Fraction whose parts fit 32 bits, as in FFmpeg's AVRational; else ValueError."""
    if isinstance(value, str) and (match := _RATIO.fullmatch(value)):
        if int(match[2]) == 0:
            raise ValueError("the denominator is zero")
        value = Fraction(int(match[1]), int(match[2]))
    if not isinstance(value, Fraction):
        raise ValueError('must be text like "30000/1001"')  # noqa: TRY004 - pydantic turns ValueError into its own
    if max(abs(value.numerator), value.denominator) > _MAX_INT32:
        raise ValueError("numerator or denominator is over 2147483647")
    return value


def _positive(value: object) -> Fraction:
    ratio = parse_ratio(value)
    if ratio <= 0:
        raise ValueError("must be over zero")
    return ratio


def _check_pattern(pattern: str) -> str:
    # The only replacement field has no name and no attribute, so that str.format cannot access an object.
    if not re.fullmatch(r"[^\x00-\x1f\x7f/\\{}]*\{:(0[1-9])?d\}[^\x00-\x1f\x7f/\\{}]*", pattern):
        raise ValueError('must be a file name with one number in it, like "{:06d}.jpg"')
    return pattern


_AS_TEXT: Final = PlainSerializer(lambda ratio: f"{ratio.numerator}/{ratio.denominator}", return_type=str)
Ratio = Annotated[Fraction, PlainValidator(parse_ratio), _AS_TEXT]
PositiveRatio = Annotated[Fraction, PlainValidator(_positive), _AS_TEXT]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Code = Annotated[int, Field(ge=0, le=255)]
Pts = Annotated[int, Field(ge=0, le=MAX_PTS)]
Step = Annotated[int, Field(ge=1, le=MAX_PTS)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Cut = Annotated[int, Field(ge=1, lt=MAX_FRAMES)]
Pattern = Annotated[str, StringConstraints(max_length=200), AfterValidator(_check_pattern)]
