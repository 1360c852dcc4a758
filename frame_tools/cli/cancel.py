"""The command `cancel`: end runs; videos that exist already stay."""

import typer

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import ApiKey, ApiUrl
from frame_tools.cli.run_ids import Label, RunIds, resolve_run_ids


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(epilog="Example: impasto cancel holiday-0123456789", rich_help_panel="Runs")(cancel)


def cancel(run_id: RunIds = None, label: Label = None, api: ApiUrl = "", key: ApiKey = "") -> None:
    """Cancel runs. A video that has already been committed is kept."""
    from frame_tools.client.library import Run

    with report_errors():
        connection = connect(api, key)
        for each in resolve_run_ids(connection, run_id, label):
            typer.echo(f"{each}: {Run(connection=connection, id=each).cancel().status}")
