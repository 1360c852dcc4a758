"""Text and flags of a video's metadata, in a form that fits into a manifest."""

from fractions import Fraction
from typing import Final, get_args

from av.container import InputContainer
from av.stream import Disposition as StreamDisposition
from av.stream import Stream

from frame_tools.contracts.media_description import Chapter, Disposition, Tag
from frame_tools.contracts.media_values import MAX_CHAPTERS

_MAX_LENGTH: Final = 500


def sanitize_text(text: str | None) -> str | None:
    """Return `text` as one line of at most 500 printable characters, or None if nothing remains."""
    if text is None:
        return None
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:_MAX_LENGTH] or None


def read_dispositions(stream: Stream) -> tuple[Disposition, ...]:
    """Return how a track is meant to be used, as far as a manifest names it: default, forced, comment and so on."""
    return tuple(name for name in get_args(Disposition) if stream.disposition & StreamDisposition[name])


def read_tags(container: InputContainer) -> dict[Tag, str]:
    """Return what a container says of the work, beside its title; the names are compared without case."""
    tags = {name.lower(): text for name, text in container.metadata.items()}
    texts = {name: sanitize_text(tags.get(name)) for name in get_args(Tag)}
    return {name: text for name, text in texts.items() if text is not None}


def read_chapters(container: InputContainer, origin: Fraction) -> tuple[Chapter, ...]:
    """Return the chapters, with times in seconds from `origin`."""
    chapters = []
    for chapter in container.chapters():
        tick = Fraction(chapter["time_base"] or 1)
        # Matroska has nanoseconds, which do not fit a manifest's ratios; players show milliseconds.
        start, end = (
            max(Fraction(round((chapter[name] * tick - origin) * 1000), 1000), Fraction(0)) for name in ("start", "end")
        )
        if end > start:
            chapters.append(Chapter(start=start, end=end, title=sanitize_text(chapter["metadata"].get("title"))))
    return tuple(chapters[:MAX_CHAPTERS])
