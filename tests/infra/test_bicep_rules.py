"""What the templates would deploy, for each parameter set, against the rules of the services and our own."""

import json
from typing import Any

import pytest

from frame_tools.storage.mode import MOUNTS
from tests.infra.bicep.evaluate import Made, Refused, render
from tests.infra.bicep.rules import findings
from tests.infra.deployments import BICEP, SETS, account, deployed, deployment, of_kind

EVERYWHERE = sorted(SETS)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_no_rule_is_broken(name: str) -> None:
    assert findings(deployment(name)) == []


def test_the_sets_cover_what_can_be_chosen() -> None:
    assert {"main", "public", "service_endpoints", "private", "spot_only", "warm_pool"} <= set(SETS)


BREAKS: dict[tuple[str, ...], tuple[str, Any, str]] = {
    ("Web/sites", "properties", "siteConfig"): ("ftpsState", "Disabled", "refuses"),
    ("Web/sites", "properties"): ("httpsOnly", False, "httpsOnly"),
    ("Web/sites/config", "properties"): ("AzureWebJobsStorage", "x", "hides"),
    ("Storage/storageAccounts", "properties"): ("allowSharedKeyAccess", True, "allowSharedKeyAccess"),
    ("Storage/storageAccounts", "properties", "networkAcls"): ("defaultAction", "Allow", "ops account"),
    ("Storage/storageAccounts/blobServices/containers", "properties"): ("publicAccess", "Blob", "public"),
    ("Batch/batchAccounts", "properties"): ("allowedAuthenticationModes", ["AAD", "SharedKey"], "Entra"),
    ("Batch/batchAccounts/pools", "identity"): ("type", "SystemAssigned", "user-assigned"),
    ("Batch/batchAccounts/pools", "properties", "scaleSettings", "autoScale"): ("formula", "__X__", "formula"),
    ("Authorization/roleAssignments",): ("name", "guid-1", "twice"),
    ("Insights/components", "properties"): ("ConnectionString", "a;AccountKey=b", "key or SAS"),
    ("Insights/components",): ("tags", {}, "tags"),
}


@pytest.mark.parametrize("path", BREAKS, ids="-".join)
def test_each_rule_can_fail(path: tuple[str, ...]) -> None:
    key, value, words = BREAKS[path]
    made = deployed()
    for one in of_kind(made, path[0]):
        place: Any = one.body
        for step in path[1:]:
            place = place[step]
        place[key] = value
    assert [said for said in findings(made) if words in said]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"mounts": "nfs", "network": "public"}, "nfs"),
        ({"mounts": "nfs", "uploadFrom": ["any"]}, "nfs"),
        ({"network": "private", "uploadFrom": ["any"]}, "contradicts"),
    ],
)
def test_what_can_not_work_is_refused_with_words(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words) as refusal:
        deployed(**parameters)
    assert "choose" in str(refusal.value)


@pytest.mark.parametrize(
    ("mounts", "kind", "options", "where"),
    [
        ("blobfuse", "azureBlobFileSystemConfiguration", "blobfuseOptions", "containerName"),
        ("nfs", "nfsMountConfiguration", "mountOptions", "source"),
    ],
)
def test_nodes_mount_the_containers_that_hold_frames_and_can_not_write_there(
    mounts: str, kind: str, options: str, where: str
) -> None:
    made = deployed(mounts=mounts)
    (pool,) = of_kind(made, "Batch/batchAccounts/pools")
    found = pool.get("properties", "mountConfiguration")
    assert [list(mount) for mount in found] == [[kind], [kind]]
    assert tuple(mount[kind]["relativeMountPath"] for mount in found) == MOUNTS
    assert tuple(mount[kind][where].rpartition("/")[2] for mount in found) == MOUNTS
    assert all("ro" in mount[kind][options].replace(",", " ").split() for mount in found)
    assert "Key" not in json.dumps(found)
    assert account(made, "stdata").get("properties", "isNfsV3Enabled") is (mounts == "nfs")
    assert account(made, "stops").get("properties", "isNfsV3Enabled") is False


