"""What a run's page says about it, section by section, from the report."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestration.documents import parse_time

STEADY: Final = 2.0
"""Up to this ratio of the changes in the painting to those in the clip, the page calls the painting steady."""
MAX_BAD_FRAMES: Final = 5

Fact = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A title, an optional sentence, and facts."""

    title: str
    facts: tuple[Fact, ...]
    sentence: str = ""


def clock_text(seconds: float) -> str:
    """Return seconds below a minute as 8.3 s, else m:ss or h:mm:ss."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def sections(report: Mapping[str, Any]) -> tuple[Section, ...]:
    """Return the sections that have something to say."""
    parts = (
        Section(title="Clip", facts=tuple(_clip(report))),
        Section(title="Time", facts=tuple(_times(report))),
        _steadiness(report),
        Section(title="Cost", facts=tuple(_cost(report))),
        Section(title="Notes", facts=tuple(_notes(report))),
        Section(title="Versions", facts=tuple(_versions(report))),
    )
    return tuple(section for section in parts if section.facts)


def size_text(clip: Mapping[str, Any]) -> str:
    """Return the size of a clip's frames as the report has it, and that of the delivered ones if it is another."""
    width, height, scale = clip["width"], clip["height"], clip.get("scale", 1)
    delivered = "" if scale == 1 else f", delivered at {width * scale} × {height * scale}"
    return f"{width} × {height}{delivered}"


def _clip(report: Mapping[str, Any]) -> Iterator[Fact]:
    if clip := report.get("clip"):
        yield "Frames", f"{report.get('scoring', {}).get('frames', 0)} of {clip['frames']}"
        yield "Length", clock_text(clip["seconds"])
        yield "Size", size_text(clip)
        yield "Audio tracks", str(clip["audio_tracks"])
    if product := report.get("video") or report.get("records"):
        yield "Output", str(product)


def _times(report: Mapping[str, Any]) -> Iterator[Fact]:
    scoring = report.get("scoring", {})
    received, ended = parse_time(report.get("received_at")), parse_time(report.get("ended_at"))
    if received is not None and ended is not None:
        yield "From the request to the end", clock_text(max(0.0, (ended - received).total_seconds()))
    if scoring.get("frames"):
        yield "Tasks, added up", clock_text(scoring["task_seconds"])
        yield "of which start-up", clock_text(scoring["start_up_seconds"])
        for title, name in (("Read", "load"), ("Paint", "infer"), ("Write", "save")):
            yield f"{title} a frame", f"{1000 * scoring[f'{name}_seconds_per_image']:.0f} ms"
        yield "Batches", f"{scoring['batches']} of {scoring['batches_planned']}"
        yield "Device", ", ".join(scoring["devices"])


def _steadiness(report: Mapping[str, Any]) -> Section:
    measured = report.get("steadiness")
    if not measured:
        return Section(title="Steadiness", facts=())
    changes, changes_input = measured["difference"], measured["difference_input"]
    ratio = changes / changes_input if changes_input else 1.0
    verdict = "Steady: f" if ratio <= STEADY else "Lively: f"
    facts = (
        ("Change in the clip", f"{changes_input:.2f} gray levels"),
        ("Change in the painting", f"{changes:.2f} gray levels"),
        ("Warping error, clip and painting", f"{measured['warp_error_input']:.2f}, {measured['warp_error']:.2f}"),
    )
    sentence = f"{verdict}rom frame to frame, the painting changes {ratio:.1f} times as much as the clip."
    return Section(title="Steadiness", facts=facts, sentence=sentence)


def _cost(report: Mapping[str, Any]) -> Iterator[Fact]:
    cost = report.get("cost") or {}
    usd = cost.get("usd")
    if usd is None:
        if cost:
            yield "Task time", clock_text(cost["task_seconds"])
        return
    yield "Tasks", f"${usd['tasks']:.4f}"
    yield "Boot and idle (estimate)", f"${usd['idle_estimated']:.4f}"
    yield "Storage and functions", f"${usd['storage'] + usd['functions']:.4f}"
    yield "Total", f"${usd['total']:.2f}"


def _notes(report: Mapping[str, Any]) -> Iterator[Fact]:
    for note in report.get("notes") or ():
        yield "Note", f"{note}"
    bad = report.get("bad_frames") or {}
    if bad.get("count"):
        yield "Bad frames", ", ".join(f"{count} {action}" for action, count in bad["done"].items())
        for frame in bad["first"][:MAX_BAD_FRAMES]:
            yield f"Frame {frame['index'] + 1}", f"{frame['what']}, {frame['done']}"


def _versions(report: Mapping[str, Any]) -> Iterator[Fact]:
    for text in report.get("scoring", {}).get("versions") or ():
        name, _, version = text.rpartition(" ")
        yield name, version
    yield "Run", str(report["run_id"])
