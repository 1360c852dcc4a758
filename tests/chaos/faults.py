"""The faults of the campaign. Each injects one thing that can go wrong and records what may follow from it.

A fault raises NotApplicable if there is nothing that it could damage now; it is then not counted.
"""

import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
from azure.core.exceptions import HttpResponseError

from frame_tools.contracts import paths
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from tests.chaos.system import ChaosSystem, Excuse, Run

QUEUES = (paths.FRAME_BATCHES, paths.FINISHED_BATCHES)
BATCHES = 3


class NotApplicable(Exception):  # noqa: N818 - no error
    """Nothing to damage at this moment."""


@dataclass
class Round:
    """One round of the campaign: its runs, its random numbers, and everything that faults leave for later."""

    system: ChaosSystem
    rng: random.Random
    runs: list[Run]
    later: list[Callable[[], None]] = field(default_factory=list)
    """Actions at the end of the round, for example a message that comes late."""
    server_errors: list[str] = field(default_factory=list)
    """Responses of the app that no client should get."""

    def run(self) -> Run:
        """Return a random run."""
        return self.rng.choice(self.runs)

    def planned_runs(self) -> list[Run]:
        """Return all runs of one input folder, chosen at random; each has a plan, so later changes are noticed."""
        name = self.run().name
        runs = [run for run in self.runs if run.name == name]
        if not all(self.system.direct.runs.exists(RunPaths(run.run_id).plan) for run in runs):
            raise NotApplicable
        return runs


Fault = Callable[[Round], str]
"""Injects a fault; returns what it did to what."""
FAULTS: dict[str, tuple[int, Fault]] = {}
"""Weight and function by name."""


def fault(weight: int) -> Callable[[Fault], Fault]:
    """Add a function to FAULTS."""

    def add(function: Fault) -> Fault:
        FAULTS[function.__name__] = (weight, function)
        return function

    return add


# Messages


def _step(round_: Round) -> BatchMessage:
    queue_step = round_.rng.choice([*range(BATCHES), "advance"])
    return BatchMessage(run_id=round_.run().run_id, batch=queue_step)


def _send(round_: Round, text: str, *, queue: str | None = None) -> str:
    name = queue or round_.rng.choice(QUEUES)
    round_.system.queue(name).send_message(text)
    return f"{name}: {text[:60]}"


@fault(14)
def message_doubled(round_: Round) -> str:
    return _send(round_, _step(round_).text())


@fault(8)
def message_late(round_: Round) -> str:
    """A copy of a message comes after everything else has happened."""
    text = _step(round_).text()

    def send() -> None:
        round_.system.queue(QUEUES[0]).send_message(text)

    round_.later.append(send)
    return text


@fault(8)
def message_dropped(round_: Round) -> str:
    name = round_.rng.choice(QUEUES)
    queue = round_.system.queue(name)
    message = queue.receive_message(visibility_timeout=30)
    if message is None:
        raise NotApplicable
    queue.delete_message(message)
    return f"{name}: {str(message.content)[:60]}"


@fault(8)
def message_delayed(round_: Round) -> str:
    name = round_.rng.choice(QUEUES)
    message = round_.system.queue(name).receive_message(visibility_timeout=6)
    if message is None:
        raise NotApplicable
    return f"{name}: {str(message.content)[:60]}"


@fault(8)
def message_of_nobody(round_: Round) -> str:
    text = round_.rng.choice(['{"v": 2, "run_id": "nobody-0123456789", "batch": 0}', "[" * 5000, "{}", "\u2603", '"x"'])
    return _send(round_, text)


@fault(6)
def message_forged(round_: Round) -> str:
    run_id = round_.run().run_id
    return _send(round_, BatchMessage(run_id=run_id, batch=round_.rng.choice([BATCHES + 4, "split", "join"])).text())


# Processes


def _service(round_: Round, name: str) -> str:
    service = round_.system.running.cloud.services[name]
    service.kill()
    time.sleep(round_.rng.uniform(0, 0.5))
    service.start()
    return name


@fault(1)
def host_killed(round_: Round) -> str:
    return _service(round_, "Function host")


@fault(1)
def batch_service_killed(round_: Round) -> str:
    return _service(round_, "Batch service")


def _stopped(round_: Round, name: str) -> str:
    service, seconds = round_.system.running.cloud.services[name], round_.rng.uniform(1, 4)
    service.signal(signal.SIGSTOP)
    time.sleep(seconds)
    service.signal(signal.SIGCONT)
    return f"{name} for {seconds:.1f} s"


@fault(1)
def host_stopped(round_: Round) -> str:
    return _stopped(round_, "Function host")


@fault(1)
def batch_service_stopped(round_: Round) -> str:
    return _stopped(round_, "Batch service")


@fault(1)
def storage_stopped(round_: Round) -> str:
    return _stopped(round_, "Azurite")


