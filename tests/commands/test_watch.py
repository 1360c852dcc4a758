"""Who watches a run is told what stands in its way, once."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from frame_tools.client.api import ApiClient
from frame_tools.client.progress import bars
from frame_tools.client.workflow import follow_to_the_end

WAITS = "AccountCoreQuotaReached: no cores left. Ask for more cores."
AGAIN = "Batch 0 failed at [12:00] and may be tried again: KeyError: 'k'. Ask the operator to mend the script."


@dataclass(frozen=True)
class Told(ApiClient):
    """An interface that tells these statuses one after the other."""

    statuses: Iterator[Mapping[str, Any]] = field(kw_only=True)

    def status(self, run_id: str) -> dict[str, Any]:
        return {"run_id": run_id, "batches": {"planned": 1, "done": 0}, **next(self.statuses)}


def watched(*statuses: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    out = io.StringIO()
    with bars(Console(file=out, width=40)) as shown:
        last = follow_to_the_end(Told(url="", statuses=iter(statuses)), "clip-0123456789", shown=shown)
    return last, out.getvalue()


def test_each_trouble_is_told_once_as_it_stands() -> None:
    scoring = {"status": "scoring", "trouble": [WAITS]}
    last, said = watched(
        scoring, scoring, {"status": "scoring", "trouble": [WAITS, AGAIN]}, {"status": "finished", "trouble": []}
    )
    assert last["status"] == "finished"
    assert said.splitlines() == [WAITS, AGAIN]


def test_nothing_is_said_of_a_run_without_trouble() -> None:
    assert watched({"status": "scoring", "trouble": []}, {"status": "finished"})[1].strip() == ""
