"""The measured calls: planning, one message, a status, a sweep, joining; each prepares its own runs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.scale.counting import counting
from benchmarks.scale.figures import Figures, measure
from benchmarks.scale.world import CountedWorld, ManifestKind
from frame_tools.contracts.messages import BatchMessage
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.start_run import start_run
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from orchestration.reporting.status import run_status
from orchestration.reporting.watched_status import watched_status


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of a table."""

    table: str
    name: str
    measure: Callable[[], Figures]


def planning(frames: int, manifest: ManifestKind = "constant") -> Figures:
    """Measure a trigger file: accept, plan and queue a run."""
    world = CountedWorld.create()
    trigger = world.upload("clip", frames, manifest=manifest)
    return measure(world, lambda: start_run(world.app, trigger))


def _planned(batches: int, *, per_batch: int = 2) -> tuple[CountedWorld, str]:
    """Return a run with tasks that have not begun."""
    world = CountedWorld.create()
    with counting(world.service):
        run_id = world.start("clip", batches * per_batch, per_batch=per_batch)
        world.deliver_submissions()
    return world, run_id


def submitting(batches: int) -> Figures:
    """Measure the first message of a run: its tasks are added."""
    world = CountedWorld.create()
    with counting(world.service):
        world.start("clip", 2 * batches, per_batch=2)
    text = world.submissions()[0]
    return measure(world, lambda: submit_batch(world.app, text))


def finishing(batches: int) -> Figures:
    """Measure the message of one finished batch that is not the last one."""
    world, run_id = _planned(batches)
    text = BatchMessage(run_id=run_id, batch=0).text()
    with counting(world.service):
        world.score(run_id, 1)
        finish_batch(world.app, text)
    return measure(world, lambda: finish_batch(world.app, text))


def status(batches: int) -> Figures:
    """Measure a status with half of the receipts there."""
    world, run_id = _planned(batches)
    world.score(run_id, batches // 2)
    return measure(world, lambda: run_status(world.app, run_id))


def polling(batches: int) -> Figures:
    """Measure a poll of a run that is watched already."""
    world, run_id = _planned(batches)
    world.score(run_id, batches // 2)
    with counting(world.service):
        watched_status(world.app, run_id)
    return measure(world, lambda: watched_status(world.app, run_id))


def sweeping(admitted: int, waiting: int, *, batches: int = 2) -> Figures:
    """Measure a sweep of open runs whose tasks are active."""
    world = CountedWorld.create(max_open_runs=admitted)
    with counting(world.service):
        for number in range(admitted + waiting):
            world.start(f"clip{number}", 2 * batches, per_batch=2)
        world.deliver_submissions()
    return measure(world, lambda: sweep(world.app))


def joining(frames: int, per_batch: int = 96) -> Figures:
    """Measure the message that joins and ends a run."""
    world = CountedWorld.create()
    with counting(world.service):
        run_id = world.start("clip", frames, per_batch=per_batch)
    world.score(run_id)
    text = BatchMessage(run_id=run_id, batch="advance").text()
    return measure(world, lambda: finish_batch(world.app, text))


def _planning_cases() -> list[Case]:
    sizes: list[tuple[int, ManifestKind]] = [(1000, "constant"), (10_000, "constant"), (100_000, "constant")]
    sizes += [(100_000, "variable"), (100_000, "none")]
    return [
        Case(
            table="Planning: trigger file to queued messages",
            name=f"{frames:,} frames, {'no' if kind == 'none' else kind} {'manifest' if kind == 'none' else 'rate'}",
            measure=lambda frames=frames, kind=kind: planning(frames, kind),  # type: ignore[misc]
        )
        for frames, kind in sizes
    ]


def _batch_cases() -> list[Case]:
    calls: dict[str, Callable[[int], Figures]] = {
        "First message of a run: its tasks": submitting,
        "Message of a finished batch": finishing,
        "Status, computed": status,
        "Poll of a run that is watched already": polling,
        "Sweep of one run": lambda batches: sweeping(1, 0, batches=batches),
    }
    return [
        Case(table=table, name=f"{batches:,} batches", measure=lambda call=call, batches=batches: call(batches))  # type: ignore[misc]
        for table, call in calls.items()
        for batches in (10, 100, 1000)
    ]


def _open_run_cases() -> list[Case]:
    return [
        Case(
            table="Sweep of all open runs",
            name=f"{admitted} admitted, {waiting} waiting",
            measure=lambda admitted=admitted, waiting=waiting: sweeping(admitted, waiting),  # type: ignore[misc]
        )
        for admitted, waiting in ((1, 0), (20, 0), (20, 80), (100, 0))
    ]


def _joining_cases() -> list[Case]:
    return [
        Case(
            table="Joining, and the end of the run",
            name=f"{frames:,} frames in batches of {per_batch}",
            measure=lambda frames=frames, per_batch=per_batch: joining(frames, per_batch),  # type: ignore[misc]
        )
        for frames, per_batch in ((1056, 96), (10_080, 96), (100_032, 96), (20_000, 10))
    ]


CASES: Final[tuple[Case, ...]] = (*_planning_cases(), *_batch_cases(), *_open_run_cases(), *_joining_cases())


def measure_case(number: int) -> Figures:
    """Measure one case in this process, without the log."""
    logging.disable(logging.CRITICAL)
    return CASES[number].measure()
