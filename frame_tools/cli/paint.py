"""The command `paint`: everything from a video and a painting to the painted video; `restyle` is its old name."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.interrupt import following
from frame_tools.cli.options import (
    PAINTING,
    SPLITTING,
    ApiKey,
    ApiUrl,
    Arguments,
    Json,
    KeyStyles,
    MaskPath,
    Overwrite,
    Quiet,
    Styles,
    build_trigger,
    display_mode,
    mask_name,
    parse_arguments,
    parse_styles,
    schema_options,
)
from frame_tools.client.connection import Connection
from frame_tools.client.painting import Painting, default_output
from frame_tools.client.progress import Display, Mode, progress_display
from frame_tools.contracts import ids

Output = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="The video to write: .mp4, .mov or .mkv; records get the suffix .jsonl. Default: VIDEO_by_STYLE.mp4"
        " beside the video.",
    ),
]
Name = Annotated[str | None, typer.Option(help="Name of the run; default: name of the video.")]
console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the command and its old name."""
    app.command(epilog="Example: impasto paint holiday.mp4 -s starry_night.jpg --strength 80%")(paint)
    app.command("restyle", hidden=True, epilog="Example: impasto paint holiday.mp4 -s starry_night.jpg")(paint)


@dataclass(frozen=True, kw_only=True)
class StyleOptions:
    """The options with a syntax of their own on the command line."""

    style: list[str] | None = None
    key_style: list[str] | None = None
    mask: Path | None = None
    arguments: list[str] | None = None


def build_painting(
    video: Path,
    out: Path | None,
    styles: StyleOptions,
    options: Mapping[str, Any],
    *,
    name: str | None = None,
    overwrite: bool = False,
) -> Painting:
    """Return the painting that the options describe, checked; raises InputError or MissingError."""
    from frame_tools.client.upload import extra_files

    style_fields, style_files = parse_styles(styles.style, styles.key_style)
    fields = {**style_fields, "mask": mask_name(styles.mask), "arguments": parse_arguments(styles.arguments)}
    trigger = build_trigger({**options, **fields})
    run_name = name or ids.name_from(video.stem)
    return Painting(
        video=video,
        out=out or default_output(video, trigger),
        trigger=trigger,
        extras=extra_files(style_files, styles.mask),
        folder=run_name,
        name=run_name,
        overwrite=overwrite,
    ).checked()


def run_painting(painting: Painting, connection: Connection, *, display: Display, scratch: Path | None) -> None:
    """Paint, explain Ctrl-C, and report the result."""
    from frame_tools.client.workflow import paint as paint_video

    started: list[str] = []
    with following(connection, lambda: started), tempfile.TemporaryDirectory(prefix="impasto-") as temporary:
        summary = paint_video(
            painting, connection, scratch=scratch or Path(temporary), display=display, on_start=started.append
        )
    display.report("finished", summary.text, **summary.fields())


@schema_options(*PAINTING, "label", *SPLITTING)
def paint(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    style: Styles = None,
    out: Output = None,
    key_style: KeyStyles = None,
    mask: MaskPath = None,
    arguments: Arguments = None,
    overwrite: Overwrite = False,
    name: Name = None,
    scratch: Annotated[Path | None, typer.Option(help="Folder for the split frames; default: a temporary one.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    api: ApiUrl = "",
    key: ApiKey = "",
    **options: Any,
) -> None:
    """Paint a video in the style of a painting."""
    with report_errors():
        mode = display_mode(json=json, quiet=quiet)
        styles = StyleOptions(style=style, key_style=key_style, mask=mask, arguments=arguments)
        painting = build_painting(video, out, styles, options, name=name, overwrite=overwrite)
        connection = connect(api, key)
        with progress_display(console, mode) as display:
            run_painting(painting, connection, display=display, scratch=scratch)
        if mode is not Mode.JSON:
            typer.echo(painting.out)
