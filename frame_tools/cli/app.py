"""Common settings of all Typer apps, so that all commands look the same."""

import typer


def new_app(*, help: str | None = None, epilog: str | None = None) -> typer.Typer:  # noqa: A002 - Typer's name for it
    """Return a Typer app with help in panels, no shell completion, and plain tracebacks for defects."""
    return typer.Typer(
        help=help,
        epilog=epilog,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
