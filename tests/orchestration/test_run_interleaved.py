"""Handlers at once: two of them in every order of accesses that two switches between them can make, more by dice.

Whatever the order: once the messages are delivered, the timer has come by and the nodes have done their tasks, every
run has ended, holds nothing any more, and a person's word was not undone by a handler that decided before it.
"""

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import pytest

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import ImpastoError
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.poison import finish_poisoned
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.start_run import start_run
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from orchestration.runs import finalize
from orchestration.runs.advance import advance
from orchestration.state import read_state
from scoring.tasks.base import Task, perform
from scoring.tasks.join import join_run
from tests.support.crash import Killed
from tests.support.fake_node import fail, split
from tests.support.in_memory_batch import MemoryBatch
from tests.support.interleaving import (
    Gate,
    Handler,
    Player,
    Schedule,
    at_random,
    early_deaths,
    late_deaths,
    play,
    two_switches,
)
from tests.support.memory_world import Memory, seen_through
from tests.support.world import World, message, take

Deed = Callable[[App, str], object]
"""What a handler does for a run."""


def start(app: App, run_id: str) -> None:
    start_run(app, "clip.json")


def start_next(app: App, run_id: str) -> None:
    start_run(app, "next.json")


def place(app: App, run_id: str) -> None:
    submit_batch(app, message(run_id, 1))


def finish(app: App, run_id: str) -> None:
    finish_batch(app, message(run_id, 1))


def split_done(app: App, run_id: str) -> None:
    finish_batch(app, message(run_id, "split"))


def join_done(app: App, run_id: str) -> None:
    finish_batch(app, message(run_id, "join"))


def poisoned(app: App, run_id: str) -> None:
    finish_poisoned(app, message(run_id, 1))


def timer(app: App, run_id: str) -> None:
    sweep(app)


def clean_up(app: App, run_id: str) -> None:
    finalize.clean_up(app, run_id)


def go_on(app: App, run_id: str) -> None:
    resubmit(app, run_id, "missing")


def redo_failed(app: App, run_id: str) -> None:
    resubmit(app, run_id, "failed")


def redo_all(app: App, run_id: str) -> None:
    resubmit(app, run_id, "all")


SETTLED: Final = re.compile(r"/(request|plan|pool)\.json$")
"""Documents of which nobody in these races writes another version: whose turn it is when they are read is all one."""


WISHES: Final = (cancel, go_on, redo_failed, redo_all)


class Stage:
    """A run at a moment, on which handlers are played again and again."""

    def __init__(self, prepare: Callable[[World], str], *, by_task: bool = False) -> None:
        self.memory = Memory()
        self.world = self.memory.world(max_open_runs=1, **({"join_in_function_bytes": 1} if by_task else {}))
        self.run_id = prepare(self.world)
        self.go_back = self.memory.moment()
        self.one_died = False
        """Then a joiner may have died just before it could take back what it had made for a run that ended."""
        self.one_is_not_called_again = False
        """Then a Batch job that it was just making may stay until its own time is up."""
        self.ends: dict[Hashable, str] = {}
        self.settled = {f"runs/{name}" for name in self.memory.shelves["runs"].blobs if SETTLED.search(name)}

    def play(self, deeds: Sequence[Deed], schedule: Schedule) -> list[Player]:
        """Play deeds from the stage's moment; a handler that died or was refused something is called again.

        Not so a person's wish: whether it is said again is the person's affair.
        """
        self.go_back()
        players = play([self._handler(deed) for deed in deeds], schedule)
        dead = [deed for deed, player in zip(deeds, players, strict=True) if isinstance(player.error, Killed)]
        self.one_died, self.one_is_not_called_again = bool(dead), any(deed in (*WISHES, timer) for deed in dead)
        self.memory.expire_leases()
        for deed, player in zip(deeds, players, strict=True):
            if isinstance(player.error, ImpastoError | Killed):
                if deed not in WISHES:
                    deed(self.world.app, self.run_id)
            elif player.error is not None:
                raise player.error
        return players

    def _handler(self, deed: Deed) -> Handler:
        def handle(gate: Gate) -> None:
            def before(what: str, writes: bool) -> None:
                if writes or what not in self.settled:
                    gate(writes)

            deed(seen_through(self.world.app, before), self.run_id)

        return handle


def settle(world: World) -> None:
    """Deliver what waits, and let the timer come by until it finds nothing more to put right; an hour passes."""
    world.storage.runs.delete(paths.last_orphan_scan())
    for _ in range(3):
        world.pump()
        sweep(world.app)
    world.pump()


def runs_of(world: World) -> list[str]:
    return [folder for folder in world.storage.runs.folders() if folder not in ("open", "slots")]


