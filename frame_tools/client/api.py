"""Follow a run: ask the app's HTTP interface, or, without one, wait for the report in `output`."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.deployment import DataStorage

ENDED: Final = frozenset({"finished", "failed", "refused", "cancelled"})
TIMEOUT: Final = 30
PATIENCE: Final = 90
"""Seconds that a run may be unknown (its trigger has not been seen yet) or the interface out of reach."""


@dataclass(frozen=True, kw_only=True)
class ApiClient:
    """The app's HTTP interface: `url` ends with "/api"; `key` is a function key, empty for a local app."""

    url: str
    key: str = ""

    def status(self, run_id: str) -> dict[str, Any] | None:
        """Return the run's status, None while there is none."""
        response = self._send("GET", f"runs/{run_id}")
        return None if response.status_code == 404 else self._json(response)

    def post(self, path: str, body: str = "") -> dict[str, Any]:
        """Send `body` to a path below /api; raises MissingError or InputError with the app's own words."""
        response = self._send("POST", path, body)
        if response.status_code == 404:
            said = self._json(response, ok=(404,))
            raise MissingError(str(said.get("error")), str(said.get("remedy")))
        return self._json(response)

    def _send(self, method: str, path: str, body: str = "") -> requests.Response:
        headers = {"x-functions-key": self.key} if self.key else {}
        try:
            return requests.request(
                method, f"{self.url.rstrip('/')}/{path}", data=body.encode(), headers=headers, timeout=TIMEOUT
            )
        except requests.RequestException as error:
            raise TemporaryError(
                f"The app at {self.url} does not answer", "Is it up (make up), is the URL right?"
            ) from error

    @staticmethod
    def _json(response: requests.Response, *, ok: tuple[int, ...] = (200, 202)) -> dict[str, Any]:
        if response.status_code in (401, 403):
            raise InputError("The app refuses the key", "Give a function key with --key or IMPASTO_KEY")
        try:
            body = response.json()
        except ValueError:
            body = None
        if response.status_code not in ok or not isinstance(body, dict):
            words = body if isinstance(body, dict) else {}
            refusal = InputError if response.status_code == 400 and words else TemporaryError
            raise refusal(
                str(words.get("error") or f"The app answered {response.status_code}"),
                str(words.get("remedy") or "Look at its log"),
            )
        return body


def wish(which: str, options: Mapping[str, Any]) -> str:
    """Return the body of a resubmission: "missing", "failed", "all" or "0,3", and other options for all."""
    said: str | list[int] = which
    if re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", which):
        said = [int(number) for number in which.split(",")]
    return json.dumps({"which": said, **({"options": options} if options else {})})


def follow(
    api: ApiClient, run_id: str, *, pause: float = 0.5, sleep: Callable[[float], None] = time.sleep
) -> Iterator[dict[str, Any]]:
    """Yield the run's status again and again until it has ended.

    Raises MissingError if the run does not appear, TemporaryError if the app stays out of reach.
    """
    silent_since, reached = time.monotonic(), False
    while True:
        try:
            status = api.status(run_id)
            reached = True
        except TemporaryError:
            # An app that has answered may be restarting; one that never did is most likely not there.
            if not reached or time.monotonic() - silent_since > PATIENCE:
                raise
            status = None
        if status is not None:
            silent_since = time.monotonic()
            yield status
            if status["status"] in ENDED:
                return
        elif time.monotonic() - silent_since > PATIENCE:
            raise MissingError(
                f"The run {run_id} has not appeared", "Is the app running, and is the trigger file there?"
            )
        sleep(pause)


def follow_report(storage: DataStorage, run_id: str, *, minutes: float, pause: float = 5.0) -> dict[str, Any]:
    """Wait for the run's report in `output` and return it: for people who can't reach the HTTP interface.

    Raises TemporaryError after `minutes`: nothing in `output` tells a long run from one that never was.
    """
    end = time.monotonic() + minutes * 60
    while True:
        blob = storage.output.read(RunPaths(run_id).report)
        if blob is not None:
            report: dict[str, Any] = json.loads(blob.data)
            return report
        if time.monotonic() > end:
            raise TemporaryError(
                f"There is no report of {run_id} after {minutes:g} minutes",
                "Check the run's id, wait on with --minutes, or ask the app with --api",
            )
        time.sleep(pause)


def check_finished(status: dict[str, Any]) -> None:
    """Raise the run's own words as an error unless it finished."""
    if status["status"] != "finished":
        raise RunEndedError(
            f"The run {status['run_id']} ended as {status['status']}: {status.get('reason', '')}",
            str(status.get("remedy", "")),
        )


class RunEndedError(InputError):
    """A run ended without a video or records."""
