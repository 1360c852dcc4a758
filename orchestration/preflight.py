"""Can a run be done at all? Asked before anything is paid for, and told in words instead of a run that hangs.

`check_run` is cheap (one call for the pool) and runs before a run's first task; what it finds is kept as the blob
`runs/<run_id>/pool.json`, so that status and report know the VM size and the trouble. The sweep looks again while a run
waits. `preflight` is the whole list, for a person: GET /api/preflight.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

from azure.core.exceptions import AzureError

from frame_tools.contracts import paths
from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.blobs import Container
from frame_tools.storage.deployment import Storage
from frame_tools.storage.mode import MOUNTS
from frame_tools.storage.queues import Queue
from orchestration.app import App, now
from orchestration.azure_batch.pool import (
    Finding,
    PoolView,
    agent_finding,
    node_findings,
    pool_findings,
    region_findings,
)

log = logging.getLogger(__name__)


class PoolCheck(StoredDocument):
    """What was found of the pool for one run, and when."""

    document_name: ClassVar = "pool check"
    version: Literal[1, 2] = 2
    checked_at: str
    vm_size: str = ""
    slots: int = 1
    findings: tuple[Finding, ...] = ()

    @property
    def stop(self) -> Finding | None:
        """The first finding that no waiting mends."""
        return next((one for one in self.findings if one.verdict == "stop"), None)

    @property
    def trouble(self) -> list[str]:
        """What a person should know, each with its remedy."""
        told = (one for one in self.findings if one.verdict in ("stop", "warning"))
        return [f"{one.words}. {one.remedy}" for one in told]


def look_at_pool(app: App) -> PoolCheck:
    """Ask Batch for the pool, once. Where Batch does not answer, that is the finding: a check is never in the way."""
    return _look(app, image=app.settings.node_image)[0]


def _look(app: App, *, image: str) -> tuple[PoolCheck, PoolView | None]:
    settings = app.settings
    try:
        pool = app.batch.pool()
    except AzureError as error:
        words = f"Batch did not tell of the pool: {_first_line(error)}"
        silent = Finding(check="pool", verdict="unknown", words=words)
        return PoolCheck(checked_at=now().isoformat(), findings=(silent,)), None
    findings = pool_findings(
        pool,
        pool_id=settings.batch_pool_id,
        image=image,
        identity=settings.batch_pool_identity,
        mounts=MOUNTS if settings.storage_mode == "mount" else (),
    )
    check = PoolCheck(
        checked_at=now().isoformat(),
        vm_size=pool.vm_size if pool else "",
        slots=pool.slots if pool else 1,
        findings=tuple(findings),
    )
    return check, pool


def check_run(app: App, run_id: str, *, image: str) -> PoolCheck:
    """Return the run's check for tasks of `image`, made now unless an earlier one found nothing that stops it."""
    known = read_check(app.storage, run_id)
    if known is not None and known.stop is None:
        return known
    return keep(app, run_id, _look(app, image=image)[0])


def keep(app: App, run_id: str, check: PoolCheck) -> PoolCheck:
    """Write the check down for the run; the latest counts."""
    app.storage.runs.write(RunPaths(run_id).pool_check, check.dumps())
    for words in check.trouble:
        log.warning("run %s: %s", run_id, words)
    return check


def look_again(app: App, run_id: str, *, image: str) -> None:
    """Look at the pool while the run's tasks wait for a node; told and written down only if it is something new."""
    known, seen = read_check(app.storage, run_id), _look(app, image=image)[0]
    if known is None or known.findings != seen.findings:
        keep(app, run_id, seen)


def read_check(storage: Storage, run_id: str) -> PoolCheck | None:
    """Return what is known of the pool for a run, None before its first task."""
    blob = storage.runs.read(RunPaths(run_id).pool_check)
    return PoolCheck.load_stored(blob.data) if blob else None


def preflight(app: App) -> dict[str, Any]:
    """Return every check of this deployment; `ready` is whether none of them stops a run."""
    findings = [*_storage_findings(app.storage), *_batch_findings(app)]
    return {
        "ready": not any(one.verdict == "stop" for one in findings),
        "checks": [one.model_dump(exclude_defaults=True) for one in findings],
    }


def _storage_findings(storage: Storage) -> Iterator[Finding]:
    parts: dict[str, Container | Queue] = {
        **{f"container {name}": getattr(storage, name) for name in (paths.INPUT, paths.TRIGGERS, paths.WORK)},
        **{f"container {name}": getattr(storage, name) for name in (paths.OUTPUT, paths.RUNS, paths.LOGS)},
        f"queue {paths.FRAME_BATCHES}": storage.frame_batches,
        f"queue {paths.FINISHED_BATCHES}": storage.finished_batches,
    }
    for what, part in parts.items():
        yield _tried(what, lambda part=part, what=what: _is_there(what, part.is_there()))  # type: ignore[misc]


def _is_there(what: str, there: bool) -> Finding:
    if there:
        return Finding(check=what, verdict="ok", words="is there, and we may look at it")
    return Finding(check=what, verdict="stop", words="does not exist", remedy="Deploy the templates (locally: make up)")


def _batch_findings(app: App) -> Iterator[Finding]:
    check, pool = _look(app, image=app.settings.node_image)
    yield from check.findings
    if pool is None:
        return
    yield from region_findings(pool, endpoint=app.settings.batch_endpoint)
    yield _tried("node agent", lambda: agent_finding(pool, app.batch.supported_agents()), verdict="unknown")
    try:
        yield from node_findings(pool, app.batch.node_counts())
    except AzureError as error:
        yield Finding(check="nodes", verdict="unknown", words=_first_line(error))


def _tried(check: str, look: Callable[[], Finding], *, verdict: Literal["stop", "unknown"] = "stop") -> Finding:
    """Return what `look` finds; a refusal is a finding, too."""
    try:
        return look()
    except AzureError as error:
        return Finding(
            check=check, verdict=verdict, words=_first_line(error), remedy="Check the app's roles and the network rules"
        )


def _first_line(error: AzureError) -> str:
    return str(error.message).split("\n", 1)[0][:300]