def has_ended(world: World, run_id: str) -> bool:
    return world.storage.runs.exists(RunPaths(run_id).outcome)


def check_whole(stage: Stage, run_id: str) -> None:
    """Nothing is half let go: a run that ended holds nothing, one that did not is open and each step has one task."""
    world = stage.world
    if has_ended(world, run_id):
        assert stage.one_is_not_called_again or world.is_let_go(run_id)
        assert not world.storage.runs.exists(RunPaths(run_id).open_mark)
    else:
        assert world.storage.runs.exists(RunPaths(run_id).open_mark), "nobody will look at the run again"
    status = world.status(run_id)
    if status in ("splitting", "scoring", "joining"):
        living = [task.task_id for task in world.tasks(run_id).values() if task.alive]
        steps = [parsed[0] for name in living if (parsed := ids.parse_task_id(name)) is not None]
        assert len(steps) == len(set(steps)), f"a step has two living tasks: {living}"
        assert set(waited_for(world, run_id, status)) <= set(steps), f"a step has no living task: {living}"
    if status != "finished" and not stage.one_died:
        assert not world.storage.output.exists(RunPaths(run_id).records), f"a run that is {status} shows its records"


def waited_for(world: World, run_id: str, status: str) -> tuple[int | str, ...]:
    """Return the steps that nodes must do for the run to go on."""
    state = read_state(world.storage, run_id)
    assert state is not None
    missing = tuple(batch for batch in state.missing if batch not in state.failed_batches)
    return missing if status == "scoring" else ("split",) if status == "splitting" else ("join",)


def work(world: World, run_id: str) -> None:
    """Do what nodes do for a run: all steps, whose tasks end well."""
    match world.status(run_id):
        case "splitting":
            split(world.storage, run_id, 2)
            ended(world, run_id, "split")
        case "scoring":
            score(world, run_id)
        case "joining":
            perform(Task(storage=world.storage, run_id=run_id, step="join", task_id="join", dedicated=None), join_run)
            ended(world, run_id, "join")


def score(world: World, run_id: str, *batches: int) -> None:
    """Score the named batches, or all, and end their tasks; their messages wait."""
    for batch in batches or (0, 1):
        world.paint(run_id, batch)
        ended(world, run_id, batch)


def fails(world: World, run_id: str, step: int | str) -> None:
    """Have a step's task end with an error that the person must mend; nobody gets its message."""
    fail(world.storage, run_id, step)
    ended(world, run_id, step, exit_code=65)
    take(world.storage.finished_batches)


def ended(world: World, run_id: str, step: int | str, *, exit_code: int = 0) -> None:
    assert isinstance(world.app.batch, MemoryBatch)
    world.app.batch.jobs.end_step(run_id, step, exit_code=exit_code)


def end_of(stage: Stage) -> str:
    """Check what a play has left behind, once for all plays that left the same; returns how the stage's run ended."""
    left = stage.memory.look(), stage.one_died, stage.one_is_not_called_again
    if left not in stage.ends:
        stage.ends[left] = check_end(stage)
    return stage.ends[left]


def check_end(stage: Stage) -> str:
    """Let host, timer and nodes do what they do until all runs have ended; returns how the stage's run did."""
    world = stage.world
    for _ in range(len(runs_of(world)) + 3):
        settle(world)
        for run_id in runs_of(world):
            check_whole(stage, run_id)
        held = [world.storage.runs.need(item.name).data for item in world.storage.runs.list("slots/")]
        assert len(held) == len(set(held)), "a run holds two slots"
        going = [run_id for run_id in runs_of(world) if not has_ended(world, run_id)]
        assert len(held) == min(len(going), world.app.settings.max_open_runs), "a slot is held in vain, or lies idle"
        for run_id in going:
            work(world, run_id)
    for run_id in runs_of(world):
        assert world.report(run_id)["status"] == world.status(run_id), "the report says another end"
    waiting = {run_id: world.status(run_id) for run_id in runs_of(world) if not has_ended(world, run_id)}
    assert not waiting, "a run hangs"
    return world.status(stage.run_id)


def asked(world: World) -> str:
    """Frames and trigger files of two runs lie there."""
    world.put_frames("clip", 2)
    world.put_trigger("next", input="clip", scorer="look", frames_per_batch=1)
    blob = world.put_trigger("clip", scorer="look", frames_per_batch=1)
    return ids.run_id_for(blob, world.storage.triggers.need(blob).etag)


def started(world: World) -> str:
    """Start a run of two batches whose product are records: no video to join a thousand times."""
    run_id = asked(world)
    start_run(world.app, "clip.json")
    return run_id


def placed(world: World) -> str:
    run_id = started(world)
    world.pump()
    return run_id


