"""The command `impasto`: one app with one module for each verb.

Exit codes are those of `frame_tools.contracts.errors.ExitCode`; an error is reported on stderr in one line. The
painting options are generated from the schema (`frame_tools.cli.options`).
"""

from typing import Annotated, Final

import typer

from frame_tools.cli import (
    cancel,
    doctor,
    estimate,
    get,
    local,
    paint,
    preview,
    redo,
    scorer,
    show,
    split_join,
    storage,
    upload,
    watch,
)
from frame_tools.cli.app import new_app
from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.version import IMPASTO_VERSION

EXAMPLES: Final = """
Examples:

  impasto up                                                (the local cloud, in a shell of its own)

  impasto paint holiday.mp4 -s starry_night.jpg

  impasto paint holiday.mp4 -s starry_night.jpg --strength 80% -o holiday_starry.mp4

  impasto preview holiday.mp4 -s starry_night.jpg -s wave.jpg   (choose before painting)

  impasto runs

  impasto redo holiday-0123456789 --which all --strength 50%

Commands use the cloud that the environment names (see the README), else the running local cloud, else the current azd
environment.
"""

app = new_app(help="Paint a video in the style of a painting.", epilog=EXAMPLES, completion=True)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"impasto {IMPASTO_VERSION}")
        raise typer.Exit


@app.callback()
def impasto(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Paint a video in the style of a painting."""


for module in (
    paint,
    preview,
    estimate,
    show,
    watch,
    cancel,
    redo,
    get,
    local,
    doctor,
    upload,
    split_join,
    storage,
    scorer,
):
    module.add_to(app)


def main() -> None:
    """Run the command line."""
    app(prog_name="impasto")
    raise SystemExit(ExitCode.OK)
