"""Values of an autoscale formula: numbers, intervals, vectors of samples, and sampled variables.

Samples are taken every 30 seconds and become visible about a minute later; some are lost.
https://learn.microsoft.com/azure/batch/batch-automatic-scaling#methods-for-obtaining-sample-data
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SAMPLE_EVERY_S: Final = 30


class FormulaError(Exception):
    """The formula is invalid, or uses a part of the language that is not implemented."""


class TooFewSamplesError(FormulaError):
    """GetSample required more samples than are available; the service skips this evaluation."""


class Interval(float):
    """A time interval in seconds."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """The samples of one variable as an evaluation at `now_s` sees them."""

    samples: Sequence[tuple[int, float]]
    """(second at which it was taken, value), in order."""
    now_s: int
    lag_s: int
    """Seconds until a sample becomes visible."""

    def visible(self) -> Sequence[tuple[int, float]]:
        """Return the samples that are visible."""
        return self.samples[: self._arrived()]

    def window(self, interval: Interval) -> list[float]:
        """Return the visible samples of the last `interval`."""
        first = bisect_left(self.samples, self.now_s - interval, key=_second)
        return [value for _, value in self.samples[first : self._arrived()]]

    def _arrived(self) -> int:
        return bisect_right(self.samples, float(self.now_s - self.lag_s), key=_second)

    def percent(self, interval: Interval) -> float:
        """Return the visible share of the samples that an interval should contain, in percent, at most 100."""
        return min(100.0, 100 * len(self.window(interval)) * SAMPLE_EVERY_S / max(SAMPLE_EVERY_S, interval))

    def call(self, method: str, arguments: Sequence["Value"]) -> "Value":
        """Return GetSample(count), GetSample(interval[, percent]) or GetSamplePercent(interval)."""
        first = arguments[0] if arguments else None
        if method == "GetSamplePercent" and isinstance(first, Interval) and len(arguments) == 1:
            return self.percent(first)
        if method == "GetSample" and isinstance(first, Interval) and len(arguments) <= 2:
            if len(arguments) == 2 and self.percent(first) < number(arguments[1]):
                raise TooFewSamplesError(f"less than {arguments[1]} percent of the samples are available")
            return tuple(self.window(first))
        if method == "GetSample" and isinstance(first, float) and len(arguments) == 1:
            arrived = self.visible()
            return tuple(value for _, value in arrived[max(0, len(arrived) - int(first)) :])
        raise FormulaError(f"{method} with these arguments is not implemented")

    def scalar(self) -> float:
        """Return the newest value, visible or not, where a plain number is required."""
        return self.samples[-1][1] if self.samples else 0.0


def _second(sample: tuple[int, float]) -> float:
    return float(sample[0])


Value = float | tuple[float, ...] | Series | str
"""A number (or Interval), a vector, a sampled variable, or an option such as `taskcompletion`."""


def number(value: Value) -> float:
    """Return the value as one number; raises FormulaError for a longer vector or an option."""
    if isinstance(value, Series):
        return value.scalar()
    if isinstance(value, tuple) and len(value) == 1:
        return value[0]
    if isinstance(value, tuple | str):
        raise FormulaError(f"{value!r} is not a single number")
    return value


def numbers(values: Sequence[Value]) -> list[float]:
    """Return all numbers in the values, with vectors flattened."""
    return [x for value in values for x in (value if isinstance(value, tuple) else (number(value),))]
