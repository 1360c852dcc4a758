"""The command `preview`: a few frames of a video in several looks, painted on this machine without a cloud."""

import json as json_format
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.status import Status
from rich.table import Table

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import (
    PAINTING,
    ApiKey,
    ApiUrl,
    Json,
    Overwrite,
    Styles,
    display_mode,
    parse_style,
    schema_options,
)
from frame_tools.cli.paintings import StyleOptions, build_painting, run_painting, style_mixes
from frame_tools.cli.programs import run_scorer
from frame_tools.client.progress import progress_display
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.option_specs import OptionGroup

if TYPE_CHECKING:
    from frame_tools.cli.preview_rows import Expected, Look

STROKES: Final = ("fine", "medium", "broad")
STRENGTHS: Final = ("100%", "60%")
SUFFIXES: Final = (".jpg", ".jpeg", ".png")
_GRID: Final = ("strength", "strokes", "program", "seed", "tune", "frames_per_batch", "keep_frames", "odd_size")
"""Options of `paint` that the grid varies, or that a preview does not show: it has no minutes for a tuning."""
console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(epilog="Example: impasto preview holiday.mp4 -s starry_night.jpg -s wave.jpg --strokes broad")(preview)


@schema_options(*(name for name in PAINTING if name not in _GRID))
def preview(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    style: Styles = None,
    strokes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="fine | medium | broad | NUMBER",
            help="A stroke size to try; repeatable. Default: fine, medium and broad.",
            rich_help_panel=OptionGroup.APPEARANCE,
        ),
    ] = None,
    strength: Annotated[
        list[str] | None,
        typer.Option(
            metavar="0..1",
            help="An opacity to try; repeatable. Default: 100% and 60%.",
            rich_help_panel=OptionGroup.APPEARANCE,
        ),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", "-n", min=1, max=8, help="Frames of each row.")] = 3,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The sheet: .jpg or .png. Default: VIDEO_preview.jpg beside it.")
    ] = None,
    go: Annotated[
        int | None, typer.Option("--go", min=1, metavar="ROW", help="Paint the whole video like this row.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
    api: ApiUrl = "",
    key: ApiKey = "",
    **options: Any,
) -> None:
    """Try paintings, stroke sizes and strengths on a few frames, on this machine and without a cloud.

    Writes one sheet and prints the command, the time and the cost of each row. The same command with --go ROW paints
    the whole video like that row.
    """
    from frame_tools.cli.preview_rows import build_looks

    with report_errors():
        if not video.is_file():
            raise MissingError(f"The video {video} does not exist", "Check the path of the video.")
        if not style:
            raise InputError("There is no style to try", "Give at least one painting with -s.")
        for text in style:
            if not Path(parse_style(text).text).is_file():
                raise MissingError(f"The style {parse_style(text).text} does not exist", "Check the path of the style.")
        mixes = style_mixes(StyleOptions(style=style))
        looks = build_looks(mixes, strokes or STROKES, strength or STRENGTHS, options)
        if go is None:
            _show(looks, video, frames=frames, out=out or video.with_name(f"{video.stem}_preview.jpg"), json=json)
            return
        if go > len(looks):
            raise InputError(f"There is no row {go}", f"The rows are 1 to {len(looks)}.")
        look = looks[go - 1]
        painting = build_painting(video, None, look.styles, look.fields, overwrite=overwrite)
        connection = connect(api, key)
        with progress_display(console, display_mode(json=json, quiet=False)) as display:
            written = run_painting(painting, connection, display=display, scratch=None)
        if not json:
            typer.echo(written)


def _show(looks: "list[Look]", video: Path, *, frames: int, out: Path, json: bool) -> None:
    """Write the sheet and print its rows; raises InputError for a name that is no picture's."""
    from frame_tools.cli.preview_rows import expected, preview_row
    from frame_tools.contracts.preview import PreviewRequest, PreviewResult
    from frame_tools.costs.estimate import probe_video

    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"The sheet {out.name!r} is no picture", f"Use a name that ends with {', '.join(SUFFIXES)}.")
    info = probe_video(video)
    forecasts = [expected(look, info) for look in looks]
    rows = [preview_row(look, number, video, forecasts[number - 1]) for number, look in enumerate(looks, start=1)]
    request = PreviewRequest(video=video.resolve(), frames=frames, rows=tuple(rows), out=out.resolve())
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="impasto-") as scratch, console.status("Painting the preview …") as spinner:
        file = Path(scratch) / "request.json"
        file.write_bytes(request.dumps())
        shown = partial(_show_progress, spinner, out, rows=len(rows), json=json)
        *_, last = run_scorer(["preview", str(file)], shown).splitlines()
        result = PreviewResult.parse_input(last, "preview result")
    if json:
        for number, (look, each, seconds) in enumerate(zip(looks, forecasts, result.row_seconds, strict=True), start=1):
            typer.echo(json_format.dumps(_json_row(number, look, each, video, out, seconds)))
        return
    _print_table(looks, forecasts, video)
    typer.echo(out)


def _show_progress(spinner: Status, out: Path, line: str, *, rows: int, json: bool) -> None:
    """Say where the sheet is once it has a row, and how many it has; other lines of the scorer say nothing."""
    from frame_tools.contracts.preview import PreviewProgress

    try:
        done = PreviewProgress.parse_input(line, "progress").rows
    except InputError:
        return
    if json:
        typer.echo(json_format.dumps({"event": "sheet", "sheet": str(out), "rows": done, "of": rows}))
    elif done < rows:
        spinner.update(f"Painted {done} of {rows} rows …")
        console.print(f"{out} has {done} of {rows} rows.", markup=False, emoji=False, highlight=False, soft_wrap=True)


def _json_row(
    number: int, look: "Look", forecast: "Expected", video: Path, out: Path, seconds: float
) -> dict[str, Any]:
    return {
        "event": "row",
        "row": number,
        "styles": look.styles.style,
        "options": dict(look.fields),
        "command": look.command(video),
        "stroke_factor": forecast.stroke_factor,
        "local_seconds": forecast.local_seconds,
        "azure_seconds": forecast.cloud_seconds,
        "azure_usd": forecast.cloud_usd,
        "preview_seconds_per_frame": seconds,
        "sheet": str(out),
    }


def _print_table(looks: "list[Look]", forecasts: "list[Expected]", video: Path) -> None:
    table = Table("", "painting", "strokes", "strength", "time", "the whole video", box=None, pad_edge=False)
    for number, (look, each) in enumerate(zip(looks, forecasts, strict=True), start=1):
        strokes = str(look.fields.get("strokes", "-"))
        table.add_row(str(number), look.name, strokes, str(look.fields["strength"]), each.factor_text, each.text)
    plain = Console(highlight=False, markup=False, emoji=False)
    plain.print(table)
    plain.print()
    for number, look in enumerate(looks, start=1):
        plain.print(f"{number}  {look.command(video)}", markup=False, soft_wrap=True)
    plain.print("\nPaint row 2: the same command with --go 2. 1.0x is the time of medium strokes.", markup=False)
    plain.print("Times are for 2 cores; costs are a model.", markup=False)
