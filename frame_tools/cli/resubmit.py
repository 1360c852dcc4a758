"""The command `resubmit`: again what is missing of a run, or all of it, perhaps painted otherwise."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import PAINTING, ApiKey, ApiUrl, Arguments, Grouped, arguments_of, takes
from frame_tools.contracts import ids


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    example = "Example: python -m frame_tools resubmit holiday-0123456789 --which all --strength 0.5"
    app.command(cls=Grouped, epilog=example)(resubmit)


@takes(*PAINTING, defaults=False)
def resubmit(
    run_id: Annotated[str, typer.Argument(help="The run's id.")],
    which: Annotated[
        str, typer.Option(metavar="missing|failed|all|0,3", help="What to score again; options go with all only.")
    ] = "missing",
    arguments: Arguments = None,
    default: Annotated[
        list[str] | None, typer.Option("--default", metavar="WORD", help="Take this option back to its default.")
    ] = None,
    api: ApiUrl = "http://127.0.0.1:7071/api",
    key: ApiKey = "",
    **words: Any,
) -> None:
    """Score what is missing of a run, or all of it again, perhaps with other options; prints the id to watch."""
    from frame_tools.client.api import ApiClient, wish

    with report_errors():
        ids.check_run_id(run_id)
        options: Mapping[str, Any] = {
            **dict.fromkeys(default or ()),
            **{word: value for word, value in words.items() if value is not None},
            **({"arguments": arguments_of(arguments)} if arguments else {}),
        }
        typer.echo(ApiClient(url=api, key=key).post(f"runs/{run_id}/resubmit", wish(which, options))["run_id"])
