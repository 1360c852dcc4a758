"""The commands `get` (`download` is its old name) and `open`: a finished run's result."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from frame_tools.cli.connect import connect
from frame_tools.cli.derived import Compare, Gif, Report, Webp, derived_files
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import Overwrite, Records, chosen_format
from frame_tools.cli.run_ids import Label, OptionalRunId, RunId, resolve_run_id, resolve_run_ids

Out = Annotated[
    Path | None,
    typer.Argument(help="The file to write, or a folder; default: a file with the run's id in this folder."),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(epilog="Example: impasto get holiday-0123456789 holiday_starry.mp4", rich_help_panel="Runs")(get)
    app.command("download", hidden=True, epilog="Example: impasto get holiday-0123456789 holiday_starry.mp4")(get)
    app.command("open", epilog="Example: impasto open holiday-0123456789", rich_help_panel="Runs")(open_report)


def get(
    run_id: OptionalRunId = None,
    out: Out = None,
    label: Label = None,
    folder: Annotated[Path | None, typer.Option("--out", "-o", help="The same as the second argument.")] = None,
    records: Records = None,
    overwrite: Overwrite = False,
    compare: Compare = None,
    gif: Gif = False,
    webp: Webp = False,
    report: Report = None,
) -> None:
    """Download a finished run's video, or its records (one per frame); with --label, those of all runs."""
    from frame_tools.client.results import has_page, write_run

    with report_errors():
        connection, target = connect(), out or folder or Path()
        storage = connection.storage()
        if label is not None:
            target.mkdir(parents=True, exist_ok=True)
        for each in resolve_run_ids(connection, [run_id] if run_id else None, label):
            # Runs of earlier versions have no page: only who asks for it gets an error.
            has_report = report if report is not None else label is not None and has_page(storage, each)
            derived = derived_files(compare, gif=gif, webp=webp, report=has_report)
            result = write_run(
                storage, each, target, derived=derived, overwrite=overwrite, records=chosen_format(records)
            )
            for path in (result.out, *result.beside):
                typer.echo(path)


def open_report(
    run_id: RunId,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to keep the page; default: the cache.")] = None,
    show: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page, or print its path.")] = True,
) -> None:
    """Open a run's page: the painted video beside the original, times, cost, and how to repeat the run."""
    from frame_tools.client.download import download_page

    with report_errors():
        connection = connect()
        run_id = resolve_run_id(connection, run_id)
        target = out or Path(typer.get_app_dir("impasto")) / "pages" / f"{run_id}.html"
        page = download_page(connection.storage(), run_id, target)
        typer.echo(page)
        if show:
            webbrowser.open(page.resolve().as_uri())
