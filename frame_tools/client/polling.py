"""Polling of a run until it ends: through the app's HTTP interface, or, without it, through the report in `output`."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from frame_tools.client.api import ApiClient
from frame_tools.contracts.choices import TERMINAL_STATES
from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.deployment import DataStorage

MAX_SILENCE_SECONDS: Final = 90
"""How long a run that was just started may be unknown (its trigger has not been processed yet), or the interface
unreachable."""
UNKNOWN_SECONDS: Final = 4
"""How long a run that somebody named may be unknown."""
SHORTEST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0
_PAUSE_PER_SECOND: Final = 1 / 60
"""How the pause grows: half a second for the first half minute, three seconds after three minutes."""


class RunEndedError(InputError):
    """A run ended without a video or records."""


def poll_pause(elapsed: float) -> float:
    """Return the seconds until the next poll, `elapsed` seconds after the first."""
    return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, elapsed * _PAUSE_PER_SECOND))


def follow(
    api: ApiClient,
    run_id: str,
    *,
    pause: float | None = None,
    unknown_seconds: float = MAX_SILENCE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """Yield the run's status until it has ended, every `pause` seconds (default: see `poll_pause`).

    Raises MissingError if the run stays unknown for `unknown_seconds`, TemporaryError if the app stays unreachable.
    """
    started = silent_since = time.monotonic()
    has_answered = has_appeared = False
    while True:
        try:
            status = api.status(run_id)
            has_answered = True
        except TemporaryError:
            # An app that has answered may be restarting; one that never did is probably not running.
            if not has_answered or time.monotonic() - silent_since > MAX_SILENCE_SECONDS:
                raise
            status = None
        if status is not None:
            silent_since, has_appeared = time.monotonic(), True
            yield status
            if status["status"] in TERMINAL_STATES:
                return
        elif time.monotonic() - silent_since > (MAX_SILENCE_SECONDS if has_appeared else unknown_seconds):
            raise MissingError(
                f"The run {run_id} is unknown to the app at {api.url}",
                "List the runs with `impasto runs`, and check that the trigger file exists.",
            )
        sleep(poll_pause(time.monotonic() - started) if pause is None else pause)


def wait_for_report(storage: DataStorage, run_id: str, *, minutes: float, pause: float = 5.0) -> dict[str, Any]:
    """Wait for the run's report in `output` and return it; for users who can't reach the HTTP interface.

    Raises TemporaryError after `minutes`: `output` alone does not distinguish a long run from one that never started.
    """
    deadline = time.monotonic() + minutes * 60
    while True:
        blob = storage.output.read(RunPaths(run_id).report)
        if blob is not None:
            report: dict[str, Any] = json.loads(blob.data)
            return report
        if time.monotonic() > deadline:
            raise TemporaryError(
                f"The run {run_id} has no report after {minutes:g} minutes",
                "Check the run id, wait longer with --minutes, or ask the app with --api.",
            )
        time.sleep(pause)


def check_finished(status: dict[str, Any]) -> None:
    """Raise RunEndedError with the run's reason and remedy unless it finished."""
    if status["status"] != "finished":
        raise RunEndedError(
            f"The run {status['run_id']} ended as {status['status']}: {status.get('reason', '')}",
            str(status.get("remedy", "")),
        )
