"""Keep freed memory in the process: a network on the CPU frees and takes the same large blocks for every frame.

By default the C library gives blocks of this size back to the kernel, and each frame pays for getting them anew, page
by page: 12,000 faults and 15 of 55 ms for a frame of 640x360.
"""

import ctypes
import sys

# Names and numbers of mallopt(3), malloc.h of the GNU C library.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGER_THAN_ANY_BLOCK = 2**30  # bytes


def keep_freed_memory() -> None:
    """Tell the GNU C library to keep what is freed, in one pool for all threads; elsewhere nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGER_THAN_ANY_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, _LARGER_THAN_ANY_BLOCK)
        mallopt(_M_ARENA_MAX, 1)
