"""Common settings of all Typer apps, so that all commands look the same."""

import typer

from frame_tools.cli.old_flags import CommandGroup


def new_app(
    *,
    help: str | None = None,  # noqa: A002 - Typer's name for it
    epilog: str | None = None,
    no_args_is_help: bool = True,
    completion: bool = False,
) -> typer.Typer:
    """Return a Typer app with help in panels and plain tracebacks for defects; `completion` adds shell completion."""
    return typer.Typer(
        cls=CommandGroup,
        help=help,
        epilog=epilog,
        no_args_is_help=no_args_is_help,
        add_completion=completion,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
