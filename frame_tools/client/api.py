"""Client of the Function App's HTTP interface."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import requests

from frame_tools.contracts.errors import DamagedError, ImpastoError, InputError, MissingError, TemporaryError

REQUEST_TIMEOUT_SECONDS: Final = 30
MAX_PAGE: Final = 1000
"""Runs in one answer."""
_BATCH_NUMBERS: Final = re.compile(r"[0-9]{1,9}(,[0-9]{1,9})*")


@dataclass(frozen=True, kw_only=True)
class ApiClient:
    """The HTTP interface at `url`, which ends with "/api"; `key` is a function key, empty for a local app.

    Methods raise TemporaryError if the app does not answer or answers with a server error, InputError if it rejects
    the key or the request, and DamagedError if the run's documents are damaged.
    """

    url: str
    key: str = ""

    def status(self, run_id: str) -> dict[str, Any] | None:
        """Return the run's status, or None if the app does not know the run."""
        response = self._send("GET", f"runs/{run_id}")
        return None if response.status_code == 404 else self._parse(response)

    def runs(self, *, limit: int | None = None, **filters: str | None) -> list[dict[str, Any]]:
        """Return the runs that pass the filters (see GET /api/runs), newest first; all of them, or at most `limit`."""
        rows: list[dict[str, Any]] = []
        query: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
        while limit is None or len(rows) < limit:
            query["limit"] = MAX_PAGE if limit is None else min(MAX_PAGE, limit - len(rows))
            page = self._parse(self._send("GET", f"runs?{urlencode(query)}"))
            rows += page["runs"]
            query["after"] = page.get("next")
            if query["after"] is None:
                break
        return rows

    def programs(self) -> dict[str, Any]:
        """Return the programs that runs may use, and where the list comes from."""
        return self._parse(self._send("GET", "programs"))

    def preflight(self) -> dict[str, Any]:
        """Return every check of the deployment, and whether a run can succeed."""
        return self._parse(self._send("GET", "preflight"))

    def post(self, path: str, body: str = "") -> dict[str, Any]:
        """Send `body` to a path below /api and return the answer; raises MissingError for an unknown run."""
        response = self._send("POST", path, body)
        if response.status_code == 404:
            payload = self._parse(response, accepted=(404,))
            raise MissingError(str(payload.get("detail")), str(payload.get("remedy")))
        return self._parse(response)

    def _send(self, method: str, path: str, body: str = "") -> requests.Response:
        headers = {"x-functions-key": self.key} if self.key else {}
        url = f"{self.url.rstrip('/')}/{path}"
        try:
            return requests.request(method, url, data=body.encode(), headers=headers, timeout=REQUEST_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise TemporaryError(
                f"The app at {self.url} does not respond",
                "Check that it is running (locally: impasto up) and that the URL is right.",
            ) from error

    @staticmethod
    def _parse(response: requests.Response, *, accepted: tuple[int, ...] = (200, 202)) -> dict[str, Any]:
        """Return the JSON object of an answer; raises the app's error with its cause and remedy."""
        if response.status_code in (401, 403):
            raise InputError("The app rejected the function key", "Set the key with --key or IMPASTO_KEY.")
        try:
            body = response.json()
        except ValueError:
            body = None
        if response.status_code in accepted and isinstance(body, dict):
            return body
        payload = body if isinstance(body, dict) else {}
        error_types: dict[int, type[ImpastoError]] = {400: InputError, 409: DamagedError}
        error_type = error_types.get(response.status_code, TemporaryError) if payload else TemporaryError
        raise error_type(
            str(payload.get("detail") or f"The app responded with HTTP status {response.status_code}"),
            str(payload.get("remedy") or "Check the Function App log."),
        )


def resubmit_body(which: str, options: Mapping[str, Any]) -> str:
    """Return the JSON body of a resubmission.

    `which` is "missing", "failed", "all" or batch numbers such as "0,3"; `options` go with "all" only.
    """
    selection: str | list[int] = which
    if _BATCH_NUMBERS.fullmatch(which):
        selection = [int(number) for number in which.split(",")]
    return json.dumps({"which": selection, **({"options": options} if options else {})})
