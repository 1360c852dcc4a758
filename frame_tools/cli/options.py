"""Command-line options generated from the schema, which provides their names, help, defaults and validation."""

import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.markup import escape

from frame_tools.client.output_path import RecordsFormat
from frame_tools.client.progress import Mode
from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.option_specs import OptionGroup, OptionSpec, spec_of
from frame_tools.contracts.options import Options
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.trigger import Trigger, option_spec

Command = TypeVar("Command", bound=Callable[..., Any])
PAINTING: Final = tuple(name for name in Options.model_fields if name != "arguments")
"""The fields of `Options` that are one command-line option each."""
SPLITTING: Final = tuple(SplitOptions.model_fields)
"""The options of a split."""
CONNECTION: Final = "Connection"
"""The title of the help panel with the options that name the cloud."""
_FLAGS: Final = {"image_format": "--format"}
_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?) ?%")


def schema_options(*names: str, show_defaults: bool = True) -> Callable[[Command], Command]:
    """Add one command-line option for each of these schema options to a command.

    The command receives them in its parameter `**options`; None means that the option is absent. `show_defaults` is
    False where an absent option means "unchanged". Typer builds options from a command's signature only, so the
    generated ones become part of the signature.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        generated = [_parameter(option_spec(name), show_default=show_defaults) for name in names]
        command.__signature__ = signature.replace(parameters=[*own, *generated])  # type: ignore[attr-defined]
        return command

    return decorate


def _parameter(spec: OptionSpec, *, show_default: bool) -> inspect.Parameter:
    """Return an option's parameter: flags are bool, all else is text that the schema parses."""
    has_default = spec.default is not None and spec.default is not False
    default = rf" [dim]\[default: {spec.default}][/dim]" if show_default and has_default else ""
    option = typer.Option(
        _FLAGS.get(spec.name, f"--{spec.name.replace('_', '-')}"),
        help=f"{escape(spec.meaning)}{default}",
        metavar=None if spec.kind is bool else spec.form.replace("|", " | "),  # spaces let long lists wrap
        rich_help_panel=spec.group,
        show_default=False,
    )
    kind = bool if spec.kind is bool else str
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
    return inspect.Parameter(spec.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


# Options that several commands share and that are not part of the schema.

ApiUrl = Annotated[
    str,
    typer.Option(
        "--api",
        help="URL of the app's HTTP interface, ending with /api. Default: IMPASTO_API, else that of the cloud in use.",
        rich_help_panel=CONNECTION,
    ),
]
ApiKey = Annotated[
    str,
    typer.Option(
        "--key",
        help="Function key; not needed for a local app. Default: IMPASTO_KEY, else read with the Azure CLI.",
        rich_help_panel=CONNECTION,
    ),
]


class RecordsChoice(StrEnum):
    """The values of --records."""

    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


Records = Annotated[
    RecordsChoice | None,
    typer.Option(
        "--records",
        help="How records are written, of runs that make them. Default: by the suffix of the output, else jsonl."
        " Parquet needs pip install 'impasto[parquet]'.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="The video to write: .mp4, .mov or .mkv; records .jsonl, .csv or .parquet. Default: VIDEO_by_STYLE.mp4"
        " beside the video. A folder for several paintings.",
    ),
]
Name = Annotated[str | None, typer.Option(help="Name of the run; default: name of the video.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", "-y", help="Replace an existing output file.")]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object a line, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show errors and the result only.")]


def chosen_format(records: RecordsChoice | None) -> RecordsFormat | None:
    """Return the format that --records names; None: by the suffix of the output."""
    return None if records is None else records.value


def display_mode(*, json: bool, quiet: bool) -> Mode:
    """Return how progress is shown; raises InputError for both options."""
    if json and quiet:
        raise InputError("--json and --quiet exclude each other", "Give one of them.")
    return Mode.JSON if json else Mode.QUIET if quiet else Mode.AUTO


# Schema options with their own syntax on the command line.

Styles = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        "-s",
        metavar="FILE[=WEIGHT]",
        help="A painting, a tuned style or a checkpoint; repeat for a mix.",
        rich_help_panel=OptionGroup.SCORER_AND_STYLE,
    ),
]
KeyStyles = Annotated[
    list[str] | None,
    typer.Option(
        "--key-style",
        metavar="SECONDS=FILE[=WEIGHT]",
        help="A style that is reached at this time; --style is the one at 0.",
        rich_help_panel=OptionGroup.SCORER_AND_STYLE,
    ),
]
MaskPath = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        help="Folder of masks with the names of the frames, or a mask video.",
        rich_help_panel=OptionGroup.APPEARANCE,
    ),
]
Arguments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="An argument of the scorer; repeatable.",
        rich_help_panel=OptionGroup.SCORER_AND_STYLE,
    ),
]


