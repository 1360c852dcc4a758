"""The schema's words as options of the command line: names, help and defaults are its own, and it does the checking."""

import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from typer.core import TyperCommand, TyperOption

from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.option_specs import Word, word_of
from frame_tools.contracts.options import Group, Options
from frame_tools.contracts.trigger import Trigger

Command = TypeVar("Command", bound=Callable[..., Any])
PAINTING: Final = tuple(word for word in Options.model_fields if word != "arguments")
"""The words of `Options` that are one option each."""
_SPELT: Final = {"image_format": "--format"}


class Grouped(TyperCommand):
    """A command whose help lists its options in groups, as plain text."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each group; options without one come first."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            group = param.rich_help_panel if isinstance(param, TyperOption) else None
            title = "Arguments" if param.param_type_name == "argument" else group or "Options"
            if record is not None:
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def takes(*words: str, defaults: bool = True) -> Callable[[Command], Command]:
    """Give a command with `**words` one option for each of these words of the trigger file; unsaid ones are None.

    `defaults`: whether the help tells what an unsaid word means; where it means "as before", it does not.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        made = [_parameter(word_of(word), defaults=defaults) for word in words]
        command.__signature__ = signature.replace(parameters=[*own, *made])  # type: ignore[attr-defined]
        return command

    return decorate


def _parameter(word: Word, *, defaults: bool) -> inspect.Parameter:
    """Return the option of one word: numbers are read as numbers, all else as text that the schema checks."""
    unsaid = word.default is None or word.default is False
    shown = f"  [default: {word.default}]" if defaults and not unsaid else ""
    option = typer.Option(
        _SPELT.get(word.name, f"--{word.name.replace('_', '-')}"),
        help=f"{word.meaning}{shown}",
        metavar=None if word.kind is bool else word.form,
        rich_help_panel=word.group,
        show_default=False,
    )
    annotation = Annotated[word.kind | None, option]  # type: ignore[name-defined]
    return inspect.Parameter(word.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


# Where the app is: no word of the schema, but of several commands.

ApiUrl = Annotated[str, typer.Option("--api", envvar="IMPASTO_API", help="URL of the app, ending with /api.")]
ApiKey = Annotated[str, typer.Option("--key", envvar="IMPASTO_KEY", help="A function key; none for a local app.")]


# Words with a form of their own on the command line.

PAINTS: Final[Group] = "What paints"
LOOKS: Final[Group] = "How it looks"
Styles = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        metavar="FILE[=WEIGHT]",
        help="A painting, a tuned style or a checkpoint; again for a mix.",
        rich_help_panel=PAINTS,
    ),
]
KeyStyles = Annotated[
    list[str] | None,
    typer.Option(
        "--key-style",
        metavar="SECONDS=FILE[=WEIGHT]",
        help="The style reached then; --style is the one at 0.",
        rich_help_panel=PAINTS,
    ),
]
MaskPath = Annotated[
    Path | None,
    typer.Option("--mask", help="Folder of masks named as the frames, or a video of them.", rich_help_panel=LOOKS),
]
Arguments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An argument of the scorer.", rich_help_panel=PAINTS),
]


@dataclass(frozen=True)
class Named:
    """A style as it was said: a file (or its name) and its weight in the mix, if one was given."""

    text: str
    weight: float | None

    @property
    def name(self) -> str:
        """The file's name in the container `input`."""
        return ids.name_from(Path(self.text).name)


def style_of(text: str) -> Named:
    """Read "a.jpg" or "a.jpg=0.7"."""
    file, _, said = text.rpartition("=")
    try:
        weight = float(said)
    except ValueError:
        return Named(text, None)
    return Named(file, weight) if file else Named(text, None)


def key_style_of(text: str) -> tuple[float, Named]:
    """Read "4.5=b.jpg" or "4.5=b.jpg=0.3"; raises InputError."""
    said, found, style = text.partition("=")
    try:
        at = float(said)
    except ValueError:
        at = math.nan
    if not found or not style or not math.isfinite(at):
        raise InputError(f"--key-style {text[:60]!r} is not understood", "Write SECONDS=FILE, as 4.5=hokusai.jpg")
    return at, style_of(style)


def argument_of(text: str) -> tuple[str, Any]:
    """Read "levels=4": numbers, true and false as such, all else as text; raises InputError."""
    name, found, said = text.partition("=")
    if not found or not name:
        raise InputError(f"--set {text[:60]!r} is not understood", "Write NAME=VALUE, as levels=4")
    try:
        value = json.loads(said)
    except ValueError:
        value = said
    return name, value if isinstance(value, bool | int | float) else said


def style_words(styles: Sequence[Named], keys: Sequence[tuple[float, Named]]) -> dict[str, Any]:
    """Return `style` and `key_styles` as a trigger file says them; keys of one time are a mix."""
    words: dict[str, Any] = {"style": _mix(styles)} if styles else {}
    times = dict.fromkeys(sorted(at for at, _ in keys))
    if times:
        words["key_styles"] = [{"at": at, "style": _mix([one for when, one in keys if when == at])} for at in times]
    return words


def _mix(styles: Sequence[Named]) -> str | dict[str, float]:
    if len(styles) == 1 and styles[0].weight is None:
        return styles[0].name
    mix: dict[str, float] = {}
    for style in styles:
        if style.name in mix:
            raise InputError(f"The style {style.name!r} is named twice", "Name each file once, with one weight")
        mix[style.name] = 1.0 if style.weight is None else style.weight
    return mix


def files_of(styles: list[str] | None, keys: list[str] | None) -> tuple[dict[str, Any], list[Path]]:
    """Return the words that say which styles, and the paths of their files."""
    named: list[Named] = [style_of(text) for text in styles or ()]
    timed = [key_style_of(text) for text in keys or ()]
    paths = dict.fromkeys(Path(one.text) for one in (*named, *(style for _, style in timed)))
    return style_words(named, timed), list(paths)


def mask_name_of(mask: Path | None) -> str | None:
    """Return the mask's name in the container `input`."""
    return ids.name_from(mask.name) if mask else None


def checked(said: Mapping[str, Any]) -> Trigger:
    """Return the words as a trigger, those that were not said left at their defaults; raises InputError."""
    return Trigger.parse_input(
        json.dumps({word: value for word, value in said.items() if value is not None}), "options"
    )


def arguments_of(texts: Iterable[str]) -> dict[str, Any] | None:
    """Return the word `arguments`, None if nothing was set."""
    return dict(map(argument_of, texts)) or None
