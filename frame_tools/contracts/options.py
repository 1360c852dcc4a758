"""How frames are scored: the schema that the trigger file, the command line and HTTP resubmission share.

Each option carries its meaning, example and group (`option_specs`), from which help texts and docs/options.md are made.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, Final, Self, get_args

from pydantic import ConfigDict, Field, PlainValidator, StringConstraints, field_validator, model_validator

from frame_tools.contracts.base import Document
from frame_tools.contracts.choices import BadFramePolicy, OddSize, PreserveColor, StatisticsScope, StrokeName
from frame_tools.contracts.json_types import WHOLE, Flag, Number, with_old_names
from frame_tools.contracts.option_specs import OptionGroup, option
from frame_tools.contracts.scorers import RENAMED_SCORERS, SCORERS
from frame_tools.contracts.suggestions import MAX_ECHO_CHARS, did_you_mean

MAX_ARGUMENTS: Final = 32
MAX_ARGUMENT_CHARS: Final = 1000
RENAMED_OPTIONS: Final[Mapping[str, str]] = {
    "even": "odd_size",
    "keep_place": "keep_location",
    "steady": "temporal_smoothing",
    "style_scale": "strokes",
    "video_only": "keep_frames",
}
"""Names that options had in earlier versions, which stored plans, trigger files and scripts still use, and today's."""
INVERTED_OPTIONS: Final = frozenset({"video_only"})
"""Old names that were true where today's option is false."""
ProgramName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ArgumentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


def _argument(value: object) -> object:
    """Return a bool, a finite number or a string unchanged; a union of types would report one error for each type."""
    if isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, str) and len(value) <= MAX_ARGUMENT_CHARS:
        return value
    raise ValueError(f"must be true, false, a number, or a text of at most {MAX_ARGUMENT_CHARS} characters")


MIN_STROKES: Final = 0.1
MAX_STROKES: Final = 10.0
STROKE_SIZES: Final[Mapping[StrokeName, float]] = {"fine": 1.0, "medium": 2.0, "broad": 3.0}
"""Stroke sizes by name, chosen by looking at frames of 360, 1080 and 2160 lines."""


def _strokes(value: object) -> object:
    """Return the name of a stroke size unchanged, or a number as float."""
    if isinstance(value, int | float) and not isinstance(value, bool) and MIN_STROKES <= value <= MAX_STROKES:
        return float(value)
    if isinstance(value, str) and value in get_args(StrokeName):
        return value
    names = ", ".join(get_args(StrokeName))
    hint = did_you_mean(value, get_args(StrokeName)) if isinstance(value, str) else ""
    text = str(value)[:MAX_ECHO_CHARS]
    raise ValueError(f"must be {names}, or a number from {MIN_STROKES:g} to {MAX_STROKES:g}, not {text!r}{hint}")


_StrokeSize = Annotated[float, Field(ge=MIN_STROKES, le=MAX_STROKES)]
Strokes = Annotated[StrokeName | float, PlainValidator(_strokes, json_schema_input_type=StrokeName | _StrokeSize)]
ArgumentValue = bool | int | float | str
_ArgumentText = Annotated[str, Field(max_length=MAX_ARGUMENT_CHARS)]
Argument = Annotated[
    ArgumentValue, PlainValidator(_argument, json_schema_input_type=bool | int | float | _ArgumentText)
]


