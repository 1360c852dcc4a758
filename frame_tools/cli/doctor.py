"""The command `doctor`: is everything there that a run needs?"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import typer

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import ApiKey, ApiUrl
from frame_tools.contracts.errors import ImpastoError, TemporaryError
from frame_tools.contracts.version import IMPASTO_VERSION

_MARKS: Final = {"ok": "ok", "stop": "FAILED", "warning": "warning", "unknown": "unknown"}
_PACKAGES: Final = ("av", "azure-storage-blob", "pillow", "pydantic")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(epilog="Example: impasto doctor", rich_help_panel="This machine")(doctor)


def doctor(api: ApiUrl = "", key: ApiKey = "") -> None:
    """Check the connection, the storage, the app and its pool; say what to do about each problem."""
    with report_errors():
        typer.echo(f"{'impasto':<20} {IMPASTO_VERSION}, with {', '.join(map(_with_version, _PACKAGES))}")
        connection = connect(api, key)
        typer.echo(f"{'connection':<20} {connection.source}")
        is_ready = _line("storage", lambda: connection.storage().input.url)
        is_ready &= _line("app", lambda: connection.api().url)
        report = connection.api().preflight()
        for check in report["checks"]:
            verdict, remedy = str(check.get("verdict", "ok")), check.get("remedy")
            text = f"{check.get('message', '')}{f'. {remedy}' if remedy else ''}"
            typer.echo(f"{check['check']:<20} {_MARKS.get(verdict, verdict)}: {text}")
        if not (is_ready and report["ready"]):
            raise TemporaryError("A check failed", "Do what the line of each failed check says.")
    typer.echo("Runs can succeed.")


def _with_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} missing"


def _line(name: str, inspect: Callable[[], str]) -> bool:
    try:
        typer.echo(f"{name:<20} {inspect()}")
    except ImpastoError as error:
        typer.echo(f"{name:<20} FAILED: {error}")
        return False
    return True
