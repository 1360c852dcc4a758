"""Concurrent handlers: all schedules of two handlers with up to two context switches, random ones of three and four.

For every schedule: once all messages are delivered, the sweep has run and nodes have executed their tasks, every run
has ended and holds nothing, and no user request was undone by a handler that had decided before it.
"""

import datetime as dt
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import pytest

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ImpastoError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.azure_batch.in_memory import InMemoryBatch
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.poison import finish_poisoned
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.start_run import start_run
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from orchestration.runs.advance import advance
from orchestration.runs.finalize import clean_up
from orchestration.runs.sweep_progress import Scan, SweepProgress, write_progress
from orchestration.state import read_state
from scoring.tasks.base import Task, perform
from scoring.tasks.join import join_run
from tests.support.crash import SimulatedCrash
from tests.support.fake_node import fail, split
from tests.support.interleaving import (
    Gate,
    Handler,
    HandlerThread,
    Schedule,
    early_crashes,
    interleave,
    late_crashes,
    random_schedule,
    two_switch_schedules,
)
from tests.support.memory_world import InMemoryCloud, keeps_list, with_access_hook
from tests.support.world import World, drain, message

Operation = Callable[[App, str], object]
"""A handler or a user request, applied to a run."""


def start(app: App, run_id: str) -> None:
    start_run(app, "clip.json")


def start_next(app: App, run_id: str) -> None:
    start_run(app, "next.json")


def submit(app: App, run_id: str) -> None:
    submit_batch(app, message(run_id, 1))


def submit_range(app: App, run_id: str) -> None:
    submit_batch(app, BatchMessage(run_id=run_id, batch=0, last=1).text())


def submit_first_half(app: App, run_id: str) -> None:
    submit_batch(app, BatchMessage(run_id=run_id, batch=0, last=0).text())


def finish_last_batch(app: App, run_id: str) -> None:
    finish_batch(app, message(run_id, 1))


def finish_split(app: App, run_id: str) -> None:
    finish_batch(app, message(run_id, "split"))


def finish_join(app: App, run_id: str) -> None:
    finish_batch(app, message(run_id, "join"))


def poison(app: App, run_id: str) -> None:
    finish_poisoned(app, message(run_id, 1))


def run_sweep(app: App, run_id: str) -> None:
    sweep(app)


def clean_up_run(app: App, run_id: str) -> None:
    clean_up(app, run_id)


def resume_missing(app: App, run_id: str) -> None:
    resubmit(app, run_id, "missing")


def resume_failed(app: App, run_id: str) -> None:
    resubmit(app, run_id, "failed")


def rerun_all(app: App, run_id: str) -> None:
    resubmit(app, run_id, "all")


USER_REQUESTS: Final = (cancel, resume_missing, resume_failed, rerun_all)


class Scenario:
    """A run in a given state, on which operations are interleaved repeatedly."""

    def __init__(self, prepare: Callable[[World], str], *, by_task: bool = False, pool_tasks: int = 4) -> None:
        self.cloud = InMemoryCloud()
        settings = {"max_open_runs": 1, "sweep_grace_seconds": 0} | ({"join_in_function_bytes": 1} if by_task else {})
        self.world = self.cloud.world(**settings, pool_tasks=pool_tasks)
        self.run_id = prepare(self.world)
        expect_orphans(self.world)
        self.restore = self.cloud.snapshot()
        self.crashed = False
        """If True, a joiner may have died before it could delete a product that it committed after the run ended."""
        self.not_called_again = False
        """If True, a Batch job that was being created may remain until its own time limit."""
        self.outcomes: dict[Hashable, str] = {}

    def interleave(self, operations: Sequence[Operation], schedule: Schedule) -> list[HandlerThread]:
        """Restore the state and run the operations by the schedule; call a handler that crashed or failed again.

        User requests are not repeated: that is up to the user.
        """
        self.restore()
        threads = interleave([self._handler(operation) for operation in operations], schedule)
        ended = list(zip(operations, threads, strict=True))
        crashed = [operation for operation, thread in ended if isinstance(thread.error, SimulatedCrash)]
        self.crashed = bool(crashed)
        self.not_called_again = any(operation in (*USER_REQUESTS, run_sweep) for operation in crashed)
        self.cloud.expire_leases()
        for operation, thread in ended:
            if isinstance(thread.error, ImpastoError | SimulatedCrash):
                if operation not in USER_REQUESTS:
                    operation(self.world.app, self.run_id)
            elif thread.error is not None:
                raise thread.error
        return threads

    def _handler(self, operation: Operation) -> Handler:
        def handle(gate: Gate) -> None:
            def before(resource: str, writes: bool) -> None:
                if not keeps_list(resource):
                    gate(resource, writes)

            operation(with_access_hook(self.world.app, before), self.run_id)

        return handle


