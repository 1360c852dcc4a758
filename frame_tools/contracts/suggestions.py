"""Suggestions for misspelled words."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

MAX_ECHO_CHARS: Final = 60
"""Characters of a user's text that a message repeats."""


def did_you_mean(text: str, candidates: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" with the candidate closest to `text`, or "" if none is close."""
    closest = get_close_matches(text[:MAX_ECHO_CHARS], list(candidates), n=1)
    return f" (did you mean {closest[0]!r}?)" if closest else ""
