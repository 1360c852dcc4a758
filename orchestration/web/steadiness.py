"""How steady a painted video is, for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

STEADY: Final = 2.0
FLICKERING: Final = 4.0
"""Ratios of the change from frame to frame, painting to clip, from which the page's sentence changes."""


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """The change from frame to frame in gray levels of 255, in clip and painting, and what it means."""

    clip: float
    painted: float

    @property
    def verdict(self) -> str:
        """Return the sentence that sums it up."""
        ratio = self.painted / self.clip if self.clip else 1.0
        if ratio < STEADY:
            return "Steady. From frame to frame, the painting changes little more than the clip does."
        label = "Some flicker" if ratio < FLICKERING else "Flickering"
        return f"{label}. From frame to frame, the painting changes {ratio:.1f} times as much as the clip does."

    def width(self, value: float) -> float:
        """Return the length of a bar on a scale of 480 units."""
        return round(480 * min(1.0, value / max(6.0, self.clip, self.painted)), 1)


def steadiness_of(report: Mapping[str, Any]) -> Steadiness | None:
    """Return the measured steadiness of a run, None if no pair of frames was measured."""
    measured = report.get("steadiness")
    if not measured:
        return None
    return Steadiness(clip=measured["difference_input"], painted=measured["difference"])