def expect_orphans(world: World) -> None:
    """Let the next sweep scan all runs for orphans, but start no trigger file: two triggers are pairs of their own."""
    later = world.clock.now() + dt.timedelta(days=1)
    write_progress(world.storage, SweepProgress(), SweepProgress(triggers=Scan(complete_at=later)))


def settle(world: World) -> None:
    """Deliver all messages and sweep until nothing is left to repair, including the scan for orphans."""
    expect_orphans(world)
    for _ in range(3):
        world.deliver_messages()
        sweep(world.app)
    world.deliver_messages()


def run_ids(world: World) -> list[str]:
    return [folder for folder in world.storage.runs.folders() if folder not in ("open", "slots", "index", "status")]


def has_outcome(world: World, run_id: str) -> bool:
    return world.storage.runs.exists(RunPaths(run_id).outcome)


def assert_consistent(scenario: Scenario, run_id: str) -> None:
    """Assert that an ended run holds nothing, and that an open run has exactly one active task per pending step."""
    world = scenario.world
    if has_outcome(world, run_id):
        assert scenario.not_called_again or world.is_released(run_id)
        assert not world.storage.runs.exists(RunPaths(run_id).open_mark)
    else:
        assert world.storage.runs.exists(RunPaths(run_id).open_mark), "no sweep will visit the run"
    status = world.status(run_id)
    if status in ("splitting", "scoring", "joining"):
        active = [task.task_id for task in world.tasks(run_id).values() if task.is_active]
        works = [parsed[0] for name in active if (parsed := ids.parse_task_id(name)) is not None]
        steps = [step for work in works for step in steps_of(work)]
        assert len(steps) == len(set(steps)), f"a step has two active tasks: {active}"
        assert set(pending_steps(world, run_id, status)) <= set(steps), f"a step has no active task: {active}"
    if status != "finished" and not scenario.crashed:
        assert not world.storage.output.exists(RunPaths(run_id).records), f"a {status} run has records"


def steps_of(work: ids.Work) -> list[int | str]:
    """Return the steps that a task executes."""
    return list(work.numbers) if isinstance(work, ids.BatchRange) else [work]


def pending_steps(world: World, run_id: str, status: str) -> tuple[int | str, ...]:
    """Return the steps that nodes must execute for the run to continue."""
    state = read_state(world.storage, run_id)
    assert state is not None
    missing = tuple(batch for batch in state.missing if batch not in state.failed_batches)
    return missing if status == "scoring" else ("split",) if status == "splitting" else ("join",)


def execute_pending(world: World, run_id: str) -> None:
    """Execute all pending steps of a run as nodes do; every task succeeds."""
    match world.status(run_id):
        case "splitting":
            split(world.storage, run_id, 2)
            end_task(world, run_id, "split")
        case "scoring":
            score_batches(world, run_id)
        case "joining":
            perform(Task(storage=world.storage, run_id=run_id, step="join", task_id="join", dedicated=None), join_run)
            end_task(world, run_id, "join")


def score_batches(world: World, run_id: str, *batches: int) -> None:
    """Score the given batches, or all, and end their tasks; their messages stay queued."""
    for batch in batches or (0, 1):
        world.score(run_id, batch)
        end_task(world, run_id, batch)


def fail_step(world: World, run_id: str, step: int | str) -> None:
    """End a step's task with a permanent failure whose message is lost."""
    fail(world.storage, run_id, step)
    end_task(world, run_id, step, exit_code=65)
    drain(world.storage.finished_batches)


def end_task(world: World, run_id: str, step: int | str, *, exit_code: int = 0) -> None:
    assert isinstance(world.app.batch, InMemoryBatch)
    world.app.batch.jobs.end_step(run_id, step, exit_code=exit_code)


def outcome_of(scenario: Scenario) -> str:
    """Return the scenario run's outcome, checked once for all schedules that leave the same state."""
    state = scenario.cloud.fingerprint(), scenario.crashed, scenario.not_called_again
    if state not in scenario.outcomes:
        scenario.outcomes[state] = settle_and_check(scenario)
    return scenario.outcomes[state]


