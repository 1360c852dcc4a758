"""Which frames of a run the scrubber marks: those that are missing, and those that came out bad."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from orchestration.state import RunState

MAX_MARKS: Final = 300
"""Marks that are drawn; more than that cannot be told apart."""
NAMED: Final = 3
"""Stretches of frames that the sentence names."""
LEAST_SHARE: Final = 300
"""A mark is at least one part in so many of the scrubber wide, so that it can be seen."""


@dataclass(frozen=True)
class Mark:
    """A stretch on a scale of frames, whose first frame is at 0."""

    start: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is marked, and a sentence about it; empty if there is nothing to mark."""

    marks: tuple[Mark, ...]
    text: str


def read_marks(run: RunState | None, report: Mapping[str, Any]) -> Marks:
    """Return the marks of a run: of an open one the batches that have failed, of one that has ended all missing ones.

    A run that has finished has all its frames; of it, those are marked that came out bad and were replaced.
    """
    spans = tuple(_joined(_missing_spans(run)))
    bad = tuple(sorted(frame["index"] for frame in (report.get("bad_frames") or {}).get("first") or ()))
    total = run.plan.frame_count if run is not None and run.plan is not None else 0
    least = total / LEAST_SHARE
    stretches = [*spans, *((index, index + 1) for index in bad)]
    marks = tuple(_mark(start, end, total=total, least=least) for start, end in stretches[:MAX_MARKS])
    texts = [_missing_text(spans)] if spans else []
    if bad:
        texts.append(
            f"{_frames_text([(index, index + 1) for index in bad])} came out bad and {_were(len(bad))} replaced"
        )
    return Marks(marks=marks, text="; ".join(texts))


def _mark(start: int, end: int, *, total: int, least: float) -> Mark:
    width = max(least, end - start)
    return Mark(round(min(start, max(0.0, total - width)), 2), round(width, 2))


def _missing_spans(run: RunState | None) -> Iterator[tuple[int, int]]:
    if run is None or run.plan is None:
        return
    missing = run.failed_batches if run.outcome is None else run.missing
    yield from (run.plan.span(batch) for batch in missing)


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans in order, adjacent ones as one."""
    begin = end = -1
    for start, stop in spans:
        if start != end and end >= 0:
            yield begin, end
            begin = start
        begin, end = (start if end < 0 else begin), stop
    if end >= 0:
        yield begin, end


def _missing_text(spans: Sequence[tuple[int, int]]) -> str:
    return f"{_frames_text(spans)} {'is' if spans == ((spans[0][0], spans[0][0] + 1),) else 'are'} missing"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _frames_text(spans: Sequence[tuple[int, int]]) -> str:
    """Return which frames these are, counted from 1: "frames 577–624, 700–720 and 3 more stretches"."""
    named = ", ".join(
        f"{start + 1:,}" if end == start + 1 else f"{start + 1:,}–{end:,}" for start, end in islice(spans, NAMED)
    )
    left_out = len(spans) - NAMED
    rest = f" and {left_out} more stretch{'es' if left_out > 1 else ''}" if left_out > 0 else ""
    is_one = len(spans) == 1 and spans[0][1] == spans[0][0] + 1
    return f"Frame{'' if is_one else 's'} {named}{rest}"
