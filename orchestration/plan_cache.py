"""Plans that this process has read: a plan never changes, but each message of a run needs it."""

import threading
from collections import OrderedDict
from typing import Final

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.deployment import Storage
from frame_tools.storage.recorded_hashes import find_plan_blob

MAX_PLANS: Final = 16
"""Plans that are kept; one of 10,000 batches takes about half a megabyte."""


class PlanCache:
    """The plans that were used last, by run and ETag; thread-safe.

    A plan that was damaged, or made again after it was damaged, has another ETag, so that an old one is never returned.
    """

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[str, str], Plan] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, storage: Storage, run_id: str) -> Plan | None:
        """Return the run's plan, or None if it has none, after one request if it is known.

        Raises DamagedError or VersionSkewError if it cannot be used.
        """
        stored = storage.runs.info(RunPaths(run_id).plan)
        if stored is None:
            return None
        with self._lock:
            plan = self._plans.get((run_id, stored.etag))
            if plan is not None:
                self._plans.move_to_end((run_id, stored.etag))
                return plan
        current = find_plan_blob(storage, run_id)
        if current is None:
            return None
        plan, blob = current
        with self._lock:
            self._plans[run_id, blob.etag] = plan
            while len(self._plans) > MAX_PLANS:
                self._plans.popitem(last=False)
        return plan