def settle_and_check(scenario: Scenario) -> str:
    """Let host, timer and nodes work until all runs have ended, with checks; return the scenario run's status."""
    world = scenario.world
    for _ in range(len(run_ids(world)) + 3):
        settle(world)
        for run_id in run_ids(world):
            assert_consistent(scenario, run_id)
        held = [world.storage.runs.need(item.name).data for item in world.storage.runs.list("slots/")]
        assert len(held) == len(set(held)), "a run holds two slots"
        open_runs = [run_id for run_id in run_ids(world) if not has_outcome(world, run_id)]
        assert len(held) == min(len(open_runs), world.app.settings.max_open_runs), "a slot is leaked or unused"
        for run_id in open_runs:
            execute_pending(world, run_id)
    for run_id in run_ids(world):
        assert world.report(run_id)["status"] == world.status(run_id), "report and outcome differ"
    waiting = {run_id: world.status(run_id) for run_id in run_ids(world) if not has_outcome(world, run_id)}
    assert not waiting, "a run hangs"
    return world.status(scenario.run_id)


def uploaded(world: World) -> str:
    """Upload frames and the trigger files of two runs."""
    world.upload_frames("clip", 2)
    world.upload_trigger("next", input="clip", scorer="describe", frames_per_batch=1)
    blob = world.upload_trigger("clip", scorer="describe", frames_per_batch=1)
    return ids.run_id_for(blob, world.storage.triggers.need(blob).etag)


def started(world: World) -> str:
    """Start a run of two batches that makes records: nothing to encode thousands of times."""
    run_id = uploaded(world)
    start_run(world.app, "clip.json")
    return run_id


def submitted(world: World) -> str:
    run_id = started(world)
    world.deliver_messages()
    return run_id


def all_scored(world: World) -> str:
    """All batches are scored, and the message of the last one is in transit."""
    run_id = submitted(world)
    score_batches(world, run_id)
    drain(world.storage.finished_batches)
    finish_batch(world.app, message(run_id, 0))
    return run_id


def half_failed(world: World) -> str:
    """One batch is scored, the other has failed, and the run has not been evaluated."""
    run_id = submitted(world)
    score_batches(world, run_id, 0)
    fail_step(world, run_id, 1)
    return run_id


def task_killed(world: World) -> str:
    """One batch is scored, the other's task was killed, and the run has not been evaluated."""
    run_id = submitted(world)
    score_batches(world, run_id, 0)
    end_task(world, run_id, 1, exit_code=137)
    drain(world.storage.finished_batches)
    return run_id


def damaged(world: World) -> str:
    """All batches have receipts, but the files of one are gone."""
    run_id = all_scored(world)
    world.storage.work.delete(RunPaths(run_id).records_part(1))
    return run_id


def video_uploaded(world: World, source: str = "frames") -> str:
    """Upload a video that the cloud splits, and its trigger file."""
    world.storage.input.write("clip/video.mp4", b"a video")
    blob = world.upload_trigger("clip", video="video.mp4", source=source, scorer="describe", frames_per_batch=1)
    return ids.run_id_for(blob, world.storage.triggers.need(blob).etag)


def video_indexed(world: World) -> str:
    """A task has made the index of the video, and the message is in transit."""
    return video_split(world, "video")


def video_split(world: World, source: str = "frames") -> str:
    """The video is split, and the message is in transit."""
    run_id = video_uploaded(world, source)
    start(world.app, run_id)
    world.deliver_messages()
    split(world.storage, run_id, 2)
    end_task(world, run_id, "split")
    drain(world.storage.finished_batches)
    return run_id


def split_failed(world: World) -> str:
    """The video could not be split, and the run has not been evaluated."""
    run_id = video_uploaded(world)
    start(world.app, run_id)
    world.deliver_messages()
    fail_step(world, run_id, "split")
    return run_id


def joined(world: World) -> str:
    """A task has joined the run, and the message is in transit."""
    run_id = all_scored(world)
    finish_last_batch(world.app, run_id)
    assert world.status(run_id) == "joining", "join_in_function_bytes prevents joining in the function"
    execute_pending(world, run_id)
    drain(world.storage.finished_batches)
    return run_id


def failed(world: World) -> str:
    run_id = half_failed(world)
    advance(world.app, run_id)
    return run_id


def finished(world: World) -> str:
    run_id = all_scored(world)
    advance(world.app, run_id)
    return run_id


Race = tuple[Callable[[World], str], tuple[Operation, ...], set[str]]
"""The initial state, the concurrent operations, and the allowed outcomes."""

