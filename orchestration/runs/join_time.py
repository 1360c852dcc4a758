"""How long joining takes at most, so that no join comes near the timeout that kills the app's worker process.

When the host's timeout ends a function, it kills the worker with all its other calls, and the join begins again from
the start. The figures are assumptions on the safe side: none was measured on Azure.
"""

import datetime as dt
from typing import Final

HOST_TIMEOUT: Final = dt.timedelta(minutes=30)
"""`functionTimeout` in host.json."""
LONGEST_JOIN: Final = HOST_TIMEOUT / 3
"""Joins that may take longer are made by a Batch task. A sweep joins, too, and may do so at the end of its own time."""
REQUEST_SECONDS: Final = 0.05
REQUESTS_PER_BATCH: Final = 2
"""The receipt and the segment; that several are read at a time is left out."""
BLOCK_BYTES: Final = 4 * 2**20
"""Bytes in one request for reading sound or writing the video."""
FRAME_SECONDS: Final = 0.0004
"""For the listing of a painted frame and its packet."""
BYTES_PER_SECOND: Final = 16 * 2**20


def join_time(*, batches: int, frames: int, media_bytes: int) -> dt.timedelta:
    """Return how long a join of `media_bytes` of segments and sound may take."""
    requests = REQUESTS_PER_BATCH * batches + 2 * media_bytes / BLOCK_BYTES
    seconds = REQUEST_SECONDS * requests + FRAME_SECONDS * frames + media_bytes / BYTES_PER_SECOND
    return dt.timedelta(seconds=seconds)
