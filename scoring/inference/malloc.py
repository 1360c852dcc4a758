"""Keep freed memory in the process: on a CPU, a network allocates and frees the same large blocks for every frame.

By default the C library returns blocks of this size to the kernel, and each frame pays for page faults when it
allocates them again: 12,000 faults and 15 of 55 ms for a frame of 640x360.
"""

import ctypes
import sys

# Parameters of mallopt(3), from malloc.h of the GNU C library.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_NEVER_REACHED = 2**30  # bytes; larger than any block


def keep_freed_memory() -> None:
    """Make the GNU C library keep freed memory, in one arena for all threads; no-op with other C libraries."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _NEVER_REACHED)
        mallopt(_M_TRIM_THRESHOLD, _NEVER_REACHED)
        mallopt(_M_ARENA_MAX, 1)
