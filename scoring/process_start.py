"""Start time of this process, for the start-up time in receipts."""

import os
import sys
import time
from pathlib import Path
from typing import Final

_IMPORTED: Final = time.monotonic()
_IMPORTED_BY: Final = os.getpid()
_START_TIME_FIELD: Final = 19
"""Place of `starttime` in /proc/PID/stat, counted from the field after the command name: see proc_pid_stat(5)."""


def process_start() -> float:
    """Return when this process started, on the clock of time.monotonic(); includes the interpreter and all imports.

    Where the operating system does not say (other than Linux), it is the time at which this module was imported. A
    process that was forked after that started when it was forked.
    """
    if sys.platform != "linux":
        return _IMPORTED
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        started_after_boot = int(fields[_START_TIME_FIELD]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return _IMPORTED
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - started_after_boot
    started = time.monotonic() - age
    return started if os.getpid() != _IMPORTED_BY else min(_IMPORTED, started)
