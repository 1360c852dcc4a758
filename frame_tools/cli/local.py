"""The commands `up` and `demo`: the local cloud of a clone, until Ctrl-C or for one painting."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from frame_tools.cli.derived import Compare, Gif, Report, Webp, derived_files
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import (
    PAINTING,
    SPLITTING,
    Arguments,
    Json,
    KeyStyles,
    MaskPath,
    Name,
    Output,
    Overwrite,
    Quiet,
    Styles,
    display_mode,
    schema_options,
)
from frame_tools.cli.paintings import StyleOptions, build_painting, run_painting
from frame_tools.cli.programs import (
    check_local_system,
    environment_python,
    project_folder,
    replace_process,
    run_program,
)
from frame_tools.cli.temporary_cloud import temporary_cloud
from frame_tools.client.prepared_input import prepare_input
from frame_tools.client.progress import Mode, progress_display

PANEL: Final = "This machine"
console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(epilog="Example: impasto up", rich_help_panel=PANEL)(up)
    app.command(epilog="Example: impasto demo holiday.mp4 -s starry_night.jpg", rich_help_panel=PANEL)(demo)


def up(
    host: Annotated[
        str, typer.Option(help="local: this project's function host; func: no host, run `func start` yourself.")
    ] = "local",
    offset: Annotated[
        int, typer.Option(min=0, max=50_000, help="Added to every port, to run a second local cloud beside the first.")
    ] = 0,
    folder: Annotated[Path | None, typer.Option(help="Folder for blobs, queues, tasks and logs.")] = None,
) -> None:
    """Start the local cloud of this clone and keep it running until Ctrl-C. Other commands find it by themselves."""
    with report_errors():
        check_local_system()
        project = project_folder()
        argv = [str(environment_python(project, ".venv")), "-m", "local_cloud", "up", "--host", host]
        argv += ["--offset", str(offset), *(["--folder", str(folder.resolve())] if folder else [])]
        replace_process(project, argv)


@schema_options(*PAINTING, "label", "source", *SPLITTING)
def demo(
    video: Annotated[Path | None, typer.Argument(help="The video to paint; default: the sample.")] = None,
    style: Styles = None,
    out: Output = None,
    key_style: KeyStyles = None,
    mask: MaskPath = None,
    arguments: Arguments = None,
    overwrite: Overwrite = False,
    compare: Compare = None,
    gif: Gif = False,
    webp: Webp = False,
    report: Report = None,
    name: Name = None,
    json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Paint one video end to end on this machine, in a local cloud of its own. Takes the options of `paint`."""
    with report_errors():
        check_local_system()
        mode, project = display_mode(json=json, quiet=quiet), project_folder()
        samples = project / ".local" / "samples"
        if video is None or not (style or options.get("scorer") not in (None, "any")):
            _make_samples(project, samples)
        video = video or samples / "sailing.mp4"
        if not style and options.get("scorer") in (None, "any"):
            style = [str(samples / "painting.jpg")]
        styles = StyleOptions(style=style, key_style=key_style, mask=mask, arguments=arguments)
        painting = build_painting(
            video, out or _demo_output(project, video, styles, options), styles, options,
            name=name, overwrite=overwrite or out is None,
            derived=derived_files(compare, gif=gif, webp=webp, report=bool(report)),
        )  # fmt: skip
        with progress_display(console, mode) as display, temporary_cloud(project) as cloud:
            split_folder = cloud.folder / "split"
            # While the cloud starts; the run takes the complete folder as it is, and prints its notes.
            prepare_input(painting, split_folder / painting.folder)
            with console.status("Starting the local cloud …"):
                connection = cloud.connect()
            written = run_painting(painting, connection, display=display, scratch=split_folder, is_kept=False)
        if mode is not Mode.JSON:
            typer.echo(written)


def _demo_output(project: Path, video: Path, styles: StyleOptions, options: dict[str, Any]) -> Path:
    """Return the place of a demo's result: the folder out/ of the clone; an earlier demo's file is replaced."""
    planned = build_painting(video, None, styles, options, overwrite=True)
    return project / "out" / planned.out.name


def _make_samples(project: Path, folder: Path) -> None:
    """Draw the sample video and painting, once."""
    if not (folder / "painting.jpg").is_file():
        console.print("Drawing the sample files (once) …")
        run_program(project, [str(environment_python(project, ".venv")), "-m", "samples.make_samples", str(folder)])