@pytest.mark.parametrize(("mounts", "mode"), [("none", "sdk"), ("blobfuse", "mount"), ("nfs", "mount")])
def test_tasks_read_frames_as_the_pool_mounts_them(mounts: str, mode: str) -> None:
    made = deployed(mounts=mounts)
    (settings,) = of_kind(made, "Web/sites/config")
    (pool,) = of_kind(made, "Batch/batchAccounts/pools")
    assert settings.get("properties", "STORAGE_MODE") == mode
    assert bool(pool.get("properties", "mountConfiguration")) is (mode == "mount")


def rules_of(made: list[Made], beginning: str) -> tuple[str, str, int, list[str]]:
    properties = account(made, beginning).body["properties"]
    rules = properties["networkAcls"]
    allowed = [rule["value"] for rule in rules["ipRules"]]
    return properties["publicNetworkAccess"], rules["defaultAction"], len(rules["virtualNetworkRules"]), allowed


@pytest.mark.parametrize(
    ("network", "upload_from", "data", "ops"),
    [
        ("public", [], ("Enabled", "Deny", 2, []), ("Enabled", "Deny", 2, [])),
        ("serviceEndpoints", ["any"], ("Enabled", "Allow", 2, []), ("Enabled", "Deny", 2, [])),
        (
            "serviceEndpoints",
            ["203.0.113.0/24"],
            ("Enabled", "Deny", 2, ["203.0.113.0/24"]),
            ("Enabled", "Deny", 2, []),
        ),
        ("private", [], ("Disabled", "Deny", 0, []), ("Disabled", "Deny", 0, [])),
        ("private", ["203.0.113.9"], ("Enabled", "Deny", 0, ["203.0.113.9"]), ("Disabled", "Deny", 0, [])),
    ],
)
def test_who_reaches_the_accounts(
    network: str, upload_from: list[str], data: tuple[Any, ...], ops: tuple[Any, ...]
) -> None:
    made = deployed(network=network, uploadFrom=upload_from)
    assert rules_of(made, "stdata") == data
    assert rules_of(made, "stops") == ops


@pytest.mark.parametrize(
    ("name", "gateways", "endpoints", "addresses"),
    [("public", 0, 0, "BatchManaged"), ("main", 1, 0, "NoPublicIPAddresses"), ("private", 1, 7, "NoPublicIPAddresses")],
)
def test_how_nodes_reach_the_world(name: str, gateways: int, endpoints: int, addresses: str) -> None:
    made = deployment(name)
    assert len(of_kind(made, "Network/natGateways")) == gateways
    assert len(of_kind(made, "Network/privateEndpoints")) == endpoints
    (pool,) = of_kind(made, "Batch/batchAccounts/pools")
    assert pool.get("properties", "networkConfiguration", "publicIPAddressConfiguration", "provision") == addresses
    (batch,) = of_kind(made, "Batch/batchAccounts")
    assert batch.get("properties", "publicNetworkAccess") == ("Disabled" if name == "private" else "Enabled")


def test_frames_are_deleted_after_their_days() -> None:
    made = deployed(workRetentionDays=3)
    policies = [one for one in made if one.kind.endswith("managementPolicies")]
    rules = [rule for one in policies for rule in one.get("properties", "policy", "rules")]
    found = [rule["definition"] for rule in rules if rule["name"] == "delete-work"]
    assert [d["filters"]["prefixMatch"] for d in found] == [["work/"]]
    assert [d["actions"]["baseBlob"]["delete"] for d in found] == [{"daysAfterModificationGreaterThan": 3}]
    deleted = {prefix for rule in rules for prefix in rule["definition"]["filters"]["prefixMatch"]}
    assert not deleted & {"input/", "output/", "runs/", "scripts/"}


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_was_deleted_can_be_brought_back_for_a_week(name: str) -> None:
    services = of_kind(deployment(name), "Storage/storageAccounts/blobServices")
    assert len(services) == 2
    for service in services:
        for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
            assert service.get("properties", policy) == {"enabled": True, "days": 7}


@pytest.mark.parametrize("name", EVERYWHERE)
def test_batch_and_both_storage_accounts_send_logs_and_metrics(name: str) -> None:
    settings = of_kind(deployment(name), "Insights/diagnosticSettings")
    watched: dict[str, list[str]] = {}
    for one in settings:
        assert one.scope is not None
        words = [log.get("category") or log["categoryGroup"] for log in one.get("properties", "logs") if log["enabled"]]
        watched.setdefault(str(one.scope.kind), []).append(" ".join(words))
        assert all(metric["enabled"] for metric in one.get("properties", "metrics"))
        assert one.get("properties", "workspaceId")
    blobs = "StorageRead StorageWrite StorageDelete" if name == "private" else "StorageDelete"
    assert watched == {
        "Microsoft.Batch/batchAccounts": ["allLogs"],
        "Microsoft.Storage/storageAccounts/blobServices": [blobs, "StorageDelete"],
        "Microsoft.Storage/storageAccounts/queueServices": ["StorageWrite"],
    }


