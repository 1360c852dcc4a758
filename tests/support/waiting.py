"""Waiting for something that another thread or process brings about."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str = "the condition", *, seconds: float = 20.0) -> T:
    """Poll until `condition()` is truthy and return its value; fail the test, naming `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return value
