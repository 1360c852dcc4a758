"""The campaign: rounds of runs under random faults, each with a seed of its own, and the invariants after each."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests
from azure.core.exceptions import AzureError, HttpResponseError

from frame_tools.contracts import paths
from tests.chaos import invariants
from tests.chaos.faults import FAULTS, QUEUES, NotApplicable, Round
from tests.chaos.system import ChaosSystem, Run

END_SECONDS = 150.0
"""Time in which every run must end after the last fault; far more than they take, so that only a hang reaches it."""
CLOSE_SECONDS = 60.0
"""Time in which everything that a round used must be released after its runs have ended."""
MAX_REMEDIES = 4
"""How many remedies in a row a failed run may need until it finishes."""
_PAUSE = 0.5


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The size of a campaign: it ends with the round in which it reaches one of the limits."""

    faults: int
    seconds: float
    rounds: int | None = None
    runs_per_round: int = 4
    faults_per_round: int = 50
    kinds: tuple[str, ...] = tuple(FAULTS)
    """Names of the faults to choose from."""


@dataclass(frozen=True)
class Violation:
    """A broken invariant, with what is needed to look for its cause."""

    seed: int
    problem: str
    faults: tuple[str, ...]


@dataclass
class Result:
    """What a campaign did and found."""

    rounds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    remedied: int = 0
    slowest_end_seconds: float = 0.0
    spoils: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)


def run_campaign(
    system: ChaosSystem, seed: int, limits: Limits, progress: Callable[[str], None] = lambda text: None
) -> Result:
    """Run rounds with the seeds `seed`, `seed` + 1, … until a limit is reached or the user interrupts."""
    result, begin = Result(), time.monotonic()
    result.spoils = system.spoils.counts
    with suppress(KeyboardInterrupt):
        _run_rounds(system, seed, limits, result, progress, begin + limits.seconds)
    return result


def _run_rounds(
    system: ChaosSystem, seed: int, limits: Limits, result: Result, progress: Callable[[str], None], deadline: float
) -> None:
    while result.faults.total() < limits.faults and time.monotonic() < deadline:
        if limits.rounds is not None and result.rounds >= limits.rounds:
            break
        count = min(limits.faults_per_round, limits.faults - result.faults.total())
        _RoundRunner(system, seed + result.rounds, result, progress).run_round(limits, count)
        result.rounds += 1


