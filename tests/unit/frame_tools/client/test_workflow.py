"""`follow_with_progress` prints each problem that a run reports once."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from frame_tools.client.api import ApiClient
from frame_tools.client.progress import progress_bars
from frame_tools.client.workflow import follow_with_progress

QUOTA = "AccountCoreQuotaReached: no cores left. Request more cores."
RETRY = "Batch 0 failed at [12:00] and may be tried again: KeyError: 'k'. Ask the operator to fix the script."


@dataclass(frozen=True)
class ScriptedApi(ApiClient):
    """An interface that returns these statuses in turn."""

    statuses: Iterator[Mapping[str, Any]] = field(kw_only=True)

    def status(self, run_id: str) -> dict[str, Any]:
        return {"run_id": run_id, "batches": {"planned": 1, "done": 0}, **next(self.statuses)}


def follow(*statuses: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the last status and the printed text."""
    out = io.StringIO()
    with progress_bars(Console(file=out, width=40)) as bars:
        last = follow_with_progress(ScriptedApi(url="", statuses=iter(statuses)), "clip-0123456789", bars=bars)
    return last, out.getvalue()


def test_each_problem_is_printed_once_and_unwrapped() -> None:
    scoring = {"status": "scoring", "trouble": [QUOTA]}
    both = {"status": "scoring", "trouble": [QUOTA, RETRY]}
    last, text = follow(scoring, scoring, both, {"status": "finished", "trouble": []})
    assert last["status"] == "finished"
    assert text.splitlines() == [QUOTA, RETRY]


def test_nothing_is_printed_without_problems() -> None:
    assert follow({"status": "scoring", "trouble": []}, {"status": "finished"})[1].strip() == ""
