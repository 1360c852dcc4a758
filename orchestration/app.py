"""The one wiring place: settings → clients → the `App` that every handler takes. Nothing is built at import."""

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Self

from frame_tools.contracts.plan import Plan
from frame_tools.storage.accounts import DATA, OPS, account_from
from frame_tools.storage.deployment import Storage
from frame_tools.telemetry import logs
from frame_tools.telemetry.metrics import LogMetrics, Metrics
from orchestration.azure_batch.client import BatchService
from orchestration.settings import Settings
from orchestration.telemetry.azure_monitor import telemetry_from
from orchestration.telemetry.tracing import NoSpans, Spans


@dataclass(frozen=True, kw_only=True)
class App:
    """What handlers work with."""

    settings: Settings
    storage: Storage
    batch: BatchService
    metrics: Metrics = field(default_factory=LogMetrics)
    """Where figures go."""
    spans: Spans = field(default_factory=NoSpans)
    """Where spans go."""
    task_environment: Mapping[str, str]
    """Settings that every task gets: where the accounts are (never a key), and whose identity it uses."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Wire the app from settings; opens nothing yet."""
        settings = Settings.from_environment(environ)
        storage = Storage.from_environment(environ)
        task_environment = {
            **account_from(environ, DATA).task_environment(),
            **account_from(environ, OPS).task_environment(),
            **({"AZURE_CLIENT_ID": settings.node_client_id} if settings.node_client_id else {}),
        }
        return cls(
            settings=settings,
            storage=storage,
            batch=BatchService(settings, logs_url=storage.logs.url),
            task_environment=task_environment,
        )

    @property
    def run_limit(self) -> dt.timedelta:
        """How long a run may take."""
        return dt.timedelta(hours=self.settings.run_hours)


@cache
def application() -> App:
    """Return the process's app, made on first use, with the process's log lines and telemetry set up."""
    environ = os.environ
    logs.configure_host_logging()
    told = telemetry_from(environ)
    return replace(App.from_environment(environ), metrics=told.metrics, spans=told.spans)


def node_image(app: App, plan: Plan | None) -> str:
    """Return the image of a run's tasks: the one that its plan records, else the app's setting.

    A run without a plan (it is still split) and plans of version 2 have none.
    """
    return plan.node_image if plan is not None and plan.node_image else app.settings.node_image


def now() -> dt.datetime:
    """Return the time, UTC."""
    return dt.datetime.now(dt.UTC)
