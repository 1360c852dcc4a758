"""The trigger file: the small JSON document that is uploaded last, as `triggers/<name>.json`, and starts a run.

Everything in it comes from users. The names in it are file names inside `input/<folder>/`, never paths.
"""

import codecs
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator

from frame_tools.contracts.choices import (
    ContainerChoice,
    DamageChoice,
    Deinterlace,
    FrameOrigin,
    HdrChoice,
    ImageFormat,
    Sound,
)
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.json_types import Flag, FormVersion
from frame_tools.contracts.option_specs import OptionGroup, OptionSpec, option, spec_of
from frame_tools.contracts.options import Options, extend_schema
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.trigger_values import FileName, Label, Rate, Style, StyleKeyframe, normalized_weights
from frame_tools.contracts.tuning import MAX_TUNED, TUNED_SUFFIX, paintings_to_tune

SCHEMA_FIELD: Final = "$schema"
MAX_TRIGGER_BYTES: Final = 64 * 2**10
MAX_STYLES: Final = 16
"""Distinct style files of one run; every task loads all of them."""
MAX_KEYFRAMES: Final = 100
_KIND_NAMES: Final = {"painting": "a painting", "tuned": "a tuned style", "checkpoint": "a checkpoint"}


def _extend_schema(schema: dict[str, Any]) -> None:
    """Add the field `$schema`, with which editors find docs/trigger.schema.json; Impasto ignores it."""
    extend_schema(schema)
    schema["properties"][SCHEMA_FIELD] = {"type": "string", "description": "URL of this schema, for editors; ignored."}