def test_the_queues_that_are_logged_are_those_of_the_ops_account() -> None:
    """The alert for poison queues reads that log. Modules are laid open in order, each account before its own."""
    kinds = ("Storage/storageAccounts", "Insights/diagnosticSettings")
    seen = [one for one in deployment("main") if one.kind in {f"Microsoft.{kind}" for kind in kinds}]
    (at,) = (i for i, one in enumerate(seen) if one.scope is not None and one.scope.kind.endswith("queueServices"))
    accounts = [str(one.name) for one in seen[:at] if one.scope is None]
    assert accounts[-1].startswith("stops")


def test_the_budget_is_told_to_the_same_people_as_the_alerts() -> None:
    made = deployment("service_endpoints")
    (budget,) = of_kind(made, "Consumption/budgets")
    (group,) = of_kind(made, "Insights/actionGroups")
    told = budget.get("properties", "notifications")
    assert {(one["thresholdType"], one["threshold"]) for one in told.values()} == {("Actual", 80), ("Forecasted", 100)}
    addresses = [one["emailAddress"] for one in group.get("properties", "emailReceivers")]
    assert all(one["contactEmails"] == addresses == ["painter@example.org"] for one in told.values())
    assert (budget.get("properties", "amount"), budget.get("properties", "timePeriod", "startDate")) == (
        200,
        "2026-12-01",
    )
    log_alerts = [
        one.get("properties", "actions")["actionGroups"] for one in of_kind(made, "Insights/scheduledQueryRules")
    ]
    metric_alerts = [one.get("properties", "actions") for one in of_kind(made, "Insights/metricAlerts")]
    assert [len(groups) for groups in [*log_alerts, *metric_alerts]] == [1] * 5


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_app_can_not_grow_without_bound(name: str) -> None:
    (site,) = of_kind(deployment(name), "Web/sites")
    scale = site.get("properties", "functionAppConfig", "scaleAndConcurrency")
    assert scale["maximumInstanceCount"] == 40
    assert scale["triggers"]["http"]["perInstanceConcurrency"] == 16


def test_the_key_of_ones_own_is_used_for_both_accounts() -> None:
    for one in of_kind(deployment("private"), "Storage/storageAccounts"):
        assert one.get("properties", "encryption", "keySource") == "Microsoft.Keyvault"
        assert one.get("properties", "encryption", "identity", "userAssignedIdentity") in one.get(
            "identity", "userAssignedIdentities"
        )


def test_the_second_stage_announces_trigger_files_and_nothing_else() -> None:
    names = {"functionAppName": "app", "topicName": "topic", "opsAccountName": "stops"}
    (subscription,) = render(BICEP / "blobtrigger.bicep", names)
    wanted = subscription.get("properties", "filter")
    assert wanted["subjectBeginsWith"] == "/blobServices/default/containers/triggers/"
    assert wanted["subjectEndsWith"] == ".json"
    endpoint = subscription.get("properties", "destination", "properties", "endpointUrl")
    assert "functionName=Host.Functions.start_run&" in endpoint


def test_alerts_watch_poison_queues_failed_runs_and_the_pool() -> None:
    made = deployment("service_endpoints")
    names = {str(one.name).removeprefix("team-") for one in made if one.file == "alerts.bicep"}
    assert names == {"poison", "run-failed", "resize", "start-task-failed", "nodes-for-hours", "budget-team"}
    assert not [one for one in deployment("main") if one.kind.endswith("budgets")]


def test_tear_down_finds_everything_in_the_group() -> None:
    """No resource of another scope, no lock: `az group delete` takes all of it."""
    for name in EVERYWHERE:
        kinds = {one.kind for one in deployment(name)}
        assert not [kind for kind in kinds if kind.endswith(("locks", "resourceGroups", "policyAssignments"))]