class _RoundRunner:
    """Runs one round of the campaign."""

    def __init__(self, system: ChaosSystem, seed: int, result: Result, progress: Callable[[str], None]) -> None:
        self._system = system
        self._seed = seed
        self._result = result
        self._progress = progress
        self._log: list[str] = []

    def run_round(self, limits: Limits, faults: int) -> None:
        """Start the runs, inject the faults, wait for the ends, and check the invariants."""
        rng = random.Random(self._seed)
        round_ = Round(self._system, rng, [self._started(number) for number in range(limits.runs_per_round)])
        injected = 0
        for _ in range(faults * 20):
            if injected == faults:
                break
            time.sleep(rng.uniform(0, 0.4))
            injected += self._inject(round_, limits.kinds)
        self._calm(round_)
        begin = time.monotonic()
        statuses = self._wait_for_ends(round_)
        self._result.slowest_end_seconds = max(self._result.slowest_end_seconds, time.monotonic() - begin)
        for run, status in statuses:
            self._check_end(run, status)
        for run, status in statuses:
            self._follow_remedies(round_, run, status)
        self._check_closed(round_)
        for problem in sorted(set(round_.server_errors)):
            self._violation(f"HTTP {problem}")
        if any(violation.seed == self._seed for violation in self._result.violations):
            self._remove_traces(round_)
            self._progress("\n".join(f"    {line}" for line in self._log))
        ends = Counter(status["status"] for _, status in statuses)
        self._progress(f"seed {self._seed}: {injected} faults, {dict(ends)}, {len(self._result.violations)} violations")

    def _started(self, number: int) -> Run:
        name = f"c{self._seed}-{number}"
        self._system.upload(name)
        return self._system.start(name)

    def _inject(self, round_: Round, kinds: tuple[str, ...]) -> bool:
        weights = [FAULTS[kind][0] for kind in kinds]
        name = round_.rng.choices(kinds, weights)[0]
        try:
            effect = FAULTS[name][1](round_)
        except (NotApplicable, AzureError, requests.RequestException) as error:
            self._log.append(f"{name}: not injected ({type(error).__name__})")
            return False
        self._log.append(f"{name}: {effect}")
        self._result.faults[name] += 1
        return True

    def _calm(self, round_: Round) -> None:
        """End all faults that last; deliver what comes late."""
        self._system.spoils.is_on = False
        self._system.outage.until = 0.0
        requests.delete(f"http://127.0.0.1:{self._system.running.cloud.ports.batch}/local/faults", timeout=30)
        for action in round_.later:
            action()
        # As if an hour had passed: the sweep's scan for orphaned runs and lost trigger files begins again.
        self._system.direct.runs.delete(paths.sweep_progress())

    def _wait_for_ends(self, round_: Round) -> list[tuple[Run, dict[str, Any]]]:
        deadline = time.monotonic() + END_SECONDS
        while True:
            statuses = [(run, invariants.status_of(self._system, run)) for run in round_.runs]
            if all(invariants.has_ended(run, status) for run, status in statuses) or time.monotonic() > deadline:
                return statuses
            time.sleep(_PAUSE)

    def _check_end(self, run: Run, status: dict[str, Any]) -> None:
        self._result.ends[status["status"]] += 1
        if problem := invariants.problem_with_end(self._system, run, status):
            self._violation(f"{run.run_id} {problem}: {_summary(status)}")

    def _follow_remedies(self, round_: Round, run: Run, status: dict[str, Any]) -> None:
        """Do what the status says until the run, or the one that replaces it, has finished."""
        if status["status"] not in ("failed", "refused", "cancelled", "unknown"):
            return
        for _ in range(MAX_REMEDIES):
            if status["status"] not in ("failed", "refused", "cancelled", "unknown"):
                break
            self._system.mend(run)
            run = self._continued(round_, run, status)
            status = self._wait_for_end(run)
            if status["status"] == "finished":
                self._result.remedied += 1
        if status["status"] != "finished" or invariants.problem_with_end(self._system, run, status):
            self._violation(f"{run.run_id} does not finish by its remedies: {_summary(status)}")

    def _continued(self, round_: Round, run: Run, status: dict[str, Any]) -> Run:
        """Resubmit a run, or start a new one if the status says so."""
        starts_anew = status["status"] in ("refused", "unknown") or status.get("next_step") in (
            "start_new_run",
            "report_bug",
        )
        if starts_anew:
            second = self._system.start(run.name)
            round_.runs.append(second)
            return second
        url = f"{self._system.running.cloud.api}/runs/{run.run_id}/resubmit"
        response = requests.post(url, data=b"missing", timeout=60)
        if response.status_code != 202:
            self._violation(f"{run.run_id} cannot be resubmitted ({response.status_code}): {response.text[:300]}")
        return run

    def _wait_for_end(self, run: Run) -> dict[str, Any]:
        deadline = time.monotonic() + END_SECONDS
        while True:
            status = invariants.status_of(self._system, run)
            if status["status"] in invariants.ENDED or time.monotonic() > deadline:
                return status
            time.sleep(_PAUSE)

    def _check_closed(self, round_: Round) -> None:
        deadline = time.monotonic() + CLOSE_SECONDS
        while (things := invariants.open_things(round_)) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        if things:
            self._violation(f"left open: {', '.join(things[:10])}")

    def _remove_traces(self, round_: Round) -> None:
        """Remove the round's documents and messages, so that the next rounds find an empty system."""
        runs = self._system.direct.runs
        for prefix in ("open/", "slots/", *(f"{run.run_id}/" for run in round_.runs)):
            for blob in runs.list(prefix):
                with suppress(HttpResponseError):  # leased by a handler that is still at work
                    runs.delete(blob.name)
        for name in QUEUES:
            self._system.queue(name).clear_messages()

    def _violation(self, problem: str) -> None:
        self._result.violations.append(Violation(self._seed, problem, tuple(self._log)))
        self._progress(f"VIOLATION seed {self._seed}: {problem}")


def _summary(status: dict[str, Any]) -> str:
    names = ("status", "code", "next_step", "reason", "remedy", "batches", "trouble")
    return ", ".join(f"{name}={status[name]}" for name in names if status.get(name))


def describe(result: Result, seed: int) -> str:
    """Return the table of a campaign."""
    lines = [f"{name:24} {count:6}" for name, count in sorted(result.faults.items())]
    lines += [f"{'faults':24} {result.faults.total():6}", ""]
    lines += [f"{f'run {end}':24} {count:6}" for end, count in sorted(result.ends.items())]
    lines += [f"{'finished by remedy':24} {result.remedied:6}", f"{'rounds':24} {result.rounds:6}"]
    lines += [f"{f'answer {kind}':24} {count:6}" for kind, count in sorted(result.spoils.items())]
    lines += [
        f"{'slowest end':24} {result.slowest_end_seconds:6.0f} s",
        f"{'violations':24} {len(result.violations):6}",
    ]
    for violation in result.violations:
        lines += [f"  seed {violation.seed}: {violation.problem}"]
    lines += [
        f"Seeds {seed} to {seed + max(0, result.rounds - 1)}. One round: python -m tests.chaos --seed SEED --rounds 1"
    ]
    return "\n".join(lines)
