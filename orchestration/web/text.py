"""How the page writes numbers, times, money and the state of a run."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from orchestration.documents import parse_time
from orchestration.reporting.progress import WAITING_FOR_NODE, WAITING_FOR_SLOT


@dataclass(frozen=True)
class State:
    """A state of a run as people see it: a key for style and icon, a label, and the filter that selects it."""

    key: str
    label: str
    group: str

    @property
    def is_open(self) -> bool:
        """Whether the run goes on by itself."""
        return self.group in ("painting", "waiting")


CHECKING: Final = State("checking", "Checking", "painting")
WAITING: Final = State("waiting", "Waiting", "waiting")
PAINTING: Final = State("painting", "Painting", "painting")
UNKNOWN: Final = State("failed", "Unknown", "failed")
STATES: Final = {
    "waiting": WAITING,
    "splitting": CHECKING,
    "planning": CHECKING,
    "scoring": PAINTING,
    "joining": State("joining", "Assembling", "painting"),
    "finished": State("finished", "Finished", "finished"),
    "failed": State("failed", "Failed", "failed"),
    "refused": State("refused", "Rejected", "failed"),
    "cancelled": State("cancelled", "Cancelled", "cancelled"),
}
GROUPS: Final = {
    "all": "All",
    "painting": "Painting",
    "waiting": "Waiting",
    "finished": "Finished",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
"""Filters of the list, and their labels."""


def state_of(status: str, *, has_started: bool = True) -> State:
    """Return the state that a status stands for; a run whose tasks have no node yet waits."""
    if status == "scoring" and not has_started:
        return WAITING
    return STATES.get(status, UNKNOWN)


def reason_text(reason: str) -> str:
    """Return why nothing moves, as the page says it; the API's reasons name nodes and slots."""
    return {
        WAITING_FOR_NODE: "for a GPU, usually 5–10 min",
        WAITING_FOR_SLOT: "Queued behind other runs",
    }.get(reason, reason)


def tuning_text(tuning: Mapping[str, Any]) -> str:
    """Return how far the tuning of a run's paintings is."""
    return f"tuning to the painting, {tuning['steps_done']:,} of {tuning['steps']:,} steps"


def queue_text(ahead: int) -> str:
    """Return how many runs a waiting run waits for."""
    return f"Queued, {ahead} run{'' if ahead == 1 else 's'} ahead" if ahead else "Queued, next in line"


def count_text(count: int | None) -> str:
    """Return a count with thousands separators."""
    return "–" if count is None else f"{count:,}"


def duration_text(seconds: float | None) -> str:
    """Return seconds as m:ss or h:mm:ss."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def length_text(seconds: float, frames: int) -> str:
    """Return a clip's length and frame rate; `seconds` is from its first frame to its last."""
    if frames < 2 or seconds <= 0:
        return f"{seconds:.1f} s"
    return f"{seconds:.1f} s at {frames_per_second(frames, seconds):.4g} fps"


def frames_per_second(frames: int, seconds: float) -> float:
    """Return the mean frame rate of a clip that lasts `seconds` from its first frame to its last; 25 if unknown."""
    return (frames - 1) / seconds if frames > 1 and seconds > 0 else 25.0


def usd_text(usd: float | None) -> str:
    """Return dollars with two decimals; amounts below a cent that are not zero as less than a cent."""
    if usd is None:
        return "–"
    return "< $0.01" if 0 < usd < 0.005 else f"${usd:,.2f}"


def size_text(count: float) -> str:
    """Return a number of bytes in decimal units."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"


def frames_text(count: int) -> str:
    """Return a number of frames with its noun."""
    return f"{count:,} frame{'' if count == 1 else 's'}"


def title_of(style: str) -> str:
    """Return what people call a style file: its name without folder, suffix and underscores."""
    return PurePosixPath(style).stem.replace("_", " ").strip() or style


def day_text(time: dt.datetime | None, now: dt.datetime) -> str:
    """Return the day of a time in UTC: Today, Yesterday, or a date."""
    if time is None:
        return "Unknown day"
    days = (now.date() - time.date()).days
    if days in (0, 1):
        return ("Today", "Yesterday")[days]
    return f"{time.day} {time:%B}" if time.year == now.year else f"{time.day} {time:%B %Y}"


def date_text(date: dt.date) -> str:
    """Return a day without its year."""
    return f"{date.day} {date:%B}"


def when_text(text: str | None, now: dt.datetime) -> str:
    """Return a stored time as day and time of day in UTC."""
    time = parse_time(text)
    if time is None:
        return "–"
    return f"{day_text(time, now).lower() if time.date() == now.date() else day_text(time, now)}, {time:%H:%M} UTC"


def elapsed(start: str | None, end: str | None) -> float | None:
    """Return the seconds between two stored times; None if one of them is unknown."""
    first, last = parse_time(start), parse_time(end)
    return (last - first).total_seconds() if first is not None and last is not None else None
