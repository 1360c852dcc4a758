"""Pool checks: what a pool's properties mean for a run."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from frame_tools.storage.mode import MOUNTS
from orchestration.azure_batch.pool import NodeCounts, PoolError, PoolView, SupportedAgent
from orchestration.azure_batch.pool_findings import (
    agent_finding,
    node_findings,
    pool_findings,
    region_findings,
    region_of,
    registry_of,
)

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
    pool: PoolView | None, *, image: str = f"{ACR}/node:1", identity: str | None = IDENTITY, mounts: Sequence[str] = ()
) -> dict[str, str]:
    """Return check → verdict of the findings that are not ok."""
    findings = pool_findings(pool, pool_id="gpu", image=image, identity=identity, mounts=mounts)
    return {finding.check: finding.verdict for finding in findings if finding.verdict != "ok"}


def resize_error(code: str, *, message: str = "no cores") -> PoolError:
    return PoolError(source="resize", code=code, message=message)


def test_pool_of_the_templates_has_no_problem() -> None:
    assert verdicts(GOOD) == {}


@pytest.mark.parametrize(
    ("change", "findings"),
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
def test_pool_finding_of_each_property(change: dict[str, Any], findings: dict[str, str]) -> None:
    assert verdicts(dataclasses.replace(GOOD, **change)) == findings


def test_missing_pool_stops_and_public_image_warns() -> None:
    assert verdicts(None) == {"pool": "stop"}
    assert verdicts(dataclasses.replace(GOOD, registries=()), image="library/x:1") == {"image": "warning"}
    assert verdicts(GOOD, identity=None) == {}


def test_empty_identity_is_a_blocker() -> None:
    assert verdicts(GOOD, identity="") == {"identity": "stop"}
    (finding,) = [f for f in pool_findings(GOOD, pool_id="gpu", image="", identity="") if f.check == "identity"]
    assert "BATCH_POOL_IDENTITY" in finding.message
    assert finding.remedy


def test_missing_mounts_stop_the_run() -> None:
    mounted = dataclasses.replace(GOOD, mounts=("work", "input", "other"))
    assert verdicts(mounted, mounts=MOUNTS) == {}
    assert verdicts(dataclasses.replace(GOOD, mounts=("work",)), mounts=MOUNTS) == {"mounts": "stop"}
    assert verdicts(GOOD) == {}
    (mounts,) = (
        f for f in pool_findings(GOOD, pool_id="gpu", image="", identity=None, mounts=MOUNTS) if f.check == "mounts"
    )
    assert "do not mount input, work" in mounts.message
    assert "STORAGE_MODE to sdk" in mounts.remedy


def test_pool_errors_have_specific_remedies() -> None:
    errors = (
        resize_error("AccountLowPriorityCoreQuotaReached"),
        resize_error("AllocationFailed", message="No quota problem"),
        PoolError(source="autoscale", code="InvalidFormula", message="x"),
    )
    pool = dataclasses.replace(GOOD, errors=errors)
    remedies = [f.remedy for f in pool_findings(pool, pool_id="gpu", image=f"{ACR}/n:1", identity=None) if f.remedy]
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
def test_region_of_batch_endpoint(endpoint: str, region: str) -> None:
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
def test_registry_of_image_name(image: str, server: str) -> None:
    assert registry_of(image) == server


def test_unusable_nodes_are_reported() -> None:
    findings = node_findings(GOOD, NodeCounts(total=3, idle=1, unusable=1, start_task_failed=1))
    assert [finding.verdict for finding in findings] == ["warning", "warning", "ok"]
    assert [finding.verdict for finding in node_findings(GOOD, NodeCounts(total=2, running=2))] == ["ok"]


def test_unsupported_node_agent_is_a_warning() -> None:
    listed = [SupportedAgent(node_agent="batch.node.ubuntu 22.04", ends_at="2027-06-30")]
    assert agent_finding(GOOD, listed).verdict == "warning"
    old = dataclasses.replace(GOOD, node_agent="batch.node.ubuntu 22.04")
    assert "until 2027-06-30" in agent_finding(old, listed).message