def painted(world: World) -> str:
    """All is in, and the message of the last batch is still on its way."""
    run_id = placed(world)
    score(world, run_id)
    take(world.storage.finished_batches)
    finish_batch(world.app, message(run_id, 0))
    return run_id


def half_failed(world: World) -> str:
    """One batch is in, the other has failed, and nobody has looked yet."""
    run_id = placed(world)
    score(world, run_id, 0)
    fails(world, run_id, 1)
    return run_id


def half_killed(world: World) -> str:
    """One batch is in, the other's task was killed, and nobody has looked yet."""
    run_id = placed(world)
    score(world, run_id, 0)
    ended(world, run_id, 1, exit_code=137)
    take(world.storage.finished_batches)
    return run_id


def damaged(world: World) -> str:
    """All seems to be in, but what one batch left is gone."""
    run_id = painted(world)
    world.storage.work.delete(RunPaths(run_id).records_part(1))
    return run_id


def film(world: World) -> str:
    """A video to be split in the cloud and its trigger file lie there."""
    world.storage.input.write("clip/film.mp4", b"a film")
    blob = world.put_trigger("clip", video="film.mp4", scorer="look", frames_per_batch=1)
    return ids.run_id_for(blob, world.storage.triggers.need(blob).etag)


def film_split(world: World) -> str:
    """The video is split, and the message of that is still on its way."""
    run_id = film(world)
    start(world.app, run_id)
    world.pump()
    split(world.storage, run_id, 2)
    ended(world, run_id, "split")
    take(world.storage.finished_batches)
    return run_id


def film_torn(world: World) -> str:
    """The video could not be split, and nobody has looked yet."""
    run_id = film(world)
    start(world.app, run_id)
    world.pump()
    fails(world, run_id, "split")
    return run_id


def joined(world: World) -> str:
    """A task has joined the run, and the message of that is still on its way."""
    run_id = painted(world)
    finish(world.app, run_id)
    assert world.status(run_id) == "joining", "join_in_function_bytes keeps the function from it"
    work(world, run_id)
    take(world.storage.finished_batches)
    return run_id


def failed(world: World) -> str:
    run_id = half_failed(world)
    advance(world.app, run_id)
    return run_id


def finished(world: World) -> str:
    run_id = painted(world)
    advance(world.app, run_id)
    return run_id


Race = tuple[Callable[[World], str], tuple[Deed, ...], set[str]]
"""The moment, what happens then at once, and how the run may end."""

