"""Asking services that may not answer: the screen Health shows what the others say."""

from collections.abc import Callable
from typing import TypeVar

from azure.core.exceptions import AzureError

from frame_tools.contracts.errors import ImpastoError

T = TypeVar("T")


def ask(read: Callable[[], T]) -> T | None:
    """Return what a service tells, None if it does not answer: the checks say why."""
    try:
        return read()
    except (AzureError, ImpastoError):
        return None