@dataclass(frozen=True)
class StyleArgument:
    """A style on the command line: a path or file name, and its weight in the mix, if given."""

    text: str
    weight: float | None

    @property
    def name(self) -> str:
        """The file's name in the container `input`."""
        return ids.name_from(Path(self.text).name)


def parse_style(text: str) -> StyleArgument:
    """Parse "a.jpg" or "a.jpg=0.7"."""
    file, _, number = text.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        return StyleArgument(text, None)
    return StyleArgument(file, weight) if file else StyleArgument(text, None)


def parse_key_style(text: str) -> tuple[float, StyleArgument]:
    """Parse "4.5=b.jpg" or "4.5=b.jpg=0.3"; raises InputError."""
    number, separator, style = text.partition("=")
    try:
        seconds = float(number)
    except ValueError:
        seconds = math.nan
    if not separator or not style or not math.isfinite(seconds):
        raise InputError(f"Invalid --key-style {text[:60]!r}", "Write SECONDS=FILE, for example 4.5=hokusai.jpg.")
    return seconds, parse_style(style)


def parse_argument(text: str) -> tuple[str, Any]:
    """Parse "levels=4": numbers, true and false as such, all else as text; raises InputError."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise InputError(f"Invalid --set {text[:60]!r}", "Write NAME=VALUE, for example levels=4.")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    return name, parsed if isinstance(parsed, bool | int | float) else value


def style_fields(styles: Sequence[StyleArgument], key_styles: Sequence[tuple[float, StyleArgument]]) -> dict[str, Any]:
    """Return the trigger's fields `style` and `key_styles`; key styles with equal times form a mix."""
    fields: dict[str, Any] = {"style": _mix(styles)} if styles else {}
    times = dict.fromkeys(sorted(seconds for seconds, _ in key_styles))
    if times:
        fields["key_styles"] = [
            {"at": time, "style": _mix([style for seconds, style in key_styles if seconds == time])} for time in times
        ]
    return fields


def _mix(styles: Sequence[StyleArgument]) -> str | dict[str, float]:
    """Return one style's name, or the weights of several styles by name; raises InputError for a repeated name."""
    if len(styles) == 1 and styles[0].weight is None:
        return styles[0].name
    mix: dict[str, float] = {}
    for style in styles:
        if style.name in mix:
            raise InputError(f"The style {style.name!r} is given twice", "Give each file once, with one weight.")
        mix[style.name] = 1.0 if style.weight is None else style.weight
    return mix


def parse_styles(styles: list[str] | None, key_styles: list[str] | None) -> tuple[dict[str, Any], list[Path]]:
    """Parse --style and --key-style; returns the trigger's fields, and the paths of the style files."""
    parsed = [parse_style(text) for text in styles or ()]
    timed = [parse_key_style(text) for text in key_styles or ()]
    files = dict.fromkeys(Path(style.text) for style in (*parsed, *(style for _, style in timed)))
    return style_fields(parsed, timed), list(files)


def mask_name(mask: Path | None) -> str | None:
    """Return the mask's name in the container `input`."""
    return ids.name_from(mask.name) if mask else None


def present(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given; numbers as such, "80%" as 0.8, and invalid numbers as they are."""
    return {name: _number(name, value) for name, value in options.items() if value is not None}


def _number(name: str, value: Any) -> Any:
    field = Trigger.model_fields.get(name)
    if not isinstance(value, str) or field is None or spec_of(name, field).kind not in (int, float):
        return value
    if match := _PERCENT.fullmatch(value.strip()):
        return round(float(match[1]) / 100, 6)
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if math.isfinite(number) and number.is_integer() else number if math.isfinite(number) else value


def build_trigger(options: Mapping[str, Any]) -> Trigger:
    """Return the trigger with these options, absent ones (None) at their defaults; raises InputError."""
    return Trigger.parse_input(json.dumps(present(options)), "options")


def build_options(options: Mapping[str, Any]) -> Options:
    """Return the options without those of the input, absent ones (None) at their defaults; raises InputError."""
    return Options.parse_input(json.dumps(present(options)), "options")


def parse_arguments(texts: Iterable[str] | None) -> dict[str, Any] | None:
    """Return the trigger's field `arguments` from the values of --set, None if there are none."""
    return dict(map(parse_argument, texts or ())) or None
