"""Values of a trigger file: names, rates, and styles with their weights."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, StringConstraints

from frame_tools.contracts.base import Document
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.ids import NAME_PATTERN, check_name
from frame_tools.contracts.json_types import Number

MAX_RATE: Final = 1000
"""Frames per second."""
MAX_RATE_DENOMINATOR: Final = 10**6
MAX_SECONDS: Final = 10**7
MAX_WEIGHT: Final = 1000
_RATE: Final = re.compile(r"[0-9]{1,10}(?:[./][0-9]{1,10})?")
"""No exponents: Fraction would compute all digits of 1e999999999."""


def _file_name(name: str) -> str:
    try:
        return check_name(name, "name")
    except InputError as error:
        raise ValueError(str(error)) from None


def _rate(value: object) -> Fraction:
    """Return 25, "25", "30000/1001" or "29.97" as an exact fraction of frames per second."""
    try:
        rate = value if isinstance(value, Fraction) else _fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError('must be a rate like 25 or "30000/1001"') from None
    if not 0 < rate <= MAX_RATE or rate.denominator > MAX_RATE_DENOMINATOR:
        raise ValueError(f"must be over 0 and at most {MAX_RATE} frames per second")
    return rate


def _fraction(text: str) -> Fraction:
    if not _RATE.fullmatch(text):
        raise ValueError(text[:40])
    return Fraction(text)


def _style(value: object) -> str | dict[str, float]:
    """Return the name of one style file, or names of several with their weights in the mix."""
    if isinstance(value, str):
        return _file_name(value)
    if not isinstance(value, Mapping) or not value:
        raise ValueError('must be a file name, or an object like {"a.jpg": 0.7, "b.jpg": 0.3}')
    return {_file_name(str(name)): _weight(str(name), weight) for name, weight in value.items()}


def _weight(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_WEIGHT:
        raise ValueError(f"the weight of {name[:60]!r} must be a number over 0 and at most {MAX_WEIGHT}")
    return float(value)


def normalized_weights(style: str | Mapping[str, float]) -> dict[str, float]:
    """Return each style file's share of the mix; the shares sum to 1."""
    if isinstance(style, str):
        return {style: 1.0}
    total = sum(style.values())
    return {name: weight / total for name, weight in style.items()}


FileName = Annotated[str, AfterValidator(_file_name), Field(json_schema_extra={"pattern": NAME_PATTERN})]
_Weight = Annotated[float, Field(gt=0, le=MAX_WEIGHT)]
_Weights = Annotated[dict[FileName, _Weight], Field(min_length=1, json_schema_extra={"additionalProperties": False})]
_RateNumber = Annotated[float, Field(gt=0, le=MAX_RATE)]
_RateText = Annotated[str, Field(pattern=f"^{_RATE.pattern}$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
Rate = Annotated[
    Fraction,
    PlainValidator(_rate, json_schema_input_type=_RateNumber | _RateText),
    PlainSerializer(lambda rate: f"{rate.numerator}/{rate.denominator}"),
]
Style = Annotated[str | dict[str, float], PlainValidator(_style, json_schema_input_type=FileName | _Weights)]


class StyleKeyframe(Document):
    """The style that is reached `at` seconds after the first frame; styles between keyframes are interpolated."""

    at: Annotated[Number, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
    style: Style
