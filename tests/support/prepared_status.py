"""Status documents for a prepared server."""

from typing import Any


def status_document(run_id: str, status: str, **fields: Any) -> dict[str, Any]:
    """Return a complete status of a run; what `fields` does not give is empty."""
    unknown = dict.fromkeys(
        ("name", "code", "next_step", "received_at", "ended_at", "frames", "options", "parent", "video", "records")
    )
    empty: dict[str, Any] = {"reason": "", "remedy": "", "trouble": [], "notes": [], "failures": {}}
    batches: dict[str, Any] = {"planned": None, "done": 0, "failed": []}
    return {
        **unknown,
        **empty,
        **dict.fromkeys(("report", "progress", "cost")),
        "run_id": run_id,
        "correlation_id": run_id,
        "status": status,
        "batches": batches,
        **fields,
    }
