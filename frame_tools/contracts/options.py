"""How to paint: the one schema that trigger file, command line and HTTP resubmission share.

Each word carries its own meaning, example and group: help texts and docs/options.md are made of them.
"""

from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, PlainValidator, StringConstraints, field_validator, model_validator

from frame_tools.contracts.base import Document
from frame_tools.contracts.scorers import SCORERS

MAX_ARGUMENTS: Final = 32
MAX_ARGUMENT_TEXT: Final = 1000
Group = Literal["What paints", "How it looks", "From frame to frame", "Tasks and delivery", "Where the input is"]
ProgramName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ArgumentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


def _argument(value: object) -> object:
    """Take true, false, a number or a text as it is; a union of types would complain once for each of them."""
    if isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, str) and len(value) <= MAX_ARGUMENT_TEXT:
        return value
    raise ValueError(f"must be true, false, a number, or a text of at most {MAX_ARGUMENT_TEXT} characters")


Argument = Annotated[bool | int | float | str, PlainValidator(_argument)]


def word(default: Any, meaning: str, *, example: object, group: Group, form: str = "") -> Any:
    """Declare a word of the schema; `form` says what it may be where its type does not say it to people."""
    return Field(default, description=meaning, examples=[example], json_schema_extra={"group": group, "form": form})


class Options(Document):
    """How to paint; every field has a meaning of its own and a default."""

    scorer: str = word(
        "any", "What repaints or describes the frames.", example="tuned", group="What paints", form="|".join(SCORERS)
    )
    program: ProgramName | None = word(
        None,
        "For the scorers model and script: a name on the operator's list ALLOWED_PROGRAMS.",
        example="posterise",
        group="What paints",
        form="name",
    )
    arguments: Annotated[dict[ArgumentName, Argument], Field(max_length=MAX_ARGUMENTS)] = word(
        {},
        "For a script, passed on to it as they are; the scorer gatys takes steps.",
        example={"levels": 4},
        group="What paints",
        form="object of names and values",
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = word(
        0, "For scorers that draw random numbers.", example=7, group="What paints"
    )
    strength: Annotated[float, Field(ge=0, le=1)] = word(
        1.0, "0 gives the video back, 1 is the painting in full.", example=0.8, group="How it looks"
    )
    preserve_color: Literal["no", "luma", "statistics"] = word(
        "no",
        "Keep the video's colours: luma takes only light and dark from the painting, statistics gives the painted"
        " frame the mean and spread of the frame's colours.",
        example="luma",
        group="How it looks",
    )
    size: Annotated[int, Field(ge=16, le=8192)] | None = word(
        None,
        "Shorter side, in pixels, at which frames are scored; they are delivered at the video's size.",
        example=720,
        group="How it looks",
    )
    style_scale: Annotated[float, Field(ge=0.1, le=10)] | None = word(
        None,
        "Size of strokes relative to the picture, whatever its resolution; 1 is as on a frame of 720 lines."
        " Not together with size.",
        example=1.5,
        group="How it looks",
    )
    steady: Annotated[float, Field(ge=0, le=0.9)] | None = word(
        None,
        "Weight of the frame before, moved along with the picture; 0 is off, more is calmer and softer."
        " Unsaid: 0.7 for scorers that paint in a style, 0 for the others.",
        example=0.7,
        group="From frame to frame",
    )
    statistics: Literal["shared", "frame"] = word(
        "shared",
        "What the network's norms refer to: shared by the whole run, or each frame for itself.",
        example="frame",
        group="From frame to frame",
    )
    bad_frame: Literal["fail", "original", "previous"] = word(
        "fail",
        "What becomes of a frame that twice comes out black, flat or as no numbers.",
        example="original",
        group="From frame to frame",
    )
    video_only: bool = word(
        False,
        "Keep no painted frames as pictures beside the video: less is encoded and stored.",
        example=True,
        group="Tasks and delivery",
    )
    frames_per_batch: Annotated[int, Field(ge=1, le=2000)] | None = word(
        None, "Frames that one task scores; default: the scorer's own.", example=96, group="Tasks and delivery"
    )
    even: Literal["exact", "pad"] = word(
        "exact",
        "Odd widths and heights: exact keeps them (4:4:4), pad adds a row or column (4:2:0).",
        example="pad",
        group="Tasks and delivery",
    )

    @property
    def weight_of_before(self) -> float:
        """What `steady` comes to: as it was said (a plan always says it now), or else what suits the scorer."""
        return SCORERS[self.scorer].steady if self.steady is None else self.steady

    @field_validator("scorer")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SCORERS:
            near = get_close_matches(name[:40], list(SCORERS), n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"there is no scorer {name[:40]!r}{meant}; there are: {', '.join(SCORERS)}")
        return name

    @model_validator(mode="after")
    def _words_agree(self) -> Self:
        if self.size is not None and self.style_scale is not None:
            raise ValueError("give either size or style_scale, not both")
        spec = SCORERS[self.scorer]
        if spec.program and self.program is None:
            raise ValueError(f"program is missing: the scorer {self.scorer!r} runs a program of the operator's list")
        if self.program is not None and not spec.program:
            takers = " and ".join(name for name, one in SCORERS.items() if one.program)
            raise ValueError(f"the scorer {self.scorer!r} runs no program; only {takers} do")
        self._check_arguments()
        return self

    def _check_arguments(self) -> None:
        known = SCORERS[self.scorer].arguments
        if known is None:
            return
        if strange := sorted(set(self.arguments).difference(known)):
            near = get_close_matches(strange[0], known, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            takes = f"the arguments {', '.join(known)}" if known else "no arguments"
            raise ValueError(f"the scorer {self.scorer!r} takes {takes}, not {strange[0]!r}{meant}")
