"""Run ids on the command line: whole, or as their first letters; completed by the shell."""

import re
from typing import Annotated, Any, Final

import typer

from frame_tools.cli.connect import connect
from frame_tools.client.connection import Connection
from frame_tools.contracts import ids
from frame_tools.contracts.errors import ImpastoError, InputError, MissingError

_PREFIX: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,50}")
MAX_SHOWN: Final = 5


def complete_run_id(incomplete: str) -> list[str]:
    """Return the ids of runs that start with the text; none if no app answers."""
    try:
        return [run for run in _listed(connect()) if run.startswith(incomplete)]
    except ImpastoError:
        return []


RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The run's id; its first letters are enough if they name a single run.",
        autocompletion=complete_run_id,
    ),
]
OptionalRunId = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="The run's id, or its first letters.", autocompletion=complete_run_id),
]
Label = Annotated[str | None, typer.Option("--label", "-l", help="The runs with this label.")]
RunIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="RUN...", help="Ids of runs, or their first letters.", autocompletion=complete_run_id),
]


def resolve_run_id(connection: Connection, text: str) -> str:
    """Return the id of the run that `text` names, wholly or by its first letters.

    Raises InputError if it names several runs or is no part of an id, MissingError if it names none.
    """
    if ids.RUN_ID.fullmatch(text):
        return text
    if not _PREFIX.fullmatch(text):
        return ids.check_run_id(text)
    matches = [run for run in _listed(connection) if run.startswith(text)]
    if not matches:
        raise MissingError(f"There is no run {text!r}", "List the runs: impasto runs")
    if len(matches) > 1:
        shown = ", ".join(matches[:MAX_SHOWN])
        raise InputError(f"{text!r} names {len(matches)} runs: {shown}", "Give more letters of the id.")
    return matches[0]


def resolve_run_ids(connection: Connection, texts: list[str] | None, label: str | None) -> list[str]:
    """Return the ids of all named runs, and of those with the label; raises MissingError if there are none."""
    named = [resolve_run_id(connection, text) for text in texts or ()]
    labeled = _listed(connection, label=label) if label else []
    run_ids = list(dict.fromkeys([*named, *labeled]))
    if not run_ids:
        what = f"No run has the label {label!r}" if label else "No run is named"
        raise MissingError(what, "List the runs: impasto runs")
    return run_ids


def _listed(connection: Connection, **filters: Any) -> list[str]:
    return [str(run["run_id"]) for run in connection.api().runs(**filters)]
