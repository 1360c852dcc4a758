"""The durable state of a run as one frozen value for the pure functions.

A document that cannot be read is part of the state, so that the run it belongs to can end with the reason, be listed
and be cancelled.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.contracts.receipt import Failure, Outcome, SplitReceipt
from orchestration.documents import UnreadableBlob, parse_time

CLOCK_TOLERANCE: Final = dt.timedelta(days=1)
"""How far in the future a stored time may be before it is replaced by the time at which its blob was created."""


@dataclass(frozen=True, kw_only=True)
class _CommonState:
    """What is known of every run."""

    is_open: bool
    cancelled: bool
    outcome: Outcome | None
    unreadable: Mapping[str, UnreadableBlob] = field(default_factory=dict)
    """Documents that cannot be read, by blob name."""
    recorded_at: dt.datetime | None = None
    """When the blob was created that gives the start of the time limit."""
    stored: frozenset[str] = field(default=frozenset(), repr=False)
    """Names of all blobs of the run in `runs`."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        raise NotImplementedError

    @property
    def damaged_outcome(self) -> UnreadableBlob | None:
        """The outcome, if it cannot be read."""
        return self.unreadable.get(RunPaths(self.run_id).outcome)

    @property
    def skew(self) -> VersionSkewError | None:
        """Why another version of Impasto has to continue the run, or None."""
        errors = (blob.error for blob in self.unreadable.values())
        return next((error for error in errors if isinstance(error, VersionSkewError)), None)

    def start_of_limit(self, now: dt.datetime) -> dt.datetime:
        """Return the start of the run's time limit; a recorded time that cannot be right does not extend it."""
        times = (self._recorded_time(), self.recorded_at)
        return next((time for time in times if time is not None and time <= now + CLOCK_TOLERANCE), now)

    def _recorded_time(self) -> dt.datetime | None:
        return None


@dataclass(frozen=True, kw_only=True)
class RunState(_CommonState):
    """The state of a run as recorded by its blobs. Absent blobs are None, empty or False."""

    request: Request
    resumed_at: str | None
    """When a user last resumed the run; UTC, ISO 8601."""
    plan: Plan | None
    split: SplitReceipt | None
    receipts: frozenset[int]
    """Batches that have a receipt."""
    failures: Mapping[str, Failure]
    """By step name."""
    queued: Mapping[str, dt.datetime | None]
    """When each stage ("split", "batches" or "join") was first queued; a stage that was not is absent."""
    has_slot: bool
    product: str | None
    """The committed video or records in `output`, if they are those that the join has recorded."""
    product_etag: str | None = None
    has_unrecorded_product: bool = False
    """Whether a blob is in the product's place that no join has recorded: by a crash, or by somebody else."""
    is_delayed: bool = False
    """Whether an error kept a handler from advancing the run, and no sweep has succeeded since."""
    listed_md5: bytes | None = None
    """Hash of the blob that says how the run is in the list of runs; None without one."""
    splits_again: bool = False
    """Whether the run, though created from another one, splits its video itself."""

    @property
    def video(self) -> str | None:
        """The product, if the run makes pictures."""
        return self.product if self.plan and self.plan.makes == "pictures" else None

    @property
    def records(self) -> str | None:
        """The product, if the run makes records."""
        return self.product if self.plan and self.plan.makes == "records" else None

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.request.run_id

    @property
    def name(self) -> str:
        """The run's name."""
        return self.request.name

    @property
    def missing(self) -> tuple[int, ...]:
        """Batches without a receipt; includes reused batches until their receipts are copied."""
        return tuple(b for b in range(self.plan.batch_count) if b not in self.receipts) if self.plan else ()

    @property
    def failed_batches(self) -> tuple[int, ...]:
        """Missing batches that failed permanently."""
        return tuple(b for b in self.missing if ids.step_name(b) in self.failures)

    def without_end(self) -> Self:
        """Return the state as if the run had not ended and had not released its slot."""
        return replace(self, outcome=None, has_slot=True)

    def _recorded_time(self) -> dt.datetime | None:
        return parse_time(self.resumed_at) if self.resumed_at is not None else parse_time(self.request.received_at)


@dataclass(frozen=True, kw_only=True)
class UnreadableRun(_CommonState):
    """A run whose request cannot be read, so that nothing can be done for it but end it."""

    id: str
    error: DamagedError | VersionSkewError

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.id

    @property
    def name(self) -> str:
        """The run's id in place of its name, which only the request has."""
        return self.id

    def without_end(self) -> Self:
        """Return the state as if the run had not ended."""
        return replace(self, outcome=None)


AnyState = RunState | UnreadableRun
