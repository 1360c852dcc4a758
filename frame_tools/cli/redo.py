"""The command `redo` (`resubmit` is its old name): score what is missing, or everything with other options."""

from typing import Annotated, Any

import typer

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import PAINTING, ApiKey, ApiUrl, Arguments, parse_arguments, present, schema_options
from frame_tools.cli.run_ids import Label, RunIds, resolve_run_ids


def add_to(app: typer.Typer) -> None:
    """Register the command and its old name."""
    example = "Example: impasto redo holiday-0123456789 --which all --strength 0.5"
    app.command(epilog=example, rich_help_panel="Runs")(redo)
    app.command("resubmit", hidden=True, epilog=example)(redo)


@schema_options(*PAINTING, show_defaults=False)
def redo(
    run_id: RunIds = None,
    which: Annotated[
        str, typer.Option(metavar="missing|failed|all|0,3", help="What to score again; options require all.")
    ] = "missing",
    label: Label = None,
    arguments: Arguments = None,
    default: Annotated[
        list[str] | None,
        typer.Option("--default", metavar="OPTION", help="Reset this option to its default; repeatable."),
    ] = None,
    api: ApiUrl = "",
    key: ApiKey = "",
    **options: Any,
) -> None:
    """Score what is missing of runs, or all of them again with other options; prints the ids of the new runs."""
    from frame_tools.client.library import Run

    with report_errors():
        changes = {
            **dict.fromkeys(default or ()),
            **present(options),
            **({"arguments": parse_arguments(arguments)} if arguments else {}),
        }
        connection = connect(api, key)
        for each in resolve_run_ids(connection, run_id, label):
            typer.echo(Run(connection=connection, id=each).resubmit(which, changes).id)
