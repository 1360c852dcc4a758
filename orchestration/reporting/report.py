"""The report stored next to the video or the records: outcome, plan, times, bad frames, steadiness and cost."""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import fsum
from statistics import median
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from frame_tools.contracts.answers import Answer, Cost, Count, RunPicture
from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.contracts.receipt import Outcome, Receipt, SteadinessSums
from frame_tools.contracts.video_index import start_note
from frame_tools.costs.prices import Prices
from frame_tools.storage.blobs import Blob, BlobInfo
from frame_tools.storage.deployment import Storage
from frame_tools.storage.read_ahead import NeededBlob, read_ahead
from orchestration.preflight import read_check
from orchestration.receipt_memory import ReceiptsByVersion
from orchestration.reporting.cost import actual_cost
from orchestration.reporting.timeline import StageTime, moments_of, stage_times, start_of_task

_log = logging.getLogger(__name__)
D = TypeVar("D", bound=StoredDocument)

NO_RECEIPTS: Final[ReceiptsByVersion] = {}
CALMED: Final = 0.7
"""Below this share of full contrast a note says that the option `calm` acted."""
MAX_LISTED: Final = 100
"""Bad frames that a report lists; the receipts list all of them."""


class Clip(Answer):
    """What the list of runs shows of a clip."""

    frames: Count | None = None


class Scored(Answer):
    """What the list of runs shows of the work of tasks."""

    frames: Count | None = None


class ReportSummary(Answer):
    """What status and list of runs read of a report."""

    notes: tuple[str, ...] = ()
    cost: Cost | None = None
    clip: Clip | None = None
    scoring: Scored | None = None
    pictures: tuple[RunPicture, ...] | None = None
    """The pictures beside the video; None in the reports of earlier versions."""

    @property
    def total_usd(self) -> float | None:
        """The cost of the run in US dollars, if it has a price."""
        return self.cost.usd.total if self.cost is not None and self.cost.usd is not None else None


def read_report(storage: Storage, run_id: str) -> ReportSummary:
    """Return what is read of the report of a run that has ended; empty if it is missing or damaged."""
    report = storage.output.read(RunPaths(run_id).report)
    try:
        return ReportSummary.model_validate_json(report.data) if report else ReportSummary()
    except ValidationError:
        return ReportSummary()


