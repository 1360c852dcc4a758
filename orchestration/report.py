"""The report that lies beside the video: how the run ended, what it did, and where the time went."""

import json
from statistics import median
from typing import Any

from frame_tools import names
from frame_tools.plan import Plan
from frame_tools.prices import Prices
from frame_tools.receipt import Outcome, Receipt
from frame_tools.storage import Storage
from orchestration.cost import spent
from orchestration.preflight import read_check


def as_json(report: dict[str, Any]) -> bytes:
    """Return a report's bytes."""
    return (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode()


def report_of(storage: Storage, outcome: Outcome, prices: Prices) -> dict[str, Any]:
    """Return the report of a run: the outcome, and of the batches that have receipts what they tell."""
    report: dict[str, Any] = {"version": 1, **outcome.model_dump(exclude_none=True)}
    plan_blob = storage.runs.read(names.plan(outcome.run_id))
    if plan_blob is not None:
        plan = Plan.loads(plan_blob.data, "plan")
        receipts = [
            Receipt.loads(blob.data, "receipt")
            for item in storage.runs.list(names.receipts(outcome.run_id))
            if (blob := storage.runs.read(item.name)) is not None
        ]
        report |= {
            "plan": plan.model_dump(mode="json", exclude_none=True),
            "scoring": summarise(receipts, plan),
            "cost": spent(plan, receipts, read_check(storage, outcome.run_id), prices),
        }
    return report


def summarise(receipts: list[Receipt], plan: Plan) -> dict[str, Any]:
    """Return counts and seconds over all receipts: totals, and the medians per image."""
    frames = sum(r.end - r.start for r in receipts)
    if not frames:
        return {"frames": 0, "batches": 0, "batches_planned": plan.batch_count}
    return {
        "frames": frames,
        "batches": len(receipts),
        "batches_planned": plan.batch_count,
        "task_seconds": round(sum(r.times.total for r in receipts), 3),
        "start_up_seconds": round(sum(r.times.start_up for r in receipts), 3),
        "infer_seconds_per_image": round(median(r.times.infer / (r.end - r.start) for r in receipts), 4),
        "load_seconds_per_image": round(median(r.times.load / (r.end - r.start) for r in receipts), 4),
        "save_seconds_per_image": round(median(r.times.save / (r.end - r.start) for r in receipts), 4),
        "devices": sorted({r.device for r in receipts}),
    }
