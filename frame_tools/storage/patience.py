"""How long a client waits for a service that does not answer: long in the background, briefly where a person waits."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Limits of one request to a service, repetitions included."""

    retries: int
    """Repetitions after the first attempt."""
    first_pause: int
    """Seconds before the first repetition."""
    pause_base: int
    """Seconds by whose power the later pauses grow; 0 for no growth."""
    connect_seconds: int
    """Limit of setting up a connection."""
    read_seconds: int
    """Limit of waiting for (more of) an answer."""

    @property
    def longest_seconds(self) -> float:
        """The longest time until a request to a service that does not answer fails."""
        pauses = sum(self.first_pause + (self.pause_base**number if number else 0) for number in range(self.retries))
        return (self.retries + 1) * (self.connect_seconds + self.read_seconds) + pauses


BACKGROUND: Final = Patience(retries=5, first_pause=1, pause_base=2, connect_seconds=10, read_seconds=30)
"""For queue and timer triggers, tasks and the command line: a short outage is over before anything fails."""
INTERACTIVE: Final = Patience(retries=1, first_pause=1, pause_base=0, connect_seconds=2, read_seconds=4)
"""For HTTP: the caller hears within 15 seconds that a service is away."""
