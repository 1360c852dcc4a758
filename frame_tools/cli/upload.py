"""The commands `upload` and `trigger`: the first two steps of a run one by one, for frames that exist already."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import (
    PAINTING,
    SPLITTING,
    Arguments,
    KeyStyles,
    MaskPath,
    Styles,
    build_trigger,
    mask_name,
    parse_arguments,
    parse_styles,
    schema_options,
)
from frame_tools.contracts import ids

PANEL = "Step by step"
console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        epilog="Example: impasto upload frames/holiday --name holiday --style starry_night.jpg", rich_help_panel=PANEL
    )(upload)
    app.command(
        epilog="Example: impasto trigger holiday --style starry_night.jpg --strength 0.8", rich_help_panel=PANEL
    )(trigger)


@schema_options(*PAINTING, "label")
def upload(
    folder: Annotated[Path, typer.Argument(help="A folder made by split, or a video file, which the cloud reads.")],
    name: Annotated[str | None, typer.Option(help="Name of the run; default: name of the folder or file.")] = None,
    style: Styles = None,
    key_style: KeyStyles = None,
    mask: MaskPath = None,
    arguments: Arguments = None,
    start: Annotated[bool, typer.Option("--start", help="Start the run once the upload is complete.")] = False,
    **options: Any,
) -> None:
    """Upload frames, styles and masks. Re-run to resume an interrupted upload."""
    from frame_tools.client.progress import progress_display
    from frame_tools.client.upload import count_text, extra_files, put_trigger
    from frame_tools.client.workflow import upload_input

    with report_errors():
        run_name = ids.check_name(name or ids.name_from(folder.stem), "run's name")
        style_fields, styles = parse_styles(style, key_style)
        document = None
        if start:
            video = ids.name_from(folder.name) if folder.is_file() else None
            fields = {**style_fields, "mask": mask_name(mask), "arguments": parse_arguments(arguments), "video": video}
            document = build_trigger({**options, **fields})
        storage = connect().storage()
        with progress_display(console) as display:
            result = upload_input(
                folder, name=run_name, storage=storage, extras=extra_files(styles, mask), display=display
            )
        typer.echo(f"{count_text(result.files, 'file')} in input/{run_name}/, {result.sent} uploaded now")
        if document is not None:
            typer.echo(f"run {put_trigger(storage, name=run_name, trigger=document)}")


@schema_options(*PAINTING, "mask", "input", "video", "source", "index", "frames", "rate", "label", *SPLITTING)
def trigger(
    name: Annotated[str, typer.Argument(help="Name of the run: writes triggers/<name>.json.")],
    style: Styles = None,
    key_style: KeyStyles = None,
    arguments: Arguments = None,
    **options: Any,
) -> None:
    """Start a run of uploaded input by writing its trigger file; prints the run id."""
    from frame_tools.client.upload import put_trigger

    with report_errors():
        style_fields, _ = parse_styles(style, key_style)
        document = build_trigger({**options, **style_fields, "arguments": parse_arguments(arguments)})
        typer.echo(put_trigger(connect().storage(), name=name, trigger=document))
