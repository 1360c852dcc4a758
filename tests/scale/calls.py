"""A count of the Python functions that a call executes in its thread: work that grows too fast shows in any machine."""

import sys
from collections.abc import Callable
from types import FrameType


def python_calls(call: Callable[[], object]) -> int:
    """Make a call and return how many Python functions it has called."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count
