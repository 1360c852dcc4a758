"""A model of a Batch pool: tasks arrive, nodes boot, work, are taken away; the formula decides how many there are.

What it knows of the service: samples every 30 s that are seen late or lost; an evaluation every 5 minutes; booting
takes minutes; a Spot node that was taken away stays counted until it comes back; a node that is to go leaves by the
formula's deallocation option. Time goes in steps of 10 s.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from infra.tools.autoscale.formula import evaluate
from infra.tools.autoscale.values import SAMPLE_EVERY_S, Series, TooFewSamplesError, Value, number

STEP_S: Final = 10
EVALUATE_EVERY_S: Final = 300
Kind = Literal["spot", "dedicated"]
TARGETS: Final[Mapping[Kind, str]] = {"spot": "$TargetLowPriorityNodes", "dedicated": "$TargetDedicatedNodes"}
Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What happens to the pool. All times are seconds from its beginning, multiples of 10."""

    arrivals: Mapping[int, int]
    """Second -> tasks that arrive."""
    minutes: int
    """Length of the play."""
    task_s: int = 240
    boot_s: int = 360
    slots: int = 1
    """Tasks at once on a node."""
    lag_s: int = 60
    """Until a sample is seen."""
    taken: Sequence[int] = ()
    """Seconds in which one Spot node is taken away."""
    no_spot: Sequence[Span] = ()
    """Spans in which no Spot node is to be had."""
    no_samples: Sequence[Span] = ()
    """Spans in which samples are lost."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The pool at one time, every 30 seconds."""

    second: int
    waiting: int
    running: int
    targets: Mapping[Kind, int]
    nodes: Mapping[Kind, int]
    """Nodes that are there, booting ones too: those that cost."""


@dataclass(frozen=True, kw_only=True)
class Play:
    """What became of a load."""

    moments: Sequence[Moment]
    finished: Sequence[int]
    """Seconds in which tasks were done."""
    interrupted: int
    """Running tasks that a shrinking pool threw out; tasks of nodes that were taken away do not count."""
    node_minutes: Mapping[Kind, int]


@dataclass
class _Node:
    kind: Kind
    up_s: int
    ends: list[int] = field(default_factory=list)
    """When each of its running tasks is done."""
    is_taken: bool = False
    is_leaving: bool = False


def play(formula: str, load: Load) -> Play:
    """Play a load through; raises FormulaError if the formula is wrong."""
    pool = _Pool(formula, load)
    moments = [moment for second in range(0, load.minutes * 60, STEP_S) for moment in pool.step(second)]
    return Play(
        moments=moments,
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
        self._targets: dict[Kind, int] = {"spot": 0, "dedicated": 0}
        self._option = "requeue"
        self._samples: dict[str, list[tuple[int, float]]] = {name: [] for name in self._current()}
        self.finished: list[int] = []
        self.interrupted = 0
        self.node_s: dict[Kind, int] = {"spot": 0, "dedicated": 0}

    def step(self, now: int) -> Iterator[Moment]:
        """Go on by ten seconds; gives a moment every thirty."""
        self._waiting += self._load.arrivals.get(now, 0)
        if now in self._load.taken:
            self._take_one_away()
        for node in self._nodes:
            self._work(node, now)
        for kind in TARGETS:
            self._resize(kind, now)
            self.node_s[kind] += STEP_S * self._count(kind)
        if now % SAMPLE_EVERY_S == 0:
            self._sample(now)
            yield self._moment(now)
        if now % EVALUATE_EVERY_S == 0:
            self._evaluate(now)

    def _take_one_away(self) -> None:
        node = next((n for n in self._nodes if n.kind == "spot" and not n.is_taken), None)
        if node is not None:
            self._waiting += len(node.ends)
            node.ends, node.is_taken = [], True

    def _work(self, node: _Node, now: int) -> None:
        done = sum(end <= now for end in node.ends)
        self.finished += [now] * done
        node.ends = [end for end in node.ends if end > now]
        if node.is_taken and self._is_spot_there(now):
            node.is_taken, node.up_s = False, now + self._load.boot_s
        can_work = not node.is_taken and not node.is_leaving and now >= node.up_s
        while can_work and self._waiting and len(node.ends) < self._load.slots:
            node.ends.append(now + self._load.task_s)
            self._waiting -= 1

    def _resize(self, kind: Kind, now: int) -> None:
        mine = [node for node in self._nodes if node.kind == kind]
        surplus = max(0, len(mine) - self._targets[kind])
        idle_first = sorted(mine, key=lambda node: (not node.is_taken, len(node.ends), -node.up_s))
        for place, node in enumerate(idle_first):
            node.is_leaving = place < surplus
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

    def _count(self, kind: Kind) -> int:
        return sum(node.kind == kind and not node.is_taken for node in self._nodes)

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
            "$PreemptedNodeCount": sum(node.is_taken for node in self._nodes),
        }

    def _moment(self, now: int) -> Moment:
        return Moment(
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
