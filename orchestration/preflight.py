"""Preflight checks before any compute is paid for, so that a run that cannot succeed fails early with a remedy.

`check_run` is cheap (one request for the pool) and runs before a run's first task. Its result is stored in the blob
`runs/<run_id>/pool.json`, so that status and report know the VM size and the problems. The sweep checks again while a
run's tasks wait for a node. `preflight` is the full list, for people: GET /api/preflight.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar, Final, Literal

from azure.core.exceptions import AzureError

from frame_tools.contracts import paths
from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.errors import (
    DamagedError,
    ImpastoError,
    InputError,
    NextStep,
    TemporaryError,
    VersionSkewError,
)
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.programs import LIST_BLOB
from frame_tools.storage.deployment import Storage
from frame_tools.storage.mode import MOUNTS
from frame_tools.storage.ports import BlobContainer, MessageQueue
from orchestration.allowed_programs import read_list, source_of
from orchestration.app import App
from orchestration.azure_batch.pool import PoolView
from orchestration.azure_batch.pool_findings import (
    Finding,
    agent_finding,
    node_findings,
    pool_findings,
    region_findings,
)

_log = logging.getLogger(__name__)

MAX_PARALLEL_CHECKS: Final = 14
"""At least as many as there are checks: none waits for another that gets no answer."""
UNREAD_POOL: Final = "pool"
"""The check that a pool that Batch does not return leaves unknown."""


class PoolCheck(StoredDocument):
    """The pool findings for one run, and when they were made."""

    document_name: ClassVar = "pool check"
    version: Literal[1, 2] = 2
    checked_at: str
    vm_size: str = ""
    slots: int = 1
    findings: tuple[Finding, ...] = ()

    @property
    def blocker(self) -> Finding | None:
        """The first permanent finding, which prevents every task from running."""
        return next((finding for finding in self.findings if finding.verdict == "stop"), None)

    @property
    def has_pool(self) -> bool:
        """Whether Batch returned the pool, so that the check need not be repeated."""
        return not any(finding.check == UNREAD_POOL and finding.verdict == "unknown" for finding in self.findings)

    @property
    def problems(self) -> list[str]:
        """Messages of all blockers and warnings, each with its remedy."""
        reported = (finding for finding in self.findings if finding.verdict in ("stop", "warning"))
        return [f"{finding.message}. {finding.remedy}" for finding in reported]


def _inspect_pool(app: App, *, image: str) -> tuple[PoolCheck, PoolView | None]:
    """Request the pool from Batch and check it. If Batch does not return it, that is a finding, never an error."""
    try:
        pool = app.batch.pool()
    except (AzureError, ImpastoError) as error:
        return _unread_pool(app, error), None
    return _check(app, pool, image=image), pool


def _unread_pool(app: App, error: AzureError | ImpastoError) -> PoolCheck:
    message = f"Batch did not return the pool: {_cause(error)}"
    finding = Finding(check=UNREAD_POOL, verdict="unknown", message=message)
    return PoolCheck(checked_at=app.clock.now().isoformat(), findings=(finding,))


def _check(app: App, pool: PoolView | None, *, image: str) -> PoolCheck:
    settings = app.settings
    findings = pool_findings(
        pool,
        pool_id=settings.batch_pool_id,
        image=image,
        identity=settings.batch_pool_identity or (None if settings.batch_is_local else ""),
        mounts=MOUNTS if settings.storage_mode == "mount" else (),
    )
    return PoolCheck(
        checked_at=app.clock.now().isoformat(),
        vm_size=pool.vm_size if pool else "",
        slots=pool.slots if pool else 1,
        findings=tuple(findings),
    )


def check_run(app: App, run_id: str, *, image: str) -> PoolCheck:
    """Return the run's stored check if it is complete and has no blocker, else check the pool for `image` now.

    If the app may not read the pool, that is a finding. Raises TemporaryError if Batch is away: no task can be created.
    """
    stored = read_check(app.storage, run_id)
    if stored is not None and stored.blocker is None and stored.has_pool:
        return stored
    return store_check(app, run_id, check_pool(app, image=image))


def check_pool(app: App, *, image: str) -> PoolCheck:
    """Check the pool for tasks that run `image` now.

    If the app may not read the pool, that is a finding. Raises TemporaryError if Batch is away: no task can be created.
    """
    try:
        return _check(app, app.batch.pool(), image=image)
    except (AzureError, ImpastoError) as error:
        if isinstance(error, TemporaryError) and error.next_step is NextStep.RETRY_LATER:
            raise
        return _unread_pool(app, error)


def store_check(app: App, run_id: str, check: PoolCheck) -> PoolCheck:
    """Store the check for the run, replacing an earlier one; return it."""
    app.storage.runs.write(RunPaths(run_id).pool_check, check.dumps())
    for problem in check.problems:
        _log.warning("run %s: %s", run_id, problem)
    return check


def recheck_pool(app: App, run_id: str, *, image: str) -> None:
    """Check the pool while the run's tasks wait for a node; store and log the result only if it has changed."""
    stored, check = read_check(app.storage, run_id), _inspect_pool(app, image=image)[0]
    if stored is None or stored.findings != check.findings:
        store_check(app, run_id, check)


