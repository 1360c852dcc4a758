"""The Functions host and the nodes around a world in memory: messages are retried, tasks succeed or fail."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from frame_tools.assembly import DamagedBatchError, assemble_output
from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, ExitCode, ImpastoError, InputError, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import Outcome, TaskError
from orchestration.app import App
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.poison import batch_poisoned, finish_poisoned
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from tests.support import fake_node
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, drain

_log = logging.getLogger(__name__)

MAX_DELIVERIES = 5
"""As in host.json."""
SPLIT_FRAMES = 4
"""Number of frames of every video that a node splits."""


@dataclass
class InMemoryHost:
    """Delivers the messages of a world, fires its timer, and executes its tasks."""

    cloud: InMemoryCloud
    world: World
    sweep_errors: list[Exception] = field(default_factory=list)
    """What the sweeps raised."""

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

    def _execute(self, run_id: str, step: int | str, task_id: str) -> None:
        exit_code = ExitCode.OK
        try:
            perform(self.world, run_id, step)
        except InputError as error:
            fake_node.fail(self.world.storage, run_id, step, error.what)
            exit_code = error.exit_code
        except ImpastoError as error:
            exit_code = error.exit_code
            record_error(self.world, run_id, step, task_id=task_id, error=error)
        self.cloud.jobs.end_step(run_id, step, exit_code=exit_code)


def perform(world: World, run_id: str, step: int | str) -> None:
    """Do the work of a step; raises what a task raises."""
    storage = world.storage
    if step == "split":
        request = Request.load_stored(storage.runs.need(RunPaths(run_id).request).data)
        storage.input.need(f"{request.folder}/{request.trigger.video}")
        if not storage.runs.exists(RunPaths(run_id).split_receipt):
            fake_node.split(storage, run_id, SPLIT_FRAMES)
    elif step == "join":
        try:
            assemble_output(storage, run_id)
        except DamagedBatchError:
            for stage in ("join", "batches"):
                storage.runs.delete(RunPaths(run_id).queued(stage))
    else:
        fake_node.score(storage, run_id, int(step))


def record_error(world: World, run_id: str, step: int | str, *, task_id: str, error: ImpastoError) -> None:
    """Store an error that is retried, as a task does."""
    name = ids.step_name(step)
    stored = TaskError(
        run_id=run_id,
        step=name,
        reason=error.what,
        remedy=error.remedy,
        code=error.code or ErrorCode.UNHANDLED_EXCEPTION,
        next_step=error.next_step or NextStep.REPORT_BUG,
        task_id=task_id,
        exit_code=error.exit_code,
        happened_at=world.app.clock.now().isoformat(),
    )
    world.storage.runs.write(RunPaths(run_id).error(name), stored.dumps())