TWO: Final[dict[str, Race]] = {
    "a trigger that fires twice": (asked, (start, start), {"finished"}),
    "trigger and timer": (asked, (start, timer), {"finished"}),
    "trigger and cancellation": (asked, (start, cancel), {"finished", "cancelled"}),
    "two triggers": (asked, (start, start_next), {"finished"}),
    "placing twice": (started, (place, place), {"finished"}),
    "placing and timer": (started, (place, timer), {"finished"}),
    "placing and cancellation": (started, (place, cancel), {"cancelled"}),
    "killed task, timer and resubmission": (half_killed, (timer, go_on), {"finished"}),
    "failure, timer and resubmission of what failed": (half_failed, (timer, redo_failed), {"finished"}),
    "two wishes for what failed": (half_failed, (go_on, redo_failed), {"finished"}),
    "given up and last message": (painted, (poisoned, finish), {"finished", "failed"}),
    "given up and resubmission": (half_failed, (poisoned, go_on), {"finished", "failed"}),
    "two cancellations": (placed, (cancel, cancel), {"cancelled"}),
    "cancellation and resubmission": (placed, (cancel, go_on), {"finished", "cancelled"}),
    "two last messages": (painted, (finish, finish), {"finished"}),
    "last message and timer": (painted, (finish, timer), {"finished"}),
    "last message and cancellation": (painted, (finish, cancel), {"finished", "cancelled"}),
    "last message and resubmission": (painted, (finish, go_on), {"finished"}),
    "last message and the next trigger": (painted, (finish, start_next), {"finished"}),
    "two look at a failure": (half_failed, (advance, advance), {"failed"}),
    "failure and timer": (half_failed, (advance, timer), {"failed"}),
    "failure and cancellation": (half_failed, (advance, cancel), {"failed", "cancelled"}),
    "failure and resubmission": (half_failed, (advance, go_on), {"finished"}),
    "cleaning up and resubmission": (failed, (clean_up, redo_failed), {"finished"}),
    "two resubmissions": (failed, (go_on, redo_failed), {"finished"}),
    "resubmission and timer": (failed, (go_on, timer), {"finished"}),
    "resubmission and cancellation": (failed, (go_on, cancel), {"finished", "failed", "cancelled"}),
    "redoing all twice": (finished, (redo_all, redo_all), {"finished"}),
    "redoing all and timer": (finished, (redo_all, timer), {"finished"}),
    "damage seen twice": (damaged, (advance, advance), {"finished"}),
    "damage and timer": (damaged, (advance, timer), {"finished"}),
    "damage and cancellation": (damaged, (advance, cancel), {"cancelled"}),
    "damage and resubmission": (damaged, (advance, go_on), {"finished"}),
    "film: trigger and timer": (film, (start, timer), {"finished"}),
    "film: trigger and cancellation": (film, (start, cancel), {"finished", "cancelled"}),
    "film: split told twice": (film_split, (split_done, split_done), {"finished"}),
    "film: split and timer": (film_split, (split_done, timer), {"finished"}),
    "film: split and cancellation": (film_split, (split_done, cancel), {"cancelled"}),
    "film: no split and timer": (film_torn, (split_done, timer), {"failed"}),
    "film: no split and resubmission": (film_torn, (split_done, go_on), {"finished"}),
}
BY_TASK: Final[dict[str, Race]] = {
    "join by a task: two last messages": (painted, (finish, finish), {"finished"}),
    "join by a task: last message and timer": (painted, (finish, timer), {"finished"}),
    "join by a task: last message and cancellation": (painted, (finish, cancel), {"cancelled"}),
    "join by a task: done and timer": (joined, (join_done, timer), {"finished"}),
    "join by a task: done and cancellation": (joined, (join_done, cancel), {"finished"}),
    "join by a task: done and resubmission": (joined, (join_done, go_on), {"finished"}),
}
MORE: Final[dict[str, Race]] = {
    "trigger twice, cancellation": (asked, (start, start, cancel), {"finished", "cancelled"}),
    "placing, timer, cancellation": (started, (place, timer, cancel), {"cancelled"}),
    "last message, timer, cancellation": (painted, (finish, timer, cancel), {"finished", "cancelled"}),
    "last message, cancellation, resubmission": (painted, (finish, cancel, go_on), {"finished", "cancelled"}),
    "failure seen twice, resubmission": (half_failed, (advance, advance, go_on), {"finished"}),
    "failure, timer, resubmission, cancellation": (
        half_failed,
        (advance, timer, go_on, cancel),
        {"finished", "failed", "cancelled"},
    ),
    "cleaning up, timer, resubmission": (failed, (clean_up, timer, go_on), {"finished"}),
    "cleaning up, resubmission, cancellation": (failed, (clean_up, go_on, cancel), {"finished", "failed", "cancelled"}),
    "two ends and the next trigger": (half_failed, (advance, timer, start_next), {"failed"}),
}
SEEDS: Final = 150


PAIRS: Final = TWO | BY_TASK


@pytest.mark.parametrize("race", PAIRS)
def test_whichever_of_two_is_faster(race: str) -> None:
    prepare, deeds, expected = PAIRS[race]
    stage = Stage(prepare, by_task=race in BY_TASK)
    ends = set()
    for order in {deeds, deeds[::-1]}:
        for schedule in two_switches(partial(stage.play, order)):
            with told(f"{race}, {'as named' if order == deeds else 'turned round'}, (k, j) = {schedule}"):
                ends.add(end_of(stage))
    assert ends <= expected


@pytest.mark.parametrize("race", PAIRS)
def test_one_dies_while_the_other_is_at_it(race: str) -> None:
    prepare, deeds, _ = PAIRS[race]
    stage = Stage(prepare, by_task=race in BY_TASK)
    for order in {deeds, deeds[::-1]}:
        for schedule in early_deaths(partial(stage.play, order)):
            with told(f"{race}, {'the first' if order == deeds else 'the second'} dies, (k, j) = {schedule}"):
                end_of(stage)


@pytest.mark.parametrize("race", PAIRS)
def test_one_dies_after_the_other_came_and_went(race: str) -> None:
    prepare, deeds, _ = PAIRS[race]
    stage = Stage(prepare, by_task=race in BY_TASK)
    for order in {deeds, deeds[::-1]}:
        for schedule in late_deaths(partial(stage.play, order)):
            with told(f"{race}, {'the first' if order == deeds else 'the second'} dies, (k, m) = {schedule}"):
                end_of(stage)


@pytest.mark.parametrize("race", MORE)
def test_more_than_two_in_any_order(race: str) -> None:
    prepare, deeds, expected = MORE[race]
    stage = Stage(prepare)
    ends = set()
    for seed in range(SEEDS):
        stage.play(deeds, at_random(len(deeds), seed))
        with told(f"{race}, seed {seed}"):
            ends.add(end_of(stage))
    assert ends <= expected


@contextmanager
def told(where: str) -> Iterator[None]:
    """Add to an error by which schedule it came about."""
    try:
        yield
    except BaseException as error:
        error.add_note(where)
        raise
