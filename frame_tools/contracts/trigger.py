"""The trigger file: the small JSON document that is uploaded last, into `triggers/<name>.json`, and starts a run.

Everything in it comes from outside. The names in it are file names inside `input/<folder>/`, never paths.
"""

import codecs
import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, model_validator

from frame_tools.contracts.base import Document
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.ids import check_name
from frame_tools.contracts.options import Options, word
from frame_tools.contracts.scorers import SCORERS

MAX_TRIGGER_BYTES: Final = 64 * 2**10
MAX_RATE: Final = 1000
MAX_STYLES: Final = 16
"""Different style files of one run; every task loads them all."""
MAX_KEYS: Final = 100
MAX_SECONDS: Final = 10**7
MAX_WEIGHT: Final = 1000
_KINDS: Final = {"painting": "a painting", "tuned": "a tuned style", "checkpoint": "a checkpoint"}
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


def _style(value: object) -> str | dict[str, float]:
    """Take a file's name, or names with their weights in the mix."""
    if isinstance(value, str):
        return _file_name(value)
    if not isinstance(value, Mapping) or not value:
        raise ValueError('must be a file name, or an object like {"a.jpg": 0.7, "b.jpg": 0.3}')
    return {_file_name(str(name)): _weight(str(name), weight) for name, weight in value.items()}


def _weight(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_WEIGHT:
        raise ValueError(f"the weight of {name[:60]!r} must be a number over 0 and at most {MAX_WEIGHT}")
    return float(value)


def shares(style: str | Mapping[str, float]) -> dict[str, float]:
    """Return each file's share in a style: weights made to sum up to 1."""
    if isinstance(style, str):
        return {style: 1.0}
    total = sum(style.values())
    return {name: weight / total for name, weight in style.items()}


FileName = Annotated[str, AfterValidator(_file_name)]
Rate = Annotated[Fraction, PlainValidator(_rate), PlainSerializer(lambda rate: f"{rate.numerator}/{rate.denominator}")]
Style = Annotated[str | dict[str, float], PlainValidator(_style)]


class StyleKeyframe(Document):
    """The style that is reached `at` seconds from the first frame; between two keys it goes over evenly."""

    at: Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
    style: Style


class Trigger(Options):
    """What a person asks for; names are of files in the folder `input`."""

    version: Literal[1] = 1
    style: Style | None = word(
        None,
        "The style's file: a painting, a tuned style or a checkpoint, as the scorer takes them; or several files with"
        " their weights in the mix. Scorers that need none pass over it.",
        example={"monet.jpg": 0.7, "hokusai.jpg": 0.3},
        group="What paints",
        form="file name, or object of file names and weights",
    )
    key_styles: Annotated[tuple[StyleKeyframe, ...], Field(max_length=MAX_KEYS)] = word(
        (),
        "Styles that are reached at these seconds, rising; between them one goes over into the next. The word style"
        " then is the one at 0.",
        example=[{"at": 4.5, "style": "hokusai.jpg"}],
        group="What paints",
        form="list of objects with at and style",
    )
    mask: FileName | None = word(
        None,
        "Where to paint: a folder of pictures named as the frames, or a video; white is painted, black stays.",
        example="masks",
        group="How it looks",
        form="name of a folder or video",
    )
    input: FileName | None = word(
        None,
        "Folder of the container input that holds the files named here; default: the trigger's own name.",
        example="holiday",
        group="Where the input is",
        form="name of a folder",
    )
    video: FileName | None = word(
        None,
        "A video there, to be split by the first task.",
        example="holiday.mp4",
        group="Where the input is",
        form="file name",
    )
    frames: FileName | None = word(
        None,
        "A folder of numbered frames there, with the manifest.json beside it, or with rate; default: frames.",
        example="frames",
        group="Where the input is",
        form="name of a folder",
    )
    rate: Rate | None = word(
        None,
        "Frames per second, for frames without a manifest.",
        example="30000/1001",
        group="Where the input is",
        form='25, "29.97" or "30000/1001"',
    )
    image_format: Literal["jpg", "png"] = word(
        "jpg",
        "How frames are stored when video is split: jpg (quality 95, 4:4:4) or png.",
        example="png",
        group="Tasks and delivery",
    )
    keep_place: bool = word(
        False, "Pass on where the video was recorded, if it says so.", example=True, group="Tasks and delivery"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.video and (self.frames or self.rate):
            raise ValueError("give either video, or frames (and rate), not both")
        self._check_styles()
        if any(after.at <= before.at for before, after in pairwise(self.key_styles)):
            raise ValueError("key_styles must rise in time")
        if self.style is not None and self.key_styles and self.key_styles[0].at == 0:
            raise ValueError("give the style at 0 either as style or as the first of key_styles, not both")
        if self.mask and SCORERS[self.scorer].makes == "records":
            raise ValueError(f"the scorer {self.scorer!r} makes no pictures that a mask could be for")
        return self

    def _check_styles(self) -> None:
        spec = SCORERS[self.scorer]
        files = self.style_files
        if not spec.needs_style:
            return
        if not files:
            raise ValueError(f"style is missing: the scorer {self.scorer!r} needs {_KINDS[spec.styles[0]]}'s file name")
        if len(files) > 1 and not spec.mixes:
            raise ValueError(f"the scorer {self.scorer!r} takes one style, not {len(files)}")
        if len(files) > MAX_STYLES:
            raise ValueError(f"{len(files)} style files are named; at most {MAX_STYLES} can be mixed in one run")

    @property
    def frames_folder(self) -> str:
        """Folder of the frames inside the input folder."""
        return self.frames or "frames"

    @property
    def keys(self) -> tuple[StyleKeyframe, ...]:
        """The styles over time, `style` as the one at 0; empty without a style."""
        first = () if self.style is None else (StyleKeyframe(at=0, style=self.style),)
        return first + self.key_styles

    @property
    def style_files(self) -> tuple[str, ...]:
        """Names of all style files, each once, in the order of their first mention."""
        return tuple(dict.fromkeys(name for key in self.keys for name in shares(key.style)))


def load_trigger(data: bytes) -> Trigger:
    """Read a trigger file; raises InputError in words."""
    if len(data) > MAX_TRIGGER_BYTES:
        raise InputError(
            f"The trigger file has {len(data)} bytes; at most {MAX_TRIGGER_BYTES} are read",
            "Put only options into it; frames and paintings are files of their own",
        )
    return Trigger.parse_input(data.removeprefix(codecs.BOM_UTF8), "trigger file")  # some editors and shells put one