IN_FUNCTION: Final[dict[str, Race]] = {
    "trigger delivered twice": (uploaded, (start, start), {"finished"}),
    "trigger, sweep": (uploaded, (start, run_sweep), {"finished"}),
    "trigger, cancel": (uploaded, (start, cancel), {"finished", "cancelled"}),
    "two triggers": (uploaded, (start, start_next), {"finished"}),
    "submit twice": (started, (submit, submit), {"finished"}),
    "submit, sweep": (started, (submit, run_sweep), {"finished"}),
    "submit, cancel": (started, (submit, cancel), {"cancelled"}),
    "killed task: sweep, resume": (task_killed, (run_sweep, resume_missing), {"finished"}),
    "failed batch: sweep, resume failed": (half_failed, (run_sweep, resume_failed), {"finished"}),
    "failed batch: resume missing, resume failed": (half_failed, (resume_missing, resume_failed), {"finished"}),
    "poison, last message": (all_scored, (poison, finish_last_batch), {"finished", "failed"}),
    "failed batch: poison, resume": (half_failed, (poison, resume_missing), {"finished", "failed"}),
    "cancel twice": (submitted, (cancel, cancel), {"cancelled"}),
    "cancel, resume": (submitted, (cancel, resume_missing), {"finished", "cancelled"}),
    "last message twice": (all_scored, (finish_last_batch, finish_last_batch), {"finished"}),
    "last message, sweep": (all_scored, (finish_last_batch, run_sweep), {"finished"}),
    "last message, cancel": (all_scored, (finish_last_batch, cancel), {"finished", "cancelled"}),
    "last message, resume": (all_scored, (finish_last_batch, resume_missing), {"finished"}),
    "last message, next trigger": (all_scored, (finish_last_batch, start_next), {"finished"}),
    "failed batch: advance twice": (half_failed, (advance, advance), {"failed"}),
    "failed batch: advance, sweep": (half_failed, (advance, run_sweep), {"failed"}),
    "failed batch: advance, cancel": (half_failed, (advance, cancel), {"failed", "cancelled"}),
    "failed batch: advance, resume": (half_failed, (advance, resume_missing), {"finished"}),
    "failed run: clean up, resume failed": (failed, (clean_up_run, resume_failed), {"finished"}),
    "failed run: resume missing, resume failed": (failed, (resume_missing, resume_failed), {"finished"}),
    "failed run: resume, sweep": (failed, (resume_missing, run_sweep), {"finished"}),
    "failed run: resume, cancel": (failed, (resume_missing, cancel), {"finished", "failed", "cancelled"}),
    "rerun all twice": (finished, (rerun_all, rerun_all), {"finished"}),
    "rerun all, sweep": (finished, (rerun_all, run_sweep), {"finished"}),
    "damage: advance twice": (damaged, (advance, advance), {"finished"}),
    "damage: advance, sweep": (damaged, (advance, run_sweep), {"finished"}),
    "damage: advance, cancel": (damaged, (advance, cancel), {"cancelled"}),
    "damage: advance, resume": (damaged, (advance, resume_missing), {"finished"}),
    "video: trigger, sweep": (video_uploaded, (start, run_sweep), {"finished"}),
    "video: trigger, cancel": (video_uploaded, (start, cancel), {"finished", "cancelled"}),
    "video: split message twice": (video_split, (finish_split, finish_split), {"finished"}),
    "video: split message, sweep": (video_split, (finish_split, run_sweep), {"finished"}),
    "video: split message, cancel": (video_split, (finish_split, cancel), {"cancelled"}),
    "video alone: index message, sweep": (video_indexed, (finish_split, run_sweep), {"finished"}),
    "video alone: index message, cancel": (video_indexed, (finish_split, cancel), {"cancelled"}),
    "video: failed split message, sweep": (split_failed, (finish_split, run_sweep), {"failed"}),
    "video: failed split message, resume": (split_failed, (finish_split, resume_missing), {"finished"}),
}
JOINED_BY_TASK: Final[dict[str, Race]] = {
    "join task: last message twice": (all_scored, (finish_last_batch, finish_last_batch), {"finished"}),
    "join task: last message, sweep": (all_scored, (finish_last_batch, run_sweep), {"finished"}),
    "join task: last message, cancel": (all_scored, (finish_last_batch, cancel), {"cancelled"}),
    "join task: join message, sweep": (joined, (finish_join, run_sweep), {"finished"}),
    "join task: join message, cancel": (joined, (finish_join, cancel), {"finished"}),
    "join task: join message, resume": (joined, (finish_join, resume_missing), {"finished"}),
}
THREE_OR_FOUR: Final[dict[str, Race]] = {
    "trigger twice, cancel": (uploaded, (start, start, cancel), {"finished", "cancelled"}),
    "submit, sweep, cancel": (started, (submit, run_sweep, cancel), {"cancelled"}),
    "last message, sweep, cancel": (all_scored, (finish_last_batch, run_sweep, cancel), {"finished", "cancelled"}),
    "last message, cancel, resume": (
        all_scored,
        (finish_last_batch, cancel, resume_missing),
        {"finished", "cancelled"},
    ),
    "failed batch: advance twice, resume": (half_failed, (advance, advance, resume_missing), {"finished"}),
    "failed batch: advance, sweep, resume, cancel": (
        half_failed,
        (advance, run_sweep, resume_missing, cancel),
        {"finished", "failed", "cancelled"},
    ),
    "failed run: clean up, sweep, resume": (failed, (clean_up_run, run_sweep, resume_missing), {"finished"}),
    "failed run: clean up, resume, cancel": (
        failed,
        (clean_up_run, resume_missing, cancel),
        {"finished", "failed", "cancelled"},
    ),
    "failed batch: advance, sweep, next trigger": (half_failed, (advance, run_sweep, start_next), {"failed"}),
}
SEEDS: Final = 150


