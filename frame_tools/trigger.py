"""The trigger file: the small JSON document that is uploaded last, into `triggers/<name>.json`, and starts a run.

Everything in it comes from outside. The names in it are file names inside `input/<folder>/`, never paths.
"""

import codecs
import re
from fractions import Fraction
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, field_validator, model_validator

from frame_tools.documents import Document
from frame_tools.errors import InputError
from frame_tools.names import check_name
from frame_tools.scorers import SCORERS

MAX_TRIGGER_BYTES: Final = 64 * 2**10
MAX_RATE: Final = 1000
_RATE: Final = re.compile(r"[0-9]{1,10}(?:[./][0-9]{1,10})?")
"""No exponents: Fraction would work out all the digits of 1e999999999."""


def _file_name(name: str) -> str:
    try:
        return check_name(name, "name")
    except InputError as error:
        raise ValueError(str(error)) from None


def _rate(value: object) -> Fraction:
    """Take 25, "25", "30000/1001" or "29.97" as an exact fraction of frames per second."""
    try:
        rate = value if isinstance(value, Fraction) else _fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError('must be a rate like 25 or "30000/1001"') from None
    if not 0 < rate <= MAX_RATE or rate.denominator > 10**6:
        raise ValueError(f"must be over 0 and at most {MAX_RATE} frames per second")
    return rate


def _fraction(text: str) -> Fraction:
    if not _RATE.fullmatch(text):
        raise ValueError(text[:40])
    return Fraction(text)


FileName = Annotated[str, AfterValidator(_file_name)]
Rate = Annotated[Fraction, PlainValidator(_rate), PlainSerializer(lambda rate: f"{rate.numerator}/{rate.denominator}")]


class Options(Document):
    """How to paint; shared by the trigger file and the command line.

    strength: 0 gives the input back, 1 is the painting in full.
    even: what to do with odd widths and heights: "exact" keeps them (4:4:4), "pad" adds a row or column (4:2:0).
    """

    scorer: str = "any"
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    frames_per_batch: Annotated[int, Field(ge=1, le=2000)] | None = None
    even: Literal["exact", "pad"] = "exact"

    @field_validator("scorer")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SCORERS:
            raise ValueError(f"there is no scorer {name[:40]!r}; there are: {', '.join(SCORERS)}")
        return name


class Trigger(Options):
    """What a person asks for.

    input: folder of `input` that holds the files named here; default: the trigger's own name.
    video: a video there, to be split by the first task; or else
    frames: a folder of numbered frames there (default "frames"), with the `manifest.json` beside it, or with `rate`.
    style: the painting's image file there.
    image_format: how to store frames when splitting `video`.
    keep_place: pass on where the video was recorded, if it says so.
    """

    version: Literal[1] = 1
    input: FileName | None = None
    video: FileName | None = None
    frames: FileName | None = None
    rate: Rate | None = None
    style: FileName | None = None
    image_format: Literal["jpg", "png"] = "jpg"
    keep_place: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.video and (self.frames or self.rate):
            raise ValueError("give either video, or frames (and rate), not both")
        if SCORERS[self.scorer].needs_style and not self.style:
            raise ValueError(f"style is missing: the scorer {self.scorer!r} needs a painting's file name")
        return self

    @property
    def frames_folder(self) -> str:
        """Folder of the frames inside the input folder."""
        return self.frames or "frames"


def load_trigger(data: bytes) -> Trigger:
    """Read a trigger file; raises InputError in words."""
    if len(data) > MAX_TRIGGER_BYTES:
        raise InputError(
            f"The trigger file has {len(data)} bytes; at most {MAX_TRIGGER_BYTES} are read",
            "Put only options into it; frames and paintings are files of their own",
        )
    return Trigger.loads(data.removeprefix(codecs.BOM_UTF8), "trigger file")  # some editors and shells put one
