"""Text and flags of a video's metadata, in a form that fits into a manifest."""

from typing import Final, get_args

from av.stream import Disposition as StreamDisposition
from av.stream import Stream

from frame_tools.contracts.manifest import Disposition

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
