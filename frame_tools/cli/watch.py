"""The command `watch`: follow a run until it ends."""

from typing import Annotated

import typer
from rich.console import Console

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.interrupt import following
from frame_tools.cli.options import ApiKey, ApiUrl, Json, Quiet, display_mode
from frame_tools.cli.run_ids import Label, RunIds, resolve_run_ids
from frame_tools.client.connection import Connection
from frame_tools.client.progress import Display, Mode, progress_display

console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(epilog="Example: impasto watch holiday-0123456789", rich_help_panel="Runs")(watch)


def watch(
    run_id: RunIds = None,
    label: Label = None,
    api: ApiUrl = "",
    key: ApiKey = "",
    minutes: Annotated[
        float, typer.Option(help="Without access to the app: maximum time to wait for the report.")
    ] = 120,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Follow runs until they end, one after the other. Without access to the app, wait for their reports."""
    with report_errors():
        mode = display_mode(json=json, quiet=quiet)
        connection = connect(api, key)
        run_ids = resolve_run_ids(connection, run_id, label)
        for each in run_ids:
            with progress_display(console, mode) as display, following(connection, lambda: run_ids):
                _watch(connection, each, display=display, minutes=minutes, prints=mode is not Mode.JSON)


def _watch(connection: Connection, run_id: str, *, display: Display, minutes: float, prints: bool) -> None:
    """Follow one run and report how it ended; raises RunEndedError unless it finished."""
    from frame_tools.client.polling import check_finished
    from frame_tools.client.workflow import follow_run

    status = follow_run(connection, run_id, display=display, minutes=minutes)
    check_finished(status)
    product = status.get("video") or status.get("records")
    text = f"Write it here: impasto get {run_id}"
    display.report("ended", text, run_id=run_id, status=status["status"], output=product)
    if prints:
        typer.echo(f"{status['status']}: {product}")