class Trigger(Options):
    """What a user asks for. Names are of files in the folder `input`."""

    model_config = ConfigDict(json_schema_extra=_extend_schema)

    version: FormVersion = 1
    style: Style | None = option(
        None,
        "The style file: a painting, a tuned style or a checkpoint, depending on the scorer; or several files with"
        " their weights in the mix. Scorers without a style ignore it.",
        example={"monet.jpg": 0.7, "hokusai.jpg": 0.3},
        group=OptionGroup.SCORER_AND_STYLE,
        form="file name, or object of file names and weights",
    )
    key_styles: Annotated[tuple[StyleKeyframe, ...], Field(max_length=MAX_KEYFRAMES)] = option(
        (),
        "Style keyframes at increasing times in seconds; styles between them are interpolated. The option style is the"
        " keyframe at 0.",
        example=[{"at": 4.5, "style": "hokusai.jpg"}],
        group=OptionGroup.SCORER_AND_STYLE,
        form="list of objects with at and style",
    )
    mask: FileName | None = option(
        None,
        "Where to paint: a folder of images named like the frames, or a video; white is painted, black stays.",
        example="masks",
        group=OptionGroup.APPEARANCE,
        form="name of a folder or video",
    )
    input: FileName | None = option(
        None,
        "Folder in the container input that holds the files named here. Default: the trigger's own name.",
        example="holiday",
        group=OptionGroup.INPUT,
        form="name of a folder",
    )
    video: FileName | None = option(
        None,
        "A video in that folder.",
        example="holiday.mp4",
        group=OptionGroup.INPUT,
        form="file name",
    )
    source: FrameOrigin | None = option(
        None,
        "What tasks read of a video: the video, of which each task decodes its part, or frames, which the first task"
        " makes of it. A video that can't be decoded in parts is split into frames all the same, and the report says"
        " so. Default: video where one is given, else frames.",
        example="frames",
        group=OptionGroup.INPUT,
    )
    index: FileName | None = option(
        None,
        "The video's index in that folder, which the client makes; it implies the source video. Without one, the first"
        " task makes it.",
        example="index.json",
        group=OptionGroup.INPUT,
        form="file name",
    )
    frames: FileName | None = option(
        None,
        "A folder of numbered frames in that folder, with a manifest.json beside it or with rate. Default: frames.",
        example="frames",
        group=OptionGroup.INPUT,
        form="name of a folder",
    )
    rate: Rate | None = option(
        None,
        "Frames per second, for frames without a manifest.",
        example="30000/1001",
        group=OptionGroup.INPUT,
        form='25, "29.97" or "30000/1001"',
    )
    label: Label | None = option(
        None,
        "A word that several runs share, to list, cancel or redo them together.",
        example="spring",
        group=OptionGroup.INPUT,
        form="letters, digits, '.', '_' and '-'",
    )
    image_format: ImageFormat = option(
        "jpg",
        "How the frames of a split video are stored: jpg (quality 95, 4:4:4) or png.",
        example="png",
        group=OptionGroup.OUTPUT,
    )
    keep_location: Flag = option(
        False, "Copy the video's GPS location, if it has one, to the output.", example=True, group=OptionGroup.OUTPUT
    )
    sound: Sound = option(
        "copy",
        "The video's sound: copy keeps what players decode in the output and converts the rest (without loss where the"
        " original has none), convert makes AAC or ALAC of everything but MP3, drop leaves it out.",
        example="convert",
        group=OptionGroup.OUTPUT,
    )
    container: ContainerChoice = option(
        "auto",
        "The output's container. auto: MP4, or Matroska if only that takes a sound unconverted; a name given with --out"
        " decides.",
        example="mov",
        group=OptionGroup.OUTPUT,
    )
    hdr: HdrChoice = option(
        "tonemap",
        "HDR video (HLG, PQ): tonemap converts it to SDR (BT.709) by ITU-R BT.2390, refuse ends the run.",
        example="refuse",
        group=OptionGroup.INPUT,
    )
    deinterlace: Deinterlace = option(
        "on",
        "Interlaced video: on makes one progressive frame of each interlaced one (bwdif), off keeps both fields in it.",
        example="off",
        group=OptionGroup.INPUT,
    )
    damaged: DamageChoice = option(
        "auto",
        "Damaged video: keep repeats the frame before a damaged one and accepts a file that was cut off, refuse ends"
        " the run. auto keeps damage in the first and last group of pictures of transport and program streams, and"
        " refuses other damage.",
        example="keep",
        group=OptionGroup.INPUT,
    )

    @model_validator(mode="before")
    @classmethod
    def _ignore_schema(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping) or not isinstance(fields.get(SCHEMA_FIELD), str):
            return fields
        return {name: value for name, value in fields.items() if name != SCHEMA_FIELD}

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if self.video and (self.frames or self.rate):
            raise ValueError("give either video, or frames (and rate), not both")
        if self.reads_video and self.video is None:
            raise ValueError("video is missing: the source video and an index are for a video")
        self._check_styles()
        if any(after.at <= before.at for before, after in pairwise(self.key_styles)):
            raise ValueError("the times of key_styles must increase")
        if self.style is not None and self.key_styles and self.key_styles[0].at == 0:
            raise ValueError("give the style at 0 either as style or as the first of key_styles, not both")
        if self.mask and SCORERS[self.scorer].makes == "records":
            raise ValueError(f"the scorer {self.scorer!r} makes no pictures, so mask cannot be used")
        return self

    def _check_styles(self) -> None:
        spec = SCORERS[self.scorer]
        files = self.style_files
        if not spec.needs_style:
            return
        if not files:
            raise ValueError(
                f"style is missing: the scorer {self.scorer!r} needs the name of {_KIND_NAMES[spec.styles[0]]}"
            )
        if len(files) > 1 and not spec.mixes:
            raise ValueError(f"the scorer {self.scorer!r} accepts one style, not {len(files)}")
        if len(files) > MAX_STYLES:
            raise ValueError(f"{len(files)} style files are named; the maximum for one run is {MAX_STYLES}")
        paintings = len(paintings_to_tune(files))
        if self.tune and not 1 <= paintings <= MAX_TUNED:
            limits = f"1 to {MAX_TUNED} paintings in a run, not {paintings}"
            raise ValueError(f"tune works with {limits}; files that end with {TUNED_SUFFIX} are tuned already")

    @property
    def split_options(self) -> SplitOptions:
        """The options of the split of the video."""
        return SplitOptions(**{name: getattr(self, name) for name in SplitOptions.model_fields})

    @property
    def with_source(self) -> Self:
        """This trigger as a request has it: with an explicit `source`.

        Stored requests of a time when `frames` was the default have none, and mean that.
        """
        source: FrameOrigin = "frames" if self.video is None else "video"
        return self if self.source is not None else self.model_copy(update={"source": source})

    @property
    def reads_video(self) -> bool:
        """Whether tasks are to decode the video themselves. Requests always give `source`."""
        return self.source == "video" or self.index is not None

    @property
    def needs_split(self) -> bool:
        """Whether a task has to read the whole video before the run can be planned."""
        return self.video is not None and self.index is None

    @property
    def frames_folder(self) -> str:
        """The folder of the frames inside the input folder."""
        return self.frames or "frames"

    @property
    def keyframes(self) -> tuple[StyleKeyframe, ...]:
        """All style keyframes, with `style` as the one at 0; empty without a style."""
        first = () if self.style is None else (StyleKeyframe(at=0, style=self.style),)
        return first + self.key_styles

    @property
    def style_files(self) -> tuple[str, ...]:
        """The names of all style files, each once, in order of first use."""
        names = (name for keyframe in self.keyframes for name in normalized_weights(keyframe.style))
        return tuple(dict.fromkeys(names))


def option_spec(name: str) -> OptionSpec:
    """Return the metadata of one option of the trigger file."""
    return spec_of(name, Trigger.model_fields[name])


def all_option_specs() -> list[OptionSpec]:
    """Return the metadata of all options that users write, in schema order; programs write `version`."""
    return [option_spec(name) for name in Trigger.model_fields if name != "version"]


def parse_trigger(data: bytes) -> Trigger:
    """Parse a trigger file; raises InputError if it is too large or invalid."""
    if len(data) > MAX_TRIGGER_BYTES:
        raise InputError(
            f"The trigger file has {len(data)} bytes; the maximum is {MAX_TRIGGER_BYTES}",
            "Put only options into it; frames and styles are files of their own",
        )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(
            "The trigger file is UTF-16 text, not UTF-8",
            "Save it as UTF-8; in PowerShell, write it with Set-Content -Encoding utf8 instead of >",
        )
    return Trigger.parse_input(data.removeprefix(codecs.BOM_UTF8), "trigger file")  # some editors and shells add a BOM