def rename_old_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with the names of earlier versions replaced.

    Raises ValueError if an option is given under its old and its new name.
    """
    for old, new in RENAMED_OPTIONS.items():
        if old in options and new in options:
            raise ValueError(f"{old} is the old name of {new}: give only {new}")
    return {
        RENAMED_OPTIONS.get(name, name): not value if name in INVERTED_OPTIONS and isinstance(value, bool) else value
        for name, value in options.items()
    }


def extend_schema(schema: dict[str, Any]) -> None:
    """Let the JSON schema of options say what validators check: names of scorers and arguments, and old names."""
    scorer, arguments = schema["properties"]["scorer"], schema["properties"]["arguments"]
    scorer["enum"] = [*SCORERS, *RENAMED_SCORERS]
    arguments["additionalProperties"] = False
    with_old_names(schema, RENAMED_OPTIONS, INVERTED_OPTIONS)


class Options(Document):
    """How frames are scored. Every option has a default."""

    model_config = ConfigDict(json_schema_extra=extend_schema)

    scorer: str = option(
        "any",
        "What paints or describes the frames.",
        example="tuned",
        group=OptionGroup.SCORER_AND_STYLE,
        form="|".join(SCORERS),
    )
    program: ProgramName | None = option(
        None,
        "For the scorers model and script: a name on the operator's allow-list.",
        example="posterise",
        group=OptionGroup.SCORER_AND_STYLE,
        form="name",
    )
    arguments: Annotated[dict[ArgumentName, Argument], Field(max_length=MAX_ARGUMENTS)] = option(
        {},
        "Arguments of the scorer: passed to a script unchanged; the scorer gatys accepts steps.",
        example={"levels": 4},
        group=OptionGroup.SCORER_AND_STYLE,
        form="object of names and values",
    )
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31), WHOLE] = option(
        0, "Seed of scorers that use random numbers.", example=7, group=OptionGroup.SCORER_AND_STYLE
    )
    tune: Flag = option(
        False,
        "Tune the style to each painting before the first frame: strokes closer to those of the painting. It takes"
        " about 3 minutes for a painting on 2 cores; the result is kept, so later runs with the same painting begin at"
        " once. Only the scorer any has it.",
        example=True,
        group=OptionGroup.SCORER_AND_STYLE,
    )
    strength: Annotated[Number, Field(ge=0, le=1)] = option(
        1.0,
        "Opacity of the style: 0 returns the input, 1 applies the style fully.",
        example=0.8,
        group=OptionGroup.APPEARANCE,
    )
    preserve_color: PreserveColor = option(
        "no",
        "Keep the input's colors: luma takes only the brightness from the painted frame, statistics gives it the mean"
        " and variance of the input's colors.",
        example="luma",
        group=OptionGroup.APPEARANCE,
    )
    size: Annotated[int, Field(strict=True, ge=16, le=8192), WHOLE] | None = option(
        None,
        "Shorter side, in pixels, at which frames are scored; the output keeps the video's size.",
        example=720,
        group=OptionGroup.APPEARANCE,
    )
    strokes: Strokes | None = option(
        None,
        "Size of the strokes relative to the picture, the same at any resolution: fine (1, as on a frame of 720"
        " lines), medium (2), broad (3), or a number. Half the size takes four times as long; broad strokes are"
        " painted on smaller frames, and detail of the video is added again. Default: medium for any and tuned; the"
        " other scorers work on the video's own lines. Not together with size.",
        example="broad",
        group=OptionGroup.APPEARANCE,
        form="|".join(get_args(StrokeName)) + f"|{MIN_STROKES:g}..{MAX_STROKES:g}",
    )
    temporal_smoothing: Annotated[Number, Field(ge=0, le=0.9)] | None = option(
        None,
        "How much of the frames before is kept in each frame, carried along the video's motion; 0 disables it, and"
        " higher values flicker less. Default: 0.7 for style scorers, 0 for the others.",
        example=0.7,
        group=OptionGroup.TEMPORAL,
    )
    statistics: StatisticsScope = option(
        "shared",
        "Statistics of the network's normalization: shared by the whole run, or of each frame.",
        example="frame",
        group=OptionGroup.TEMPORAL,
    )
    calm: Annotated[Number, Field(ge=0, le=1)] | None = option(
        None,
        "How calm almost empty pictures stay (plain skies, fog, fades): 0 gives them the painting's full contrast,"
        " noise included. Default: 0.5 for any and tuned, which alone have it. Not with statistics frame.",
        example=0.8,
        group=OptionGroup.APPEARANCE,
    )
    bad_frame: BadFramePolicy = option(
        "fail",
        "What replaces a frame that comes out black, blank or non-finite twice: nothing (the run fails), the original"
        " frame, or the previous output frame.",
        example="original",
        group=OptionGroup.TEMPORAL,
    )
    keep_frames: Flag | None = option(
        None,
        "Store the painted frames as pictures, too; encodes and stores more. Default: true for frames, false where"
        " tasks decode the video.",
        example=True,
        group=OptionGroup.OUTPUT,
    )
    frames_per_batch: Annotated[int, Field(strict=True, ge=1, le=2000), WHOLE] | None = option(
        None,
        "Frames of a batch: what is scored again if something fails. Default: depends on the scorer.",
        example=96,
        group=OptionGroup.OUTPUT,
    )
    odd_size: OddSize = option(
        "pad",
        "Odd widths and heights: pad repeats the last row or column (4:2:0, which every player decodes), exact keeps"
        " them (4:4:4, which QuickTime, phones and Firefox do not decode).",
        example="exact",
        group=OptionGroup.OUTPUT,
    )

    @property
    def smoothing_weight(self) -> float:
        """Weight of the previous output frame: `temporal_smoothing`, or the scorer's default. Plans always give it."""
        if self.temporal_smoothing is None:
            return SCORERS[self.scorer].temporal_smoothing
        return self.temporal_smoothing

    @property
    def calmness(self) -> float:
        """The number of `calm`. Plans before version 6 have none, and are painted as before: 0."""
        return self.calm or 0.0

    @property
    def with_default_calm(self) -> "Options":
        """These options with the scorer's default of `calm`, unless it is given or does not apply."""
        if self.calm is not None or self.statistics == "frame":
            return self
        return self.model_copy(update={"calm": SCORERS[self.scorer].calm})

    @property
    def stores_frames(self) -> bool:
        """Whether painted frames are stored as pictures: `keep_frames`, which plans always give, or the default."""
        return self.keep_frames is not False

    @property
    def stroke_size(self) -> float | None:
        """The number of `strokes`; None where frames are scored at the video's own size or at `size`."""
        return STROKE_SIZES[self.strokes] if isinstance(self.strokes, str) else self.strokes

    @property
    def with_default_strokes(self) -> "Options":
        """These options with the scorer's default of `strokes`, unless `strokes` or `size` is given."""
        if self.strokes is not None or self.size is not None:
            return self
        return self.model_copy(update={"strokes": SCORERS[self.scorer].strokes})

    @model_validator(mode="before")
    @classmethod
    def _rename_old_options(cls, options: Any) -> Any:
        return rename_old_options(options) if isinstance(options, Mapping) else options

    @field_validator("scorer")
    @classmethod
    def _check_scorer(cls, name: str) -> str:
        name = RENAMED_SCORERS.get(name, name)
        if name not in SCORERS:
            raise ValueError(
                f"there is no scorer {name[:MAX_ECHO_CHARS]!r}{did_you_mean(name, SCORERS)};"
                f" the scorers are: {', '.join(SCORERS)}"
            )
        return name

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.size is not None and self.strokes is not None:
            raise ValueError("give either size or strokes, not both")
        spec = SCORERS[self.scorer]
        if self.calm and self.statistics == "frame":
            raise ValueError("calm needs statistics shared: without, each frame is stretched to full contrast")
        if self.calm and spec.calm is None:
            having = " and ".join(name for name, other in SCORERS.items() if other.calm is not None)
            raise ValueError(f"calm does not apply to the scorer {self.scorer!r}; only {having} have it")
        if self.tune and not spec.tunes:
            having = " and ".join(name for name, other in SCORERS.items() if other.tunes)
            raise ValueError(f"tune does not apply to the scorer {self.scorer!r}; only {having} has it")
        if spec.program and self.program is None:
            raise ValueError(f"program is missing: the scorer {self.scorer!r} runs a program of the operator's list")
        if self.program is not None and not spec.program:
            with_program = " and ".join(name for name, each in SCORERS.items() if each.program)
            raise ValueError(f"the scorer {self.scorer!r} runs no program; only {with_program} do")
        self._check_arguments()
        return self

    def _check_arguments(self) -> None:
        valid = SCORERS[self.scorer].arguments
        if valid is None:
            return
        if unknown := sorted(set(self.arguments).difference(valid)):
            accepted = f"the arguments {', '.join(valid)}" if valid else "no arguments"
            raise ValueError(
                f"the scorer {self.scorer!r} accepts {accepted}, not {unknown[0]!r}{did_you_mean(unknown[0], valid)}"
            )
