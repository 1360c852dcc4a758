"""The composition root: settings → clients → the `App` that every handler receives. Nothing is opened at import."""

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, Self

from frame_tools.contracts.plan import Plan
from frame_tools.storage.accounts import DATA, OPS, account_from
from frame_tools.storage.blobs import BlobAccount, SignedLinks
from frame_tools.storage.deployment import Storage, poison_queues
from frame_tools.storage.patience import BACKGROUND, INTERACTIVE, Patience
from frame_tools.storage.ports import BlobLinks, MessageQueue
from frame_tools.telemetry import logs
from frame_tools.telemetry.metrics import LogMetrics, Metrics
from orchestration.azure_batch.client import BatchService
from orchestration.azure_batch.ports import BatchClient
from orchestration.clock import Clock, SystemClock
from orchestration.memory_budget import MemoryBudget
from orchestration.plan_cache import PlanCache
from orchestration.receipt_memory import ReceiptMemory
from orchestration.settings import HostSettings, Settings
from orchestration.telemetry.azure_monitor import telemetry_from
from orchestration.telemetry.tracing import NoOpSpans, Spans


@dataclass(frozen=True, kw_only=True)
class App:
    """The services that handlers work with."""

    settings: Settings
    storage: Storage
    batch: BatchClient
    links: BlobLinks
    """Links to blobs of the data account, for browsers."""
    poison: Mapping[str, MessageQueue] = field(default_factory=dict)
    """The queues of messages on which a function failed five times, by name."""
    metrics: Metrics = field(default_factory=LogMetrics)
    """Receives metric values."""
    spans: Spans = field(default_factory=NoOpSpans)
    """Creates trace spans."""
    clock: Clock = field(default_factory=SystemClock)
    interactive: "App | None" = None
    """The same app with clients that soon give up on a service that does not answer; None for the same clients."""
    memory: MemoryBudget = field(default_factory=MemoryBudget)
    """What all calls of this process that read large files share."""
    receipts: ReceiptMemory = field(default_factory=ReceiptMemory)
    """Receipts that a join has read, for the report."""
    plans: PlanCache = field(default_factory=PlanCache)
    """The plans that this process has read."""
    task_environment: Mapping[str, str]
    """Environment variables of every task: the storage accounts (never a key) and the identity it signs in with."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], patience: Patience = BACKGROUND) -> Self:
        """Create the app from settings; opens no connection yet."""
        settings = Settings.from_environment(environ)
        storage = Storage.from_environment(environ, patience)
        task_environment = {
            **account_from(environ, DATA).task_environment(),
            **account_from(environ, OPS).task_environment(),
            **({"AZURE_CLIENT_ID": settings.node_client_id} if settings.node_client_id else {}),
        }
        return cls(
            settings=settings,
            storage=storage,
            batch=BatchService(settings, logs_url=storage.logs.url, patience=patience),
            links=SignedLinks(BlobAccount(account_from(environ, DATA), patience)),
            poison=poison_queues(environ, patience),
            task_environment=task_environment,
        )

    @property
    def run_limit(self) -> dt.timedelta:
        """The maximum duration of a run."""
        return dt.timedelta(hours=self.settings.run_hours)


def page_sign_in() -> Literal["key", "entra"]:
    """Return how people sign in to the page, which decides the authorization level of its functions."""
    return HostSettings.from_environment(_environment()).page_sign_in


def _environment() -> Mapping[str, str]:
    return os.environ


@cache
def application() -> App:
    """Return the process's app. The first call creates it and configures the process's logging and telemetry."""
    environ = _environment()
    logs.configure_host_logging()
    telemetry = telemetry_from(environ)
    background, interactive = (
        replace(App.from_environment(environ, patience), metrics=telemetry.metrics, spans=telemetry.spans)
        for patience in (BACKGROUND, INTERACTIVE)
    )
    return replace(background, interactive=interactive)


def node_image(app: App, plan: Plan | None) -> str:
    """Return the container image of a run's tasks: the one that its plan records, else the app's setting.

    Runs without a plan (their video is still being split) and plans of version 2 record none.
    """
    return plan.node_image if plan is not None and plan.node_image else app.settings.node_image


def image_of_copy(app: App, plan: Plan) -> str:
    """Return the container image for a plan that is made of `plan`: its own, or the app's for an earlier version.

    A copy is written in today's form, which an image of an earlier version cannot read.
    """
    is_current = plan.version == Plan.model_fields["version"].default
    return node_image(app, plan) if is_current else app.settings.node_image