SHARED_TASK: Final[dict[str, Race]] = {
    "one task: range twice": (started, (submit_range, submit_range), {"finished"}),
    "one task: range, part of it": (started, (submit_range, submit_first_half), {"finished"}),
    "one task: two parts": (started, (submit_first_half, submit), {"finished"}),
    "one task: range, sweep": (started, (submit_range, run_sweep), {"finished"}),
    "one task: range, cancel": (started, (submit_range, cancel), {"cancelled"}),
    "one task: late range, sweep": (task_killed, (submit_range, run_sweep), {"finished"}),
    "one task: late range, last message": (all_scored, (submit_range, finish_last_batch), {"finished"}),
    "one task: failed batch: late range, resume failed": (half_failed, (submit_range, resume_failed), {"finished"}),
}
"""Both batches share a task, and one message names them."""

PAIRS: Final = IN_FUNCTION | JOINED_BY_TASK | SHARED_TASK


def scenario_of(race: str) -> Scenario:
    return Scenario(PAIRS[race][0], by_task=race in JOINED_BY_TASK, pool_tasks=1 if race in SHARED_TASK else 4)


@pytest.mark.parametrize("race", PAIRS)
def test_two_operations_with_two_switches(race: str) -> None:
    _, operations, expected = PAIRS[race]
    scenario = scenario_of(race)
    outcomes = set()
    for order in {operations, operations[::-1]}:
        for schedule in two_switch_schedules(partial(scenario.interleave, order)):
            with annotate_errors(f"{race}, {'in' if order == operations else 'reversed'} order, (k, j) = {schedule}"):
                outcomes.add(outcome_of(scenario))
    assert outcomes <= expected


@pytest.mark.parametrize("race", PAIRS)
def test_crash_while_the_other_is_running(race: str) -> None:
    _, operations, _ = PAIRS[race]
    scenario = scenario_of(race)
    for order in {operations, operations[::-1]}:
        for accesses in early_crashes(partial(scenario.interleave, order)):
            crashing = "first" if order == operations else "second"
            with annotate_errors(f"{race}, the {crashing} crashes after {accesses} accesses"):
                outcome_of(scenario)


@pytest.mark.parametrize("race", PAIRS)
def test_crash_after_the_other_has_ended(race: str) -> None:
    _, operations, _ = PAIRS[race]
    scenario = scenario_of(race)
    for order in {operations, operations[::-1]}:
        for schedule in late_crashes(partial(scenario.interleave, order)):
            crashing = "first" if order == operations else "second"
            with annotate_errors(f"{race}, the {crashing} crashes, (k, m) = {schedule}"):
                outcome_of(scenario)


@pytest.mark.parametrize("race", THREE_OR_FOUR)
def test_three_or_four_operations_at_random(race: str) -> None:
    prepare, operations, expected = THREE_OR_FOUR[race]
    scenario = Scenario(prepare)
    outcomes = set()
    for seed in range(SEEDS):
        scenario.interleave(operations, random_schedule(len(operations), seed))
        with annotate_errors(f"{race}, seed {seed}"):
            outcomes.add(outcome_of(scenario))
    assert outcomes <= expected


@contextmanager
def annotate_errors(schedule: str) -> Iterator[None]:
    """Add the schedule to an error."""
    try:
        yield
    except BaseException as error:
        error.add_note(schedule)
        raise
