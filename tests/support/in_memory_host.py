"""The Functions host and the nodes around a world in memory: messages are retried, tasks succeed or fail."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from frame_tools.cli.errors import to_impasto_error
from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import DamagedError, ExitCode, ImpastoError, InputError, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import Outcome, TaskError
from orchestration.app import App
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.poison import batch_poisoned, finish_poisoned
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from scoring.tasks.base import UNHANDLED_EXIT_CODE, Task, perform
from scoring.tasks.base import record_error as record_task_error
from scoring.tasks.batches import perform_batches
from scoring.tasks.join import join_run
from scoring.tasks.split import split_video
from tests.support import fake_node
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, drain

_log = logging.getLogger(__name__)

MAX_DELIVERIES = 5
"""As in host.json."""
JPEG = b"\xff\xd8"
"""First bytes of every JPEG file."""
SPLIT_FRAMES = 4
"""Number of frames of every video that a node splits into frames; an index is made of the video itself."""


@dataclass
class InMemoryHost:
    """Delivers the messages of a world, fires its timer, and executes its tasks."""

    cloud: InMemoryCloud
    world: World
    sweep_errors: list[Exception] = field(default_factory=list)
    """What the sweeps raised."""
    task_errors: dict[int | str, Exception] = field(default_factory=dict)
    """Step -> the error with which its tasks end, as long as it is here."""

    @property
    def app(self) -> App:
        return self.world.app

    def play(self, *, rounds: int = 6, until: Callable[[], bool] = lambda: False) -> None:
        """Let five minutes pass, then deliver, sweep and execute, `rounds` times or until a condition holds."""
        for _ in range(rounds):
            self.deliver()
            self.execute_tasks()
            self.deliver()
            self.sweep()
            self.deliver()
            if until():
                return
            self.world.clock.advance(minutes=5)

    def play_until_end(self, run_id: str, *, rounds: int = 8) -> Outcome:
        """Play until the run has an outcome that can be read, and return that."""
        self.play(rounds=rounds, until=lambda: self.outcome(run_id) is not None)
        outcome = self.outcome(run_id)
        assert outcome is not None, f"the run did not end: {self.world.status_document(run_id)}"
        return outcome

    def outcome(self, run_id: str) -> Outcome | None:
        blob = self.world.storage.runs.read(RunPaths(run_id).outcome)
        try:
            return Outcome.load_stored(blob.data) if blob else None
        except ImpastoError:
            return None

    def deliver(self) -> None:
        """Deliver all messages; one that fails five times goes to the poison handler."""
        while True:
            submissions, finished = drain(self.app.storage.frame_batches), drain(self.app.storage.finished_batches)
            if not submissions and not finished:
                return
            for text in submissions:
                self._deliver(text, submit_batch, batch_poisoned)
            for text in finished:
                self._deliver(text, finish_batch, finish_poisoned)

    def _deliver(self, text: str, handle: Callable[[App, str], None], poisoned: Callable[[App, str], None]) -> None:
        for _ in range(MAX_DELIVERIES):
            try:
                handle(self.app, text)
            except Exception as error:
                _log.info("a delivery failed: %s", error)
            else:
                return
        try:
            poisoned(self.app, text)
        except Exception as error:  # the host leaves the message in the poison queue
            _log.info("the poison handler failed: %s", error)

    def sweep(self) -> None:
        """Fire the timer; what a sweep raises is kept."""
        try:
            sweep(self.app)
        except ExceptionGroup as group:
            self.sweep_errors.extend(group.exceptions)
        except Exception as error:
            self.sweep_errors.append(error)

    def execute_tasks(self) -> None:
        """Execute every active task of every open job, as nodes do."""
        for job_id, tasks in list(self.cloud.jobs.tasks.items()):
            run_id = job_id.rsplit("-j", 1)[0]
            for task_id in [name for name, task in tasks.items() if task.is_active]:
                parsed = ids.parse_task_id(task_id)
                if parsed is not None and job_id not in self.cloud.jobs.closed:
                    self._execute(run_id, parsed[0], task_id)

    def _execute(self, run_id: str, work: ids.Work, task_id: str) -> None:
        try:
            if isinstance(work, ids.BatchRange):
                self._execute_batches(run_id, work, task_id)
            else:
                task = Task(storage=self.world.storage, run_id=run_id, step=work, task_id=task_id)
                perform(task, lambda _task: self._execute_step(run_id, work))
        except Exception as error:
            described = to_impasto_error(error)
            exit_code = described.exit_code if described else UNHANDLED_EXIT_CODE
        else:
            exit_code = ExitCode.OK
        self.cloud.jobs.end_task(run_id, task_id, exit_code=exit_code)

    def _execute_batches(self, run_id: str, batches: ids.BatchRange, task_id: str) -> None:
        def score(together: Sequence[int]) -> None:
            for batch in together:
                self._execute_step(run_id, batch)

        task = Task(storage=self.world.storage, run_id=run_id, step=batches.first, task_id=task_id)
        perform_batches(task, batches, lambda: nullcontext(score))

    def _execute_step(self, run_id: str, step: int | str) -> None:
        if step in self.task_errors:
            raise self.task_errors[step]
        execute_step(self.world, run_id, step)


def execute_step(world: World, run_id: str, step: int | str) -> None:
    """Do the work of a step; raises what a task raises."""
    storage = world.storage
    if step == "split":
        request = Request.load_stored(storage.runs.need(RunPaths(run_id).request).data)
        if request.trigger.reads_video:
            split_video(Task(storage=storage, run_id=run_id, step=step, task_id="split"))
            return
        storage.input.need(f"{request.folder}/{request.trigger.video}")
        fake_node.split(storage, run_id, SPLIT_FRAMES)
    elif step == "join":
        join_run(Task(storage=storage, run_id=run_id, step=step, task_id="join"))
    else:
        check_frames(world, run_id, int(step))
        fake_node.score(storage, run_id, int(step))


def check_frames(world: World, run_id: str, batch: int) -> None:
    """Raise the error of a task whose frames cannot be read: of uploaded frames the user's, of split ones damage.

    What a video contains is read when it is painted.
    """
    plan, manifest = fake_node.read_plan(world.storage, run_id), fake_node.read_manifest(world.storage, run_id)
    container = world.storage.data_container(plan.frames.container)
    for index in range(*plan.span(batch)) if plan.source == "frames" else ():
        blob = container.read(plan.frames.name + manifest.frame_name(index))
        if blob is not None and blob.data.startswith(JPEG):
            continue
        if plan.frames.container == paths.WORK:
            raise DamagedError(f"Frame {index} cannot be used", "Resubmit what is missing", next_step=NextStep.RESUBMIT)
        raise InputError(f"Frame {index} cannot be used", "Upload it again, then resubmit", next_step=NextStep.RESUBMIT)


def record_error(world: World, run_id: str, step: int | str, *, task_id: str, error: Exception) -> None:
    """Store an error that is retried, as a task does, at the time of the world's clock."""
    record_task_error(Task(storage=world.storage, run_id=run_id, step=step, task_id=task_id), error)
    name = RunPaths(run_id).error(ids.step_name(step))
    stored = TaskError.load_stored(world.storage.runs.need(name).data)
    now = world.app.clock.now().isoformat()
    world.storage.runs.write(name, stored.model_copy(update={"happened_at": now}).dumps())
