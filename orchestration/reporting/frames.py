"""Frames of a run before and after painting, as short-lived URLs, page by page."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from frame_tools.contracts import ids, paths
from frame_tools.contracts.answers import FramePage, FramePair
from frame_tools.contracts.batch_borders import spread_sample
from frame_tools.contracts.calls import FramesQuery
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Receipt
from orchestration.app import App
from orchestration.documents import read_usable
from orchestration.memory_budget import DOCUMENT_BYTES
from orchestration.reporting.pages import next_page, numbers_of_page
from orchestration.state import RunState, read_state

READ_THREADS: Final = 16
NO_FRAMES: Final = FramePage(frames=(), total=None, next=None)


def frames_page(app: App, run_id: str, query: FramesQuery) -> FramePage | None:
    """Return a page of the run's frames, or None if there is no such run; empty until there is a plan.

    Costs one reading of the run's state and manifest, and at most one request per batch and frame on the page.
    """
    state = read_state(app.storage, ids.check_run_id(run_id))
    if state is None:
        return None
    plan = state.plan if isinstance(state, RunState) else None
    if not isinstance(state, RunState) or plan is None:
        return NO_FRAMES
    indices, following = _indices(plan, query)
    with app.memory.hold(DOCUMENT_BYTES):
        names = _frame_names(app, run_id, indices)
    if names is None:
        return NO_FRAMES
    painted = _painted_blobs(app, state, plan, names)
    frames = tuple(
        FramePair(
            index=index,
            name=name,
            before=None if plan.source == "video" else _link(app, plan.frames.container, f"{plan.frames.name}{name}"),
            after=_link(app, paths.WORK, painted[index]) if index in painted else None,
        )
        for index, name in names.items()
    )
    return FramePage(frames=frames, total=plan.frame_count, next=following)


def _link(app: App, container: str, name: str) -> str:
    return app.links.view(container, name, now=app.clock.now())


def _indices(plan: Plan, query: FramesQuery) -> tuple[Iterable[int], str | None]:
    """Return the indices on the page, and the next page."""
    if query.spread:
        return spread_sample(plan.frame_count, query.limit), None
    numbers = numbers_of_page(plan.frame_count, limit=query.limit, after=query.after)
    return numbers, next_page(numbers, plan.frame_count)


def _frame_names(app: App, run_id: str, indices: Iterable[int]) -> dict[int, str] | None:
    """Return the names of frames; None while the manifest is missing or damaged, which planning repairs."""
    manifest = read_usable(app.storage.runs, RunPaths(run_id).manifest, Manifest)
    return None if manifest is None else {index: manifest.frame_name(index) for index in indices}


def _painted_blobs(app: App, state: RunState, plan: Plan, names: Mapping[int, str]) -> dict[int, str]:
    """Return the blobs in `work` of the frames that are painted, by index: complete batches name them in receipts."""
    if plan.makes == "records" or not plan.options.stores_frames:
        return {}
    run = RunPaths(state.run_id)
    batches = sorted({bisect_right(plan.borders, index) - 1 for index in names} & state.receipts)
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="frames") as pool:
        read = pool.map(lambda batch: read_usable(app.storage.runs, run.receipt(batch), Receipt), batches)
        receipts = [receipt for receipt in read if receipt is not None]
        complete = {index for receipt in receipts for index in range(receipt.start, receipt.end)}
        pending = {index: run.painted_frame(name) for index, name in names.items() if index not in complete}
        exist = list(pool.map(app.storage.work.exists, pending.values()))
    painted = {receipt.start + number: file.name for receipt in receipts for number, file in enumerate(receipt.frames)}
    return painted | {index: blob for (index, blob), is_there in zip(pending.items(), exist, strict=True) if is_there}