def report_json(report: dict[str, Any]) -> bytes:
    """Serialize a report."""
    return (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode()


def build_report(
    storage: Storage,
    outcome: Outcome,
    prices: Prices,
    *,
    receipts_read: ReceiptsByVersion = NO_RECEIPTS,
) -> dict[str, Any]:
    """Return the report of a run: its outcome, its plan, and a summary of all receipts that can be read.

    Those in `receipts_read` are not read again.
    """
    report: dict[str, Any] = {"version": 1, **outcome.model_dump(exclude_none=True)}
    names = RunPaths(outcome.run_id)
    if (request := _load(storage, names.request, Request)) is not None:
        report["received_at"] = request.received_at
        report["options"] = request.trigger.model_dump(mode="json", exclude_none=True)
    plan = _load(storage, names.plan, Plan)
    if (manifest := _load(storage, names.manifest, Manifest)) is not None:
        report["notes"] = run_notes(plan, manifest)
        report["clip"] = summarize_clip(manifest, scale=1 if plan is None else plan.scale)
    if plan is not None:
        listed = {item.name: item for item in storage.runs.list(names.folder)}
        stored = [item for name, item in listed.items() if name.startswith(names.receipts)]
        receipts = [each for each in _receipts(storage, stored, receipts_read) if each.start < each.end]
        report |= {
            "plan": plan.model_dump(mode="json", exclude_none=True),
            "scoring": summarize(receipts, plan),
            "bad_frames": summarize_bad_frames(receipts),
            "steadiness": mean_steadiness(receipts),
            "contrast": (contrast := least_contrast(receipts)),
            "cost": actual_cost(plan, receipts, read_check(storage, outcome.run_id), prices),
            "stages": [time.model_dump() for time in _stages(report, plan, receipts, listed)],
        }
        report["notes"] = [*report.get("notes", ()), *contrast_notes(contrast, plan.options.calmness)]
    return report


def least_contrast(receipts: Sequence[Receipt]) -> float | None:
    """Return the least share of full contrast that the option `calm` left the frames; None if none was measured."""
    return min((receipt.contrast for receipt in receipts if receipt.contrast is not None), default=None)


def contrast_notes(contrast: float | None, calm: float) -> list[str]:
    """Return a note if the option `calm` acted: if it left a clip clearly less contrast than the painting has."""
    if contrast is None or contrast >= CALMED:
        return []
    return [f"The clip has little contrast: calm {calm:g} left it {contrast:.0%} of the painting's"]


def _stages(
    report: Mapping[str, Any], plan: Plan, receipts: Sequence[Receipt], listed: Mapping[str, BlobInfo]
) -> tuple[StageTime, ...]:
    """Return how long each stage of a run that has ended took."""
    own = [receipt for receipt in receipts if receipt.run_id == plan.run_id]
    moments = moments_of(
        plan.run_id,
        listed,
        received_at=report.get("received_at"),
        ended_at=str(report["ended_at"]),
        task_starts=[start for receipt in own if (start := start_of_task(receipt)) is not None],
        is_scored=len(receipts) == plan.batch_count,
    )
    return stage_times(moments)


def run_notes(plan: Plan | None, manifest: Manifest) -> list[str]:
    """Return what the split could not keep, and whether tasks have to decode the video from its first frame on."""
    is_in_parts = plan is not None and plan.source == "video" and plan.batch_count > 1
    note = start_note(manifest.index) if is_in_parts and manifest.index is not None else None
    return [*manifest.notes, note] if note else list(manifest.notes)


def summarize_clip(manifest: Manifest, *, scale: int = 1) -> dict[str, Any]:
    """Return what people call the clip: its name, frames, seconds from first to last frame, size and audio tracks.

    `scale` is the size of the delivered frames, as a multiple of that of the clip's.
    """
    ticks = manifest.frame_pts[-1] - manifest.frame_pts[0] if manifest.frame_count else 0
    return {
        "source": manifest.source,
        "frames": manifest.frame_count,
        "seconds": round(float(ticks * manifest.time_base), 3),
        "width": manifest.width,
        "height": manifest.height,
        "scale": scale,
        "audio_tracks": len(manifest.audio),
    }


def _receipts(storage: Storage, listed: Sequence[BlobInfo], receipts_read: ReceiptsByVersion) -> Iterator[Receipt]:
    """Yield the receipts that can be read, in the order of the batches, without their frames.

    Names and hashes of a long run's frames take 200 MB.
    """
    missing = [item for item in listed if (item.name, item.etag) not in receipts_read]
    needed = (NeededBlob(item.name, min(item.size, Receipt.max_bytes), Receipt.max_bytes) for item in missing)
    blobs = read_ahead(storage.runs, needed)
    for item in listed:
        receipt = receipts_read.get((item.name, item.etag))
        if receipt is None:
            receipt = _load_blob(next(blobs), item.name, Receipt)
        if receipt is not None:
            yield receipt.model_copy(update={"frames": ()})


def _load(storage: Storage, name: str, document: type[D]) -> D | None:
    """Return a document of the run, or None if it is missing or unreadable: a report needs none of them."""
    return _load_blob(storage.runs.read(name, limit=document.max_bytes), name, document)


def _load_blob(blob: Blob | None, name: str, document: type[D]) -> D | None:
    try:
        return document.load_stored(blob.data) if blob else None
    except (DamagedError, VersionSkewError) as error:
        _log.warning("the report leaves out runs/%s: %s", name, error)
        return None


def summarize(receipts: list[Receipt], plan: Plan) -> dict[str, Any]:
    """Return totals over all receipts, and medians per image, in seconds."""
    frames = sum(r.end - r.start for r in receipts)
    if not frames:
        return {"frames": 0, "batches": 0, "batches_planned": plan.batch_count}
    return {
        "frames": frames,
        "batches": len(receipts),
        "batches_planned": plan.batch_count,
        "tasks": len({(r.run_id, r.task_id) for r in receipts}),
        "task_seconds": round(sum(r.times.total for r in receipts), 3),
        "start_up_seconds": round(sum(r.times.start_up for r in receipts), 3),
        "infer_seconds_per_image": round(median(r.times.infer / (r.end - r.start) for r in receipts), 4),
        "load_seconds_per_image": round(median(r.times.load / (r.end - r.start) for r in receipts), 4),
        "save_seconds_per_image": round(median(r.times.save / (r.end - r.start) for r in receipts), 4),
        "devices": sorted({r.device for r in receipts}),
        "versions": sorted({f"{name} {version}" for r in receipts for name, version in r.versions.items()}),
    }


def summarize_bad_frames(receipts: Sequence[Receipt]) -> dict[str, Any]:
    """Return the number of black, flat or non-finite frames, how they were handled, and the first of them."""
    bad = [frame for receipt in receipts for frame in receipt.bad_frames]
    return {
        "count": len(bad),
        "done": dict(sorted(Counter(frame.done for frame in bad).items())),
        "first": [frame.model_dump() for frame in sorted(bad, key=lambda frame: frame.index)[:MAX_LISTED]],
    }


def mean_steadiness(receipts: Sequence[Receipt]) -> dict[str, Any] | None:
    """Return the means over all measured frame pairs, for output and input; None if no pair was measured."""
    sums = [receipt.steadiness for receipt in receipts if receipt.steadiness is not None]
    pairs = sum(batch.pairs for batch in sums)
    if not pairs:
        return None
    measures = [name for name in SteadinessSums.model_fields if name != "pairs"]
    means = {name: round(fsum(getattr(batch, name) for batch in sums) / pairs, 6) for name in measures}
    return {"pairs": pairs, **means}