def read_check(storage: Storage, run_id: str) -> PoolCheck | None:
    """Return the run's stored pool check; None before its first task, or if it is unreadable."""
    blob = storage.runs.read(RunPaths(run_id).pool_check)
    try:
        return PoolCheck.load_stored(blob.data) if blob else None
    except (DamagedError, VersionSkewError):
        return None


def preflight(app: App) -> dict[str, Any]:
    """Return every check of this deployment; `ready` is False if a finding prevents every run.

    All services are asked at the same time, so that the answer takes no longer than the slowest of them.
    """
    with ThreadPoolExecutor(MAX_PARALLEL_CHECKS, thread_name_prefix="preflight") as pool:
        batch = pool.submit(lambda: list(_batch_findings(app, pool)))
        checks = [*_storage_checks(app.storage), partial(_attempt, "programs", partial(_programs_finding, app))]
        findings = [*pool.map(lambda check: check(), checks), *batch.result()]
    return {
        "ready": not any(finding.verdict == "stop" for finding in findings),
        "checks": [finding.model_dump(exclude_defaults=True) for finding in findings],
    }


def _storage_checks(storage: Storage) -> list[Callable[[], Finding]]:
    names = (paths.INPUT, paths.TRIGGERS, paths.WORK, paths.OUTPUT, paths.RUNS, paths.HASHES, paths.LOGS, paths.SCRIPTS)
    resources: dict[str, BlobContainer | MessageQueue] = {
        **{f"container {name}": getattr(storage, name) for name in names},
        f"queue {paths.FRAME_BATCHES}": storage.frame_batches,
        f"queue {paths.FINISHED_BATCHES}": storage.finished_batches,
    }
    return [partial(_attempt, name, partial(_resource_finding, name, each)) for name, each in resources.items()]


def _programs_finding(app: App) -> Finding:
    """Report the operator's programs. A list that cannot be read concerns only runs that name a program."""
    setting = app.settings.allowed_programs
    origin = "the setting ALLOWED_PROGRAMS" if source_of(setting) == "setting" else f"{paths.SCRIPTS}/{LIST_BLOB}"
    try:
        count = len(read_list(setting, app.storage.scripts).programs.root)
    except InputError as error:
        return Finding(check="programs", verdict="warning", message=error.what, remedy=error.remedy)
    return Finding(check="programs", verdict="ok", message=f"{count} on the list, which is {origin}")


def _resource_finding(name: str, resource: BlobContainer | MessageQueue) -> Finding:
    return _existence(name, resource.is_created())


def _existence(check: str, exists: bool) -> Finding:
    if exists:
        return Finding(check=check, verdict="ok", message="exists and is readable")
    return Finding(
        check=check, verdict="stop", message="does not exist", remedy="Deploy the templates (locally: make up)"
    )


def _batch_findings(app: App, executor: Executor) -> Iterator[Finding]:
    agents, counts = executor.submit(app.batch.supported_agents), executor.submit(app.batch.node_counts)
    check, pool = _inspect_pool(app, image=app.settings.node_image)
    yield from check.findings
    if pool is None:
        return
    yield from region_findings(pool, endpoint=app.settings.batch_endpoint)
    yield _attempt("node agent", lambda: agent_finding(pool, agents.result()), verdict="unknown")
    try:
        yield from node_findings(pool, counts.result())
    except (AzureError, ImpastoError) as error:
        yield Finding(check="nodes", verdict="unknown", message=_cause(error))


def _attempt(check: str, inspect: Callable[[], Finding], *, verdict: Literal["stop", "unknown"] = "stop") -> Finding:
    """Return the finding of `inspect`, or one with `verdict` if the service does not answer."""
    try:
        return inspect()
    except (AzureError, ImpastoError) as error:
        return Finding(
            check=check,
            verdict=verdict,
            message=_cause(error),
            remedy="Check the app's role assignments and the network rules",
        )


def _cause(error: AzureError | ImpastoError) -> str:
    return error.what if isinstance(error, ImpastoError) else str(error.message).split("\n", 1)[0][:300]
