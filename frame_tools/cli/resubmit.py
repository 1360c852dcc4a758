"""The command `resubmit`: score the missing batches of a run, or all of it with other options."""

from typing import Annotated, Any

import typer

from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import PAINTING, ApiKey, ApiUrl, Arguments, parse_arguments, schema_options
from frame_tools.contracts import ids


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    example = "Example: python -m frame_tools resubmit holiday-0123456789 --which all --strength 0.5"
    app.command(epilog=example)(resubmit)


@schema_options(*PAINTING, show_defaults=False)
def resubmit(
    run_id: Annotated[str, typer.Argument(help="The run id.")],
    which: Annotated[
        str, typer.Option(metavar="missing|failed|all|0,3", help="What to score again; options require all.")
    ] = "missing",
    arguments: Arguments = None,
    default: Annotated[
        list[str] | None,
        typer.Option("--default", metavar="OPTION", help="Reset this option to its default; repeatable."),
    ] = None,
    api: ApiUrl = "http://127.0.0.1:7071/api",
    key: ApiKey = "",
    **options: Any,
) -> None:
    """Score the missing batches of a run, or all of it again with other options; prints the id of the new run."""
    from frame_tools.client.api import ApiClient, resubmit_body

    with report_errors():
        ids.check_run_id(run_id)
        changes = {
            **dict.fromkeys(default or ()),
            **{name: value for name, value in options.items() if value is not None},
            **({"arguments": parse_arguments(arguments)} if arguments else {}),
        }
        client = ApiClient(url=api, key=key)
        typer.echo(client.post(f"runs/{run_id}/resubmit", resubmit_body(which, changes))["run_id"])
