"""Sanitizing of text from a video's metadata, so that it fits into a manifest."""

from typing import Final

_MAX_LENGTH: Final = 500


def sanitize_text(text: str | None) -> str | None:
    """Return `text` as one line of at most 500 printable characters, or None if nothing remains."""
    if text is None:
        return None
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:_MAX_LENGTH] or None
