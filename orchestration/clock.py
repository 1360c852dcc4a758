"""The source of the current time. `App` carries one, so that tests can set the time."""

import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """Tells the current time."""

    def now(self) -> dt.datetime:
        """Return the current time, UTC."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> dt.datetime:
        """Return the current time, UTC."""
        return dt.datetime.now(dt.UTC)
