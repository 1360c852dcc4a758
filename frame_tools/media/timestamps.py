"""Frame timestamps as a split reads them: repaired where a file's own can't be used, and stored compactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

_MAX_RATE: Final = 1000
_MAX_DENOMINATOR: Final = 30_000
_RATE_TOLERANCE: Final = Fraction(1, 100)
# The priming of audio encoders and the delay of reordered frames are shorter; a longer delay is meant.
MAX_LEAD: Final = Fraction(1, 4)


@dataclass(frozen=True, slots=True)
class Timestamps:
    """Timestamps in ticks of `time_base`, strictly increasing from zero or later, and the nominal rate per second."""

    time_base: Fraction
    pts: tuple[int, ...]
    last_duration: int
    rate: Fraction

    def manifest_fields(self) -> dict[str, Any]:
        """Return the manifest's fields: first timestamp and step at a constant rate, else every timestamp."""
        steps = {later - earlier for earlier, later in pairwise(self.pts)} or {self.last_duration}
        is_constant = len(steps) == 1
        return {
            "time_base": self.time_base,
            "first_pts": self.pts[0],
            "pts_step": steps.pop() if is_constant else None,
            "pts": None if is_constant else self.pts,
            "last_duration": self.last_duration,
            "rate": self.rate,
        }


class TimestampCollector:
    """Collects the timestamps of decoded frames, in presentation order.

    `nominal_rate` is the rate that the container declares, if any. A missing timestamp becomes the previous one plus
    the nominal step; one that does not increase becomes the previous one plus one tick. `repaired` counts both.
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
        """Add the next frame's timestamp and duration in ticks (0: unknown)."""
        previous = self._pts[-1] if self._pts else None
        if pts is None:
            self.repaired += 1
            pts = 0 if previous is None else previous + self._step
        elif previous is not None and pts <= previous:
            self.repaired += 1
            pts = previous + 1
        self._pts.append(pts)
        self._last_duration = duration

    def extend_last(self, end: int) -> None:
        """Let the newest frame last until `end` (ticks) if it ends earlier. Requires at least one frame."""
        self._last_duration = max(self._last_duration, end - self._pts[-1])

    @property
    def newest(self) -> int:
        """The newest frame's timestamp in ticks. Requires at least one frame."""
        return self._pts[-1]

    def last_seconds(self) -> float:
        """Return the time of the newest frame in seconds, 0 before the first one."""
        return float(self._pts[-1] * self._time_base) if self._pts else 0.0

    def end_seconds(self) -> Fraction:
        """Return when the newest frame ends, in seconds; 0 before the first one."""
        return (self._pts[-1] + (self._last_duration or self._step)) * self._time_base if self._pts else Fraction(0)

    def first_seconds(self) -> Fraction:
        """Return the time of the first frame in seconds. Requires at least one frame."""
        return self._pts[0] * self._time_base

    def timestamps(self, origin: Fraction = Fraction(0)) -> Timestamps:
        """Return all timestamps, counted from `origin` in seconds, a multiple of the time base.

        Requires at least one frame; the origin must not be later than it.
        """
        step = self._pts[-1] - self._pts[-2] if len(self._pts) > 1 else self._step
        last_duration = self._last_duration if self._last_duration > 0 else step
        shift = round(origin / self._time_base)
        pts = tuple(stamp - shift for stamp in self._pts)
        return Timestamps(self._time_base, pts, last_duration, self._rate(last_duration))

    def _rate(self, last_duration: int) -> Fraction:
        """Return the container's rate if it is close to the measured mean rate, else the mean."""
        mean = len(self._pts) / ((self._pts[-1] - self._pts[0] + last_duration) * self._time_base)
        nominal = self._nominal_rate
        if nominal and nominal <= _MAX_RATE and abs(nominal - mean) <= _RATE_TOLERANCE * mean:
            return nominal
        return min(mean.limit_denominator(_MAX_DENOMINATOR), Fraction(_MAX_RATE)) or Fraction(1, 1000)


def choose_origin(
    first_frame: Fraction, sound_starts: Sequence[Fraction], *, time_base: Fraction, has_gap: bool, may_wait: bool
) -> Fraction:
    """Return which time of the source, in seconds, becomes time 0 of the output.

    `has_gap`: the file says that the picture begins late (an empty edit); then its own zero stays. Otherwise the clock
    is arbitrary, and the output begins with the first frame, as in a player. `may_wait`: if the sound begins much
    earlier, the output begins with the sound and the picture follows, so that nothing is lost; broadcasts, which begin
    in the middle of a group of pictures, must not wait for it.
    """
    if has_gap:
        return min(first_frame, Fraction(0))
    earliest = min(sound_starts, default=first_frame)
    if may_wait and first_frame - earliest > MAX_LEAD:
        return earliest // time_base * time_base
    return first_frame
