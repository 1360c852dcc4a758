"""Simulate a Batch pool: tasks arrive, nodes boot, work and are evicted; the formula sets their number.

Modeled: samples every 30 s that arrive late or are lost; an evaluation every 5 minutes; boot times of minutes; an
evicted Spot node that counts until it returns; node removal according to the formula's deallocation option. Time
advances in steps of 10 s.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from local_cloud.batch_service.autoscale.formula import evaluate
from local_cloud.batch_service.autoscale.values import SAMPLE_EVERY_S, Series, TooFewSamplesError, Value, number

STEP_S: Final = 10
EVALUATE_EVERY_S: Final = 300
NodeKind = Literal["spot", "dedicated"]
TARGETS: Final[Mapping[NodeKind, str]] = {"spot": "$TargetLowPriorityNodes", "dedicated": "$TargetDedicatedNodes"}
Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Load:
    """The events of a simulation. All times are seconds from its start, in multiples of 10."""

    arrivals: Mapping[int, int]
    """Second -> number of tasks that arrive."""
    minutes: int
    """Length of the simulation."""
    task_s: int = 240
    boot_s: int = 360
    slots: int = 1
    """Concurrent tasks per node."""
    lag_s: int = 60
    """Delay until a sample is visible."""
    evictions: Sequence[int] = ()
    """Seconds at which one Spot node is evicted."""
    no_spot: Sequence[Span] = ()
    """Time spans without Spot capacity."""
    no_samples: Sequence[Span] = ()
    """Time spans in which samples are lost."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A snapshot of the pool, taken every 30 seconds."""

    second: int
    waiting: int
    running: int
    targets: Mapping[NodeKind, int]
    nodes: Mapping[NodeKind, int]
    """Existing nodes, including booting ones: those that are billed."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The result of a simulation."""

    snapshots: Sequence[Snapshot]
    finished: Sequence[int]
    """Seconds at which tasks finished."""
    interrupted: int
    """Running tasks that a shrinking pool evicted; tasks on evicted Spot nodes do not count."""
    node_minutes: Mapping[NodeKind, int]


@dataclass
class _Node:
    kind: NodeKind
    up_s: int
    ends: list[int] = field(default_factory=list)
    """The end of each of its running tasks, in seconds."""
    is_evicted: bool = False
    is_leaving: bool = False


def simulate(formula: str, load: Load) -> Simulation:
    """Simulate a load; raises FormulaError if the formula is invalid."""
    pool = _Pool(formula, load)
    snapshots = [snapshot for second in range(0, load.minutes * 60, STEP_S) for snapshot in pool.step(second)]
    return Simulation(
        snapshots=snapshots,
        finished=pool.finished,
        interrupted=pool.interrupted,
        node_minutes={kind: round(seconds / 60) for kind, seconds in pool.node_s.items()},
    )


class _Pool:
    def __init__(self, formula: str, load: Load) -> None:
        self._formula = formula
        self._load = load
        self._nodes: list[_Node] = []
        self._waiting = 0
        self._targets: dict[NodeKind, int] = {"spot": 0, "dedicated": 0}
        self._option = "requeue"
        self._samples: dict[str, list[tuple[int, float]]] = {name: [] for name in self._current()}
        self.finished: list[int] = []
        self.interrupted = 0
        self.node_s: dict[NodeKind, int] = {"spot": 0, "dedicated": 0}

    def step(self, now: int) -> Iterator[Snapshot]:
        """Advance by ten seconds; yield a snapshot every thirty."""
        self._waiting += self._load.arrivals.get(now, 0)
        if now in self._load.evictions:
            self._evict_one()
        for node in self._nodes:
            self._work(node, now)
        for kind in TARGETS:
            self._resize(kind, now)
            self.node_s[kind] += STEP_S * self._count(kind)
        if now % SAMPLE_EVERY_S == 0:
            self._sample(now)
            yield self._snapshot(now)
        if now % EVALUATE_EVERY_S == 0:
            self._evaluate(now)

    def _evict_one(self) -> None:
        node = next((n for n in self._nodes if n.kind == "spot" and not n.is_evicted), None)
        if node is not None:
            self._waiting += len(node.ends)
            node.ends, node.is_evicted = [], True

    def _work(self, node: _Node, now: int) -> None:
        done = sum(end <= now for end in node.ends)
        self.finished += [now] * done
        node.ends = [end for end in node.ends if end > now]
        if node.is_evicted and self._is_spot_there(now):
            node.is_evicted, node.up_s = False, now + self._load.boot_s
        can_work = not node.is_evicted and not node.is_leaving and now >= node.up_s
        while can_work and self._waiting and len(node.ends) < self._load.slots:
            node.ends.append(now + self._load.task_s)
            self._waiting -= 1

    def _resize(self, kind: NodeKind, now: int) -> None:
        mine = [node for node in self._nodes if node.kind == kind]
        surplus = max(0, len(mine) - self._targets[kind])
        idle_first = sorted(mine, key=lambda node: (not node.is_evicted, len(node.ends), -node.up_s))
        for index, node in enumerate(idle_first):
            node.is_leaving = index < surplus
            if node.is_leaving and node.ends and self._option != "taskcompletion":
                self.interrupted += len(node.ends)
                self._waiting += len(node.ends)
                node.ends = []
        self._nodes = [node for node in self._nodes if node.ends or not node.is_leaving]
        if kind == "dedicated" or self._is_spot_there(now):
            missing = self._targets[kind] - sum(node.kind == kind for node in self._nodes)
            self._nodes += [_Node(kind, up_s=now + self._load.boot_s) for _ in range(missing)]

    def _is_spot_there(self, now: int) -> bool:
        return not any(start <= now < end for start, end in self._load.no_spot)

    def _count(self, kind: NodeKind) -> int:
        return sum(node.kind == kind and not node.is_evicted for node in self._nodes)

    def _running(self) -> int:
        return sum(len(node.ends) for node in self._nodes)

    def _sample(self, now: int) -> None:
        if any(start <= now < end for start, end in self._load.no_samples):
            return
        for name, value in self._current().items():
            self._samples[name].append((now, float(value)))

    def _current(self) -> dict[str, int]:
        return {
            "$PendingTasks": self._waiting + self._running(),
            "$ActiveTasks": self._waiting,
            "$RunningTasks": self._running(),
            "$CurrentDedicatedNodes": sum(node.kind == "dedicated" for node in self._nodes),
            "$CurrentLowPriorityNodes": sum(node.kind == "spot" for node in self._nodes),
            "$PreemptedNodeCount": sum(node.is_evicted for node in self._nodes),
        }

    def _snapshot(self, now: int) -> Snapshot:
        return Snapshot(
            second=now,
            waiting=self._waiting,
            running=self._running(),
            targets=dict(self._targets),
            nodes={kind: self._count(kind) for kind in TARGETS},
        )

    def _evaluate(self, now: int) -> None:
        variables: dict[str, Value] = {
            name: Series(samples=samples, now_s=now, lag_s=self._load.lag_s) for name, samples in self._samples.items()
        }
        variables["$TaskSlotsPerNode"] = float(self._load.slots)
        variables |= {TARGETS[kind]: float(target) for kind, target in self._targets.items()}
        try:
            names = evaluate(self._formula, variables)
        except TooFewSamplesError:
            return
        self._targets = {kind: int(number(names[target])) for kind, target in TARGETS.items()}
        self._option = str(names.get("$NodeDeallocationOption", "requeue"))
