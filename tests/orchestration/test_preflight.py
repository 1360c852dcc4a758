"""Before anything is paid for: what the pool can't do is told in words, and a hopeless run ends instead of hanging."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import requests
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from frame_tools.contracts import paths
from frame_tools.storage.accounts import OPS, account_from
from frame_tools.storage.blobs import BlobAccount
from frame_tools.storage.mode import MOUNTS
from frame_tools.storage.queues import QueueAccount
from local_cloud.cloud import Cloud
from orchestration.azure_batch.client import BatchService, _pool_view
from orchestration.azure_batch.pool import (
    NodeCounts,
    PoolError,
    PoolView,
    SupportedAgent,
    agent_finding,
    node_findings,
    pool_findings,
    region_findings,
    region_of,
    registry_of,
)
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.sweep import sweep
from orchestration.preflight import preflight, read_check
from tests.support.world import World

ACR = "paint.azurecr.io"
IDENTITY = "/subscriptions/S/resourceGroups/R/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
GOOD = PoolView(
    pool_id="gpu",
    state="active",
    allocation_state="steady",
    vm_size="standard_nc4as_t4_v3",
    slots=1,
    nodes=0,
    node_agent="batch.node.ubuntu 24.04",
    registries=(ACR,),
    identities=(IDENTITY,),
)


def verdicts(
    pool: PoolView | None, *, image: str = f"{ACR}/node:1", identity: str = IDENTITY, mounts: Sequence[str] = ()
) -> dict[str, str]:
    """What is not in order."""
    findings = pool_findings(pool, pool_id="gpu", image=image, identity=identity, mounts=mounts)
    return {one.check: one.verdict for one in findings if one.verdict != "ok"}


def resize_error(code: str, *, message: str = "no cores") -> PoolError:
    return PoolError(source="resize", code=code, message=message)


# What the pool's properties mean.


def test_a_pool_as_the_templates_make_it_is_in_order() -> None:
    assert verdicts(GOOD) == {}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"state": "deleting"}, {"pool": "stop"}),
        ({"takes_containers": False}, {"containers": "stop"}),
        ({"registries": ()}, {"image": "stop"}),
        ({"registries": (), "images": (f"{ACR}/node:1",)}, {}),
        ({"registries": (), "images": (f"{ACR}/node:2",)}, {"image": "stop"}),
        ({"identities": ("/other",)}, {"identity": "stop"}),
        ({"identities": (IDENTITY.upper(),)}, {}),
        ({"identities": None}, {"identity": "unknown"}),
        ({"vm_size": "Standard_D4s_v5"}, {"VM size": "warning"}),
        ({"vm_size": "standard_nv8as_v4"}, {"VM size": "warning"}),
        ({"vm_size": "Standard_NV12ads_V710_v5"}, {"VM size": "warning"}),
        ({"vm_size": "Standard_ND96is_MI300X_v5"}, {"VM size": "warning"}),
        ({"vm_size": "Standard_NV36ads_A10_v5"}, {}),
        ({"vm_size": "STANDARD_ND96ASR_V4"}, {}),
        ({"vm_size": "local"}, {"VM size": "unknown"}),
        ({"errors": (resize_error("AccountCoreQuotaReached"),)}, {"nodes": "warning"}),
    ],
)
def test_each_property_has_its_finding(change: dict[str, Any], found: dict[str, str]) -> None:
    assert verdicts(dataclasses.replace(GOOD, **change)) == found


def test_no_pool_is_hopeless_and_a_public_image_only_a_warning() -> None:
    assert verdicts(None) == {"pool": "stop"}
    assert verdicts(dataclasses.replace(GOOD, registries=()), image="library/x:1") == {"image": "warning"}
    assert verdicts(GOOD, identity="") == {}


def test_tasks_that_read_mounts_need_a_pool_that_mounts_them() -> None:
    mounted = dataclasses.replace(GOOD, mounts=("work", "input", "other"))
    assert verdicts(mounted, mounts=MOUNTS) == {}
    assert verdicts(dataclasses.replace(GOOD, mounts=("work",)), mounts=MOUNTS) == {"mounts": "stop"}
    assert verdicts(GOOD) == {}
    (said,) = (
        f for f in pool_findings(GOOD, pool_id="gpu", image="", identity="", mounts=MOUNTS) if f.check == "mounts"
    )
    assert "do not mount input, work" in said.words
    assert "STORAGE_MODE to sdk" in said.remedy


@pytest.mark.parametrize(
    "mount",
    [
        {"azureBlobFileSystemConfiguration": {"accountName": "st", "containerName": "c", "relativeMountPath": "input"}},
        {"nfsMountConfiguration": {"source": "st:/st/c", "relativeMountPath": "input"}},
    ],
)
def test_a_pools_mounts_are_read_from_batchs_answer(mount: dict[str, Any]) -> None:
    shares = {"azureFileShareConfiguration": {"relativeMountPath": "share"}}
    assert _pool_view(
        models.BatchPool(
            {
                "id": "gpu",
                "currentDedicatedNodes": 0,
                "currentLowPriorityNodes": 0,
                "mountConfiguration": [mount, shares],
            }
        )
    ).mounts == ("input",)


def test_quota_capacity_and_formula_have_their_own_remedies() -> None:
    errors = (
        resize_error("AccountLowPriorityCoreQuotaReached"),
        resize_error("AllocationFailed", message="No quota problem"),
        PoolError(source="autoscale", code="InvalidFormula", message="x"),
    )
    pool = dataclasses.replace(GOOD, errors=errors)
    remedies = [f.remedy for f in pool_findings(pool, pool_id="gpu", image=f"{ACR}/n:1", identity="") if f.remedy]
    assert ["lowPriorityCoreQuota" in remedies[0], "capacity" in remedies[1], "autoscale evaluate" in remedies[2]] == [
        True
    ] * 3


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://ba1.westeurope.batch.azure.com", "westeurope"),
        ("https://ba1.westeurope.batch.azure.com/", "westeurope"),
        ("https://ba1.chinaeast2.batch.chinacloudapi.cn", "chinaeast2"),
        ("http://127.0.0.1:10010", ""),
        ("https://batch.example.org", ""),
        ("", ""),
    ],
)
def test_the_region_of_an_account(endpoint: str, region: str) -> None:
    assert region_of(endpoint) == region
    listed, quota = region_findings(GOOD, endpoint=endpoint)
    assert (listed.check, listed.verdict, quota.check, quota.verdict) == ("region", "unknown", "quota", "unknown")
    command = f"az batch location list-skus --location {region} --query \"[?name=='{GOOD.vm_size}']\""
    assert listed.remedy == (command if region else "")
    assert "lowPriorityCoreQuota" in quota.remedy


@pytest.mark.parametrize(
    ("image", "server"),
    [
        ("x:1", "docker.io"),
        ("me/x", "docker.io"),
        ("a.io/x", "a.io"),
        ("localhost/x", "localhost"),
        ("h:5000/x", "h:5000"),
    ],
)
def test_the_registry_of_an_image(image: str, server: str) -> None:
    assert registry_of(image) == server


def test_nodes_that_cost_and_do_nothing_are_told() -> None:
    found = node_findings(GOOD, NodeCounts(total=3, idle=1, unusable=1, start_task_failed=1))
    assert [one.verdict for one in found] == ["warning", "warning", "ok"]
    assert [one.verdict for one in node_findings(GOOD, NodeCounts(total=2, running=2))] == ["ok"]


def test_a_node_agent_that_batch_does_not_list_is_a_warning() -> None:
    listed = [SupportedAgent(node_agent="batch.node.ubuntu 22.04", ends_at="2027-06-30")]
    assert agent_finding(GOOD, listed).verdict == "warning"
    old = dataclasses.replace(GOOD, node_agent="batch.node.ubuntu 22.04")
    assert "until 2027-06-30" in agent_finding(old, listed).words


# Asked of a real service.


def on_batch(world: World, **settings: Any) -> World:
    """The same world with a Batch client of other settings."""
    changed = world.changed(**settings)
    service = BatchService(changed.app.settings, logs_url=world.storage.logs.url)
    return World(replace(changed.app, batch=service))


@pytest.fixture
def refuse_resize(emulators: Cloud) -> Iterator[Callable[[str], None]]:
    """Have the pool show a resize error."""
    url = f"http://127.0.0.1:{emulators.ports.batch}/local/faults"

    def refuse(code: str) -> None:
        body = {"kind": "resize_error", "code": code, "message": "The account has no cores left."}
        requests.post(url, data=json.dumps(body), timeout=10).raise_for_status()

    yield refuse
    refuse("")


def test_the_pool_is_read_with_the_real_client(world: World) -> None:
    batch = world.app.batch
    pool = batch.pool()
    assert pool is not None
    assert (pool.vm_size, pool.state, pool.takes_containers, pool.errors) == ("local", "active", True, ())
    assert world.app.settings.node_image in pool.images
    assert [agent.node_agent for agent in batch.supported_agents()] == [pool.node_agent]
    assert batch.node_counts() == NodeCounts()
    assert on_batch(world, batch_pool_id="none").app.batch.pool() is None


def test_a_run_without_a_pool_ends_with_the_remedy_and_goes_on_when_there_is_one(world: World) -> None:
    lost = on_batch(world, batch_pool_id="none")
    run_id = lost.start("clip")
    lost.pump()
    outcome = lost.outcome(run_id)
    assert (outcome.status, "'none' does not exist" in outcome.reason) == ("failed", True)
    assert "BATCH_POOL_ID" in outcome.remedy
    assert world.tasks(run_id) == {}
    assert world.is_let_go(run_id)
    resubmit(world.app, run_id, "missing")
    assert len(world.tasks(run_id)) == 3
    assert world.described(run_id)["trouble"] == []
    assert world.finish(run_id) == "finished"


def test_a_run_with_an_image_that_the_pool_has_not_ends_with_the_remedy(world: World) -> None:
    run_id = world.changed(node_image="other:1").start("clip")
    world.changed(node_image="other:1").pump()
    assert (world.status(run_id), "NODE_IMAGE" in world.outcome(run_id).remedy) == ("failed", True)


def test_a_run_that_would_read_mounts_that_the_pool_has_not_ends_with_the_remedy(world: World) -> None:
    assert world.app.batch.pool() is not None
    mounting = world.changed(storage_mode="mount")
    run_id = mounting.start("clip")
    mounting.pump()
    assert (world.status(run_id), "STORAGE_MODE" in world.outcome(run_id).remedy) == ("failed", True)
    assert world.tasks(run_id) == {}


def test_missing_quota_is_told_in_the_status_while_the_run_waits(
    world: World, refuse_resize: Callable[[str], None]
) -> None:
    run_id = world.start("clip")
    world.pump()
    assert world.described(run_id)["trouble"] == []
    refuse_resize("AccountCoreQuotaReached")
    sweep(world.app)
    described = world.described(run_id)
    assert described["status"] == "scoring"
    assert "AccountCoreQuotaReached: The account has no cores left." in described["trouble"][0]
    assert "az batch account show" in described["trouble"][0]
    refuse_resize("")
    sweep(world.app)
    assert world.described(run_id)["trouble"] == []


def test_a_service_that_does_not_tell_of_the_pool_is_not_in_the_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise HttpResponseError("no right to read pools")

    monkeypatch.setattr(world.app.batch, "pool", refuse)
    run_id = world.start("clip")
    world.pump()
    assert len(world.tasks(run_id)) == 3
    check = read_check(world.storage, run_id)
    assert check is not None
    assert (check.stop, check.findings[0].verdict) == (None, "unknown")


# The whole list.


def test_the_whole_list_of_a_good_deployment_is_ready(world: World) -> None:
    said = preflight(world.app)
    assert said["ready"], said
    checks = {one["check"] for one in said["checks"]}
    assert {
        "container input",
        "queue frame-batches",
        "pool",
        "image",
        "identity",
        "VM size",
        "node agent",
        "nodes",
        "region",
        "quota",
    } <= checks
    assert {one["verdict"] for one in said["checks"]} == {"ok", "unknown"}


def test_the_whole_list_names_what_is_missing(world: World, emulators: Cloud) -> None:
    account = account_from(emulators.settings, OPS)
    storage = replace(
        world.storage,
        logs=BlobAccount(account).container("no-such-container"),
        frame_batches=QueueAccount(account).queue("no-such-queue"),
    )
    bare = on_batch(World(replace(world.app, storage=storage)), batch_pool_id="none")
    said = preflight(bare.app)
    stops = {one["check"] for one in said["checks"] if one["verdict"] == "stop"}
    assert (said["ready"], stops) == (False, {f"container {paths.LOGS}", f"queue {paths.FRAME_BATCHES}", "pool"})
