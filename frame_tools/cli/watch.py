"""The command `watch`: follow a run until it ends."""

from typing import Annotated

import typer
from rich.console import Console

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.interrupt import following
from frame_tools.cli.options import ApiKey, ApiUrl, Json, Quiet, display_mode
from frame_tools.cli.run_ids import RunId, resolve_run_id

console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(epilog="Example: impasto watch holiday-0123456789", rich_help_panel="Runs")(watch)


def watch(
    run_id: RunId,
    api: ApiUrl = "",
    key: ApiKey = "",
    minutes: Annotated[
        float, typer.Option(help="Without access to the app: maximum time to wait for the report.")
    ] = 120,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Follow a run until it ends. Without access to the app, wait for the report in the container output."""
    from frame_tools.client.polling import check_finished
    from frame_tools.client.progress import progress_display
    from frame_tools.client.workflow import follow_run

    with report_errors(), progress_display(console, display_mode(json=json, quiet=quiet)) as display:
        connection = connect(api, key)
        run_id = resolve_run_id(connection, run_id)
        with following(connection, lambda: [run_id]):
            status = follow_run(connection, run_id, display=display, minutes=minutes)
        check_finished(status)
        product = status.get("video") or status.get("records")
        display.report(
            "ended", f"Write it here: impasto get {run_id}", run_id=run_id, status=status["status"], output=product
        )
        if not json:
            typer.echo(f"{status['status']}: {product}")
