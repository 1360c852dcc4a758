"""The priority of a run's Batch job: runs with little left go first, and every hour of waiting counts.

Batch starts the tasks of the job with the highest priority whenever a node is free; it never stops a running task.
"""

import datetime as dt
from typing import Final

LIMITS: Final = (-1000, 1000)
"""The priorities that Batch accepts."""
STEP: Final = 10
"""What a doubling of the pending tasks costs, and what an hour since the run's start gains."""


def job_priority(pending: int, age: dt.timedelta) -> int:
    """Return the priority of a run's job with this many pending tasks, this long after the run's start."""
    hours = int(age.total_seconds() // 3600)
    lowest, highest = LIMITS
    return max(lowest, min(highest, STEP * (hours - pending.bit_length())))
