"""Frame times as splitting finds them, put right where a file's own times can't be used, and written compactly."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

_MAX_RATE: Final = 1000
_ALIKE: Final = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class Timestamps:
    """Time stamps in ticks of `time_base`, strictly rising from zero or later, and the nominal rate per second.

    `moved` is by how many seconds all stamps were moved to get there: what lies before zero is not shown in an MP4.
    The sound has to be moved with them.
    """

    time_base: Fraction
    pts: tuple[int, ...]
    last_duration: int
    rate: Fraction
    moved: Fraction

    def as_fields(self) -> dict[str, Any]:
        """Return the manifest's fields: first and step where the rate is constant, else every stamp."""
        steps = {later - earlier for earlier, later in pairwise(self.pts)} or {self.last_duration}
        constant = len(steps) == 1
        return {
            "time_base": self.time_base,
            "first_pts": self.pts[0],
            "pts_step": steps.pop() if constant else None,
            "pts": None if constant else self.pts,
            "last_duration": self.last_duration,
            "rate": self.rate,
        }


class TimestampCollector:
    """Collects the time stamps of decoded frames, in presentation order.

    `nominal_rate` is what the container says of the rate, if anything. A missing stamp becomes the previous one plus
    the nominal step; a stamp that does not rise becomes the previous one plus one tick. `repaired` counts both.
    """

    def __init__(self, time_base: Fraction, nominal_rate: Fraction | None) -> None:
        self._time_base = time_base
        self._nominal_rate = nominal_rate
        self._step = max(1, round(1 / (nominal_rate * time_base))) if nominal_rate else 1
        self._pts: list[int] = []
        self._last_duration = 0
        self.repaired = 0

    def __len__(self) -> int:
        return len(self._pts)

    def add(self, pts: int | None, duration: int) -> None:
        """Take the next frame's stamp and duration in ticks (0: not known)."""
        previous = self._pts[-1] if self._pts else None
        if pts is None:
            self.repaired += 1
            pts = 0 if previous is None else previous + self._step
        elif previous is not None and pts <= previous:
            self.repaired += 1
            pts = previous + 1
        self._pts.append(pts)
        self._last_duration = duration

    def seconds(self) -> float:
        """Return the time of the newest frame, 0 before there is one."""
        return float(self._pts[-1] * self._time_base) if self._pts else 0.0

    def end(self) -> Fraction:
        """Return when the newest frame ends, in seconds; 0 before there is one."""
        return (self._pts[-1] + (self._last_duration or self._step)) * self._time_base if self._pts else Fraction(0)

    def times(self) -> Timestamps:
        """Return all times. There must be at least one frame."""
        step = self._pts[-1] - self._pts[-2] if len(self._pts) > 1 else self._step
        last = self._last_duration if self._last_duration > 0 else step
        moved = max(0, -self._pts[0])
        pts = tuple(stamp + moved for stamp in self._pts)
        return Timestamps(self._time_base, pts, last, self._rate(last), moved * self._time_base)

    def _rate(self, last_duration: int) -> Fraction:
        """Return the container's rate if it is near the measured mean, else the mean."""
        mean = len(self._pts) / ((self._pts[-1] - self._pts[0] + last_duration) * self._time_base)
        nominal = self._nominal_rate
        if nominal and nominal <= _MAX_RATE and abs(nominal - mean) <= _ALIKE * mean:
            return nominal
        return min(mean.limit_denominator(30_000), Fraction(_MAX_RATE)) or Fraction(1, 1000)
