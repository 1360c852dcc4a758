"""Calls before each access to storage in memory."""

from collections.abc import Callable

AccessHook = Callable[[str, bool], None]
"""Called before each access with what is accessed (`CONTAINER/NAME`, or the kind of service) and whether it writes.

Tests pause or fail there.
"""


def no_hook(accessed: str, writes: bool) -> None:
    """Do nothing before an access."""
