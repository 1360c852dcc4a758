"""The command `paint`: everything from a video and a painting to the painted video; `restyle` is its old name."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from frame_tools.cli.connect import connect
from frame_tools.cli.derived import Compare, Gif, Report, Webp, derived_files
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import (
    PAINTING,
    SPLITTING,
    ApiKey,
    ApiUrl,
    Arguments,
    Json,
    KeyStyles,
    MaskPath,
    Name,
    Output,
    Overwrite,
    Quiet,
    Records,
    Styles,
    chosen_format,
    display_mode,
    schema_options,
)
from frame_tools.cli.paintings import (
    StyleOptions,
    build_painting,
    build_paintings,
    run_painting,
    run_paintings,
    style_mixes,
)
from frame_tools.client.progress import Mode, progress_display

DEFAULT_FOLDER = "painted"
console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the command and its old name."""
    app.command(epilog="Example: impasto paint holiday.mp4 -s starry_night.jpg --strength 80%")(paint)
    app.command("restyle", hidden=True, epilog="Example: impasto paint holiday.mp4 -s starry_night.jpg")(paint)


@schema_options(*PAINTING, "label", "source", *SPLITTING)
def paint(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Video files, or folders of them.")],
    style: Styles = None,
    out: Output = None,
    key_style: KeyStyles = None,
    mask: MaskPath = None,
    arguments: Arguments = None,
    records: Records = None,
    overwrite: Overwrite = False,
    compare: Compare = None,
    gif: Gif = False,
    webp: Webp = False,
    report: Report = None,
    name: Name = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=32, help="Clips that are uploaded at once.")] = 4,
    scratch: Annotated[
        Path | None, typer.Option(help="Folder for what is made of the videos; default: a temporary one.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    api: ApiUrl = "",
    key: ApiKey = "",
    **options: Any,
) -> None:
    """Paint a video in the style of a painting, or many videos in many styles.

    Several styles without weights are several paintings; with weights (a.jpg=2 -s b.jpg=1) they are one mix. The
    outputs of several paintings go to the folder --out (default: painted), with index.html and runs.csv; the same
    command skips what is finished and resumes what was started.
    """
    with report_errors():
        mode = display_mode(json=json, quiet=quiet)
        styles = StyleOptions(style=style, key_style=key_style, mask=mask, arguments=arguments)
        mixes = style_mixes(styles)
        records_format = chosen_format(records)
        is_single = len(videos) == 1 and not videos[0].is_dir() and len(mixes) == 1
        derived = derived_files(compare, gif=gif, webp=webp, report=not is_single if report is None else report)
        if is_single:
            painting = build_painting(
                videos[0], out, styles, options,
                name=name, overwrite=overwrite, derived=derived, records=records_format,
            )  # fmt: skip
            connection = connect(api, key)
            with progress_display(console, mode) as display:
                written = run_painting(painting, connection, display=display, scratch=scratch)
        else:
            folder = out or Path(DEFAULT_FOLDER)
            paintings = build_paintings(
                videos, mixes, options,
                folder=folder, name=name, overwrite=overwrite, derived=derived, records=records_format,
            )  # fmt: skip
            connection = connect(api, key)
            with progress_display(console, mode) as display:
                written = run_paintings(
                    paintings, connection, folder=folder, display=display, scratch=scratch, jobs=jobs
                )
        if mode is not Mode.JSON:
            typer.echo(written)
