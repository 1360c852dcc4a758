"""Text from a video's own metadata, made fit for a manifest."""

_MAX_LENGTH = 500


def line(text: str | None) -> str | None:
    """One line of at most 500 printable characters, or None if nothing is left of `text`."""
    if text is None:
        return None
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:_MAX_LENGTH] or None
