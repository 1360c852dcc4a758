"""Ctrl-C while a run is followed: the run goes on, and a second Ctrl-C cancels it."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import typer

from frame_tools.client.connection import Connection
from frame_tools.contracts.errors import ExitCode, ImpastoError

SECOND_CHANCE_SECONDS: Final = 3.0


@contextmanager
def following(
    connection: Connection, run_ids: Callable[[], Sequence[str]], *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Explain Ctrl-C instead of dying of it; Ctrl-C again within three seconds cancels the runs.

    `run_ids` returns the runs that have been started. Exits with the code of an interrupted command.
    """
    try:
        yield
    except KeyboardInterrupt:
        _explain(connection, run_ids(), sleep)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _explain(connection: Connection, run_ids: Sequence[str], sleep: Callable[[float], None]) -> None:
    if not run_ids:
        _write("Stopped before a run was started. The same command resumes the upload.")
        return
    shown = " ".join(run_ids[:3]) + (" …" if len(run_ids) > 3 else "")
    runs = "The run goes on" if len(run_ids) == 1 else f"{len(run_ids)} runs go on"
    _write(f"{runs}. Watch: impasto watch {shown}. Cancel: impasto cancel {shown}, or press Ctrl-C again now.")
    try:
        sleep(SECOND_CHANCE_SECONDS)
    except KeyboardInterrupt:
        for run_id in run_ids:
            _cancel(connection, run_id)


def _cancel(connection: Connection, run_id: str) -> None:
    try:
        status = connection.api().post(f"runs/{run_id}/cancel")
    except ImpastoError as error:
        _write(f"{run_id} could not be cancelled: {error}")
    else:
        _write(f"{run_id}: {status['status']}")


def _write(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