@fault(2)
def worker_crashed(round_: Round) -> str:
    round_.system.running.cloud.services["Function host"].signal(signal.SIGUSR1)
    return "SIGUSR1"


@fault(4)
def task_killed(round_: Round) -> str:
    return _signal_task(round_, signal.SIGKILL)


@fault(3)
def task_stopped(round_: Round) -> str:
    pid = _signal_task(round_, signal.SIGSTOP)
    threading.Timer(round_.rng.uniform(1, 3), _continue_process, [int(pid)]).start()
    return pid


def _signal_task(round_: Round, number: signal.Signals) -> str:
    tasks = round_.system.running.cloud.services["Batch service"].children()
    if not tasks:
        raise NotApplicable
    pid = round_.rng.choice(tasks)
    _signal(pid, number)
    return str(pid)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError as error:
        raise NotApplicable from error


def _continue_process(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


# Azure Batch


def _inject(round_: Round, **body: object) -> str:
    round_.system.running.inject_fault(**body)
    return " ".join(f"{name}={value}" for name, value in body.items() if name != "kind")


@fault(4)
def batch_error(round_: Round) -> str:
    status, times = round_.rng.choice([429, 500, 503]), round_.rng.randint(1, 3)
    return _inject(round_, kind="http_error", status=status, retry_after=1, times=times)


@fault(2)
def batch_away(round_: Round) -> str:
    """Batch answers 503 until the next outage or the end of the round."""
    return _inject(round_, kind="http_error", status=503, times=60)


@fault(2)
def quota_reached(round_: Round) -> str:
    code, times = "ActiveJobAndScheduleQuotaReached", round_.rng.randint(1, 12)
    return _inject(round_, kind="http_error", code=code, method="POST", path="/jobs", times=times)


@fault(2)
def batch_item_failed(round_: Round) -> str:
    code = round_.rng.choice(["ServerBusy", "InternalError"])
    return _inject(round_, kind="partial_failure", task_id=f"b{round_.rng.randrange(BATCHES):05d}", code=code)


@fault(2)
def node_preempted(round_: Round) -> str:
    return _node_fault(round_, "preempt_node")


@fault(2)
def node_lost(round_: Round) -> str:
    return _node_fault(round_, "lose_node")


def _node_fault(round_: Round, kind: str) -> str:
    try:
        return _inject(round_, kind=kind)
    except requests.RequestException as error:  # no node is left to lose
        raise NotApplicable from error


# Storage


@fault(6)
def storage_spoiled(round_: Round) -> str:
    """One in eight answers is 503, late or no answer at all, before or after the request was executed."""
    spoils, seconds = round_.system.spoils, round_.rng.uniform(1, 4)
    spoils.is_on = True
    time.sleep(seconds)
    spoils.is_on = False
    return f"{seconds:.1f} s"


@fault(2)
def storage_away(round_: Round) -> str:
    seconds = round_.rng.uniform(2, 8)
    round_.system.outage.until = time.monotonic() + seconds
    return f"{seconds:.1f} s"


# Stored documents and files

_EVIDENCE = {"batches": ("receipt",), "jobs": ("job",), "failures": ("failure",), "errors": ("error",)}
"""How reasons name the documents in a folder; they name others by the words of their file names, without plural."""


@fault(10)
def document_damaged(round_: Round) -> str:
    """Part of a document of a run is lost, or it holds other bytes, or it is gone."""
    run, runs = round_.run(), round_.system.direct.runs
    names = [blob.name for blob in runs.list(f"{run.run_id}/")]
    if not names:
        raise NotApplicable
    name = round_.rng.choice(names)
    kind = name.split("/")[1]
    how = _damage(round_, name)
    terms = [term.rstrip("s") for term in re.findall("[a-z]{4,}", kind.partition(".")[0])]
    run.excuses.append(Excuse(f"{how} {name}", (*_EVIDENCE.get(kind, terms), name)))
    run.may_be_unknown |= kind == "request.json"
    run.may_be_cancelled |= kind == "outcome.json"
    run.plan_is_damaged |= kind in ("plan.json", "manifest.json", "request.json")
    return f"{how} {name}"


def _damage(round_: Round, name: str) -> str:
    runs = round_.system.direct.runs
    blob = runs.read(name)
    if blob is None:
        raise NotApplicable
    how = round_.rng.choice(["cut", "emptied", "overwritten", "deleted"])
    with _leased_blobs_are_skipped():
        match how:
            case "cut":
                runs.write(name, blob.data[: len(blob.data) // 2])
            case "emptied":
                runs.write(name, b"")
            case "overwritten":
                runs.write(name, b"\xff\x00 no document")
            case "deleted":
                runs.delete(name)
    return how


@contextmanager
def _leased_blobs_are_skipped() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        raise NotApplicable from error


@fault(3)
def mark_removed(round_: Round) -> str:
    """The open mark of a run, or a slot, is gone or damaged."""
    run, runs = round_.run(), round_.system.direct.runs
    slots = [blob.name for blob in runs.list("slots/")]
    name = round_.rng.choice([RunPaths(run.run_id).open_mark, *slots])
    return f"{_damage(round_, name)} {name}"


@fault(4)
def result_damaged(round_: Round) -> str:
    """A segment or a painted frame is gone or damaged."""
    run, work = round_.run(), round_.system.direct.work
    names = [blob.name for blob in work.list(f"{run.run_id}/")]
    if not names:
        raise NotApplicable
    name = round_.rng.choice(names)
    if round_.rng.random() < 0.5:
        work.delete(name)
        return f"deleted {name}"
    work.write(name, b"no picture")
    return f"overwrote {name}"


# Input


@fault(4)
def frame_replaced(round_: Round) -> str:
    """A frame is replaced by another, cut, or deleted while the run is in progress."""
    runs = round_.planned_runs()
    file = round_.rng.choice([name for name in round_.system.input_files if name.startswith("frames/")])
    blob, how = _changed_input(round_, runs, file), round_.rng.choice(["replaced", "cut", "deleted"])
    content = round_.system.input_files[file]
    if how == "deleted":
        round_.system.direct.input.delete(blob)
    else:
        others = [name for name in round_.system.input_files if name.startswith("frames/") and name != file]
        other = round_.system.input_files[round_.rng.choice(others)]
        round_.system.direct.input.write(blob, other if how == "replaced" else content[: len(content) // 2])
    for run in runs:
        run.excuses.append(Excuse(f"{how} {blob}", (file.rpartition("/")[2], blob, "frames", "input")))
    return f"{how} {blob}"


def _changed_input(round_: Round, runs: list[Run], file: str) -> str:
    """Return the input blob of the runs after recording that it changes."""
    for run in runs:
        blob = round_.system.input_blob(run, file)
    return blob


@fault(2)
def sound_replaced(round_: Round) -> str:
    runs = round_.planned_runs()
    file = next(name for name in round_.system.input_files if name.startswith("audio"))
    blob, content = _changed_input(round_, runs, file), round_.system.input_files[file]
    round_.system.direct.input.write(blob, content[: len(content) // 2])
    for run in runs:
        run.excuses.append(Excuse(f"cut {blob}", (file, "audio", "sound", "input")))
    return f"cut {blob}"


@fault(3)
def uploaded_again(round_: Round) -> str:
    """The same files and trigger are uploaded again: the same input, but another run."""
    run = round_.run()
    if run.damaged_input:
        raise NotApplicable
    round_.system.upload(run.name)
    excuse = Excuse(f"uploaded {run.name} again", ("input", "frame", "uploaded", "changed", "audio", "sound"))
    for other in round_.runs:
        if other.name == run.name:
            other.excuses.append(excuse)
            _trigger_is_gone(round_, other)
    second = round_.system.start(run.name)
    round_.runs.append(second)
    return second.run_id


@fault(2)
def trigger_removed(round_: Round) -> str:
    run = round_.run()
    _trigger_is_gone(round_, run)
    round_.system.direct.triggers.delete(f"{run.name}.json")
    return run.name


def _trigger_is_gone(round_: Round, run: Run) -> None:
    """Record that the app may never see the run's version of its trigger file, unless it has."""
    run.may_be_unknown |= not round_.system.direct.runs.exists(RunPaths(run.run_id).request)


# People


@fault(5)
def storm(round_: Round) -> str:
    """Twenty calls of the API at once: cancel, resubmit and look."""
    run = round_.run()
    calls = [round_.rng.choice(["cancel", "resubmit", "resubmit", "get", "list"]) for _ in range(20)]
    run.may_be_cancelled |= "cancel" in calls
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda call: _api_status(round_, run, call), calls))
    return f"{run.run_id}: {sorted(set(statuses))}"


def _api_status(round_: Round, run: Run, call: str) -> int:
    base = round_.system.running.cloud.api
    method, path = {
        "cancel": ("POST", f"runs/{run.run_id}/cancel"),
        "resubmit": ("POST", f"runs/{run.run_id}/resubmit"),
        "get": ("GET", f"runs/{run.run_id}"),
        "list": ("GET", "runs"),
    }[call]
    try:
        response = requests.request(method, f"{base}/{path}", data=b"", timeout=60)
    except requests.RequestException:
        return 0
    if response.status_code >= 500 and response.status_code != 503:
        round_.server_errors.append(f"{call}: {response.status_code}")
    return response.status_code


@fault(3)
def swept_now(round_: Round) -> str:
    base = round_.system.running.cloud.api.removesuffix("/api")
    for _ in range(3):
        try:
            requests.post(f"{base}/admin/functions/sweep", json={}, timeout=20)
        except requests.RequestException as error:
            raise NotApplicable from error
    return "three times"
