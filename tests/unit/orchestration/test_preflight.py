"""Preflight checks of a run and of the deployment."""

import json
from dataclasses import replace

import pytest
from azure.core.exceptions import HttpResponseError

from frame_tools.contracts.errors import ErrorCode
from frame_tools.contracts.programs import LIST_BLOB
from orchestration.azure_batch.pool import PoolError
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.sweep import sweep
from orchestration.preflight import PoolCheck, check_run, preflight, read_check
from tests.support.interception import intercept
from tests.support.world import World


def test_run_without_pool_fails_and_can_be_resubmitted(world: World) -> None:
    without_pool = World(replace(world.app, batch=intercept(world.app.batch, pool=lambda _: None)))
    run_id = without_pool.start("clip")
    without_pool.deliver_messages()
    outcome = world.outcome(run_id)
    assert (outcome.status, outcome.code, "'gpu'" in outcome.reason) == ("failed", ErrorCode.POOL_UNUSABLE, True)
    assert "BATCH_POOL_ID" in outcome.remedy
    assert world.tasks(run_id) == {}
    assert world.is_released(run_id)
    resubmit(world.app, run_id, "missing")
    assert len(world.tasks(run_id)) == 3
    assert world.status_document(run_id)["trouble"] == []
    assert world.finish(run_id) == "finished"


def test_run_with_unavailable_image_fails(world: World) -> None:
    run_id = world.changed(node_image="other:1").start("clip")
    world.changed(node_image="other:1").deliver_messages()
    assert (world.status(run_id), "NODE_IMAGE" in world.outcome(run_id).remedy) == ("failed", True)


def test_run_with_missing_mounts_fails(world: World) -> None:
    assert world.app.batch.pool() is not None
    mounting = world.changed(storage_mode="mount")
    run_id = mounting.start("clip")
    mounting.deliver_messages()
    assert (world.status(run_id), "STORAGE_MODE" in world.outcome(run_id).remedy) == ("failed", True)
    assert world.tasks(run_id) == {}


def test_run_starts_though_pool_cannot_be_read(world: World) -> None:
    def deny(_: object) -> None:
        raise HttpResponseError("no right to read pools")

    world = World(replace(world.app, batch=intercept(world.app.batch, pool=deny)))
    run_id = world.start("clip")
    world.deliver_messages()
    assert len(world.tasks(run_id)) == 3
    check = read_check(world.storage, run_id)
    assert check is not None
    assert (check.blocker, check.findings[0].verdict) == (None, "unknown")


def test_recheck_stores_a_changed_pool(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    error = PoolError(source="resize", code="AccountCoreQuotaReached", message="The account has no cores left.")
    pool = world.app.batch.pool()
    assert pool is not None
    exhausted = intercept(world.app.batch, pool=lambda _: replace(pool, errors=(error,)))
    sweep(replace(world.app, batch=exhausted))
    (problem,) = world.status_document(run_id)["trouble"]
    assert "AccountCoreQuotaReached: The account has no cores left." in problem
    sweep(world.app)
    assert world.status_document(run_id)["trouble"] == []


def test_finding_of_an_older_version_is_read() -> None:
    """Findings were stored with `words` in place of `message`."""
    finding = {"check": "pool", "verdict": "stop", "words": "gone", "remedy": "R"}
    text = json.dumps({"version": 1, "checked_at": "", "findings": [finding]})
    check = PoolCheck.load_stored(text)
    assert check.problems == ["gone. R"]
    assert PoolCheck.load_stored(check.dumps()).findings == check.findings


@pytest.mark.parametrize(
    ("endpoint", "verdict"), [("http://127.0.0.1:1", "ok"), ("https://batch.westeurope.batch.azure.com", "stop")]
)
def test_identity_is_needed_in_azure(world: World, endpoint: str, verdict: str) -> None:
    in_azure = world.changed(batch_endpoint=endpoint, batch_pool_identity="")
    verdicts = {
        finding.check: finding.verdict
        for finding in check_run(in_azure.app, "clip-0123456789", image="stub:1").findings
    }
    assert verdicts["identity"] == verdict


PROGRAM = {"seg": {"file": "seg.py", "sha256": "ab" * 32, "kind": "script"}}


@pytest.mark.parametrize(
    ("blob", "setting", "verdict", "message"),
    [
        (None, "", "ok", "0 on the list, which is scripts/allowed.json"),
        (json.dumps(PROGRAM), "", "ok", "1 on the list, which is scripts/allowed.json"),
        ("{", json.dumps(PROGRAM), "ok", "1 on the list, which is the setting ALLOWED_PROGRAMS"),
        ("{", "", "warning", "scripts/allowed.json"),
    ],
)
def test_preflight_reports_the_list_of_programs(
    world: World, blob: str | None, setting: str, verdict: str, message: str
) -> None:
    world = world.changed(allowed_programs=setting)
    if blob is not None:
        world.storage.scripts.write(LIST_BLOB, blob.encode())
    report = preflight(world.app)
    (check,) = (check for check in report["checks"] if check["check"] == "programs")
    assert (check["verdict"], message in check["message"]) == (verdict, True)
    assert report["ready"], "runs without a program do not need the list"
