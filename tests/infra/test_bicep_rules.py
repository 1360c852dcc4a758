"""What the templates would deploy, for each parameter set, against the rules of the services and our own."""

import json
from typing import Any

import pytest

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
    ("mounts", "kind"), [("blobfuse", "azureBlobFileSystemConfiguration"), ("nfs", "nfsMountConfiguration")]
)
def test_a_mount_is_the_container_work(mounts: str, kind: str) -> None:
    made = deployed(mounts=mounts)
    (pool,) = of_kind(made, "Batch/batchAccounts/pools")
    (mount,) = pool.get("properties", "mountConfiguration")
    assert list(mount) == [kind]
    assert "work" in json.dumps(mount)
    assert account(made, "stdata").get("properties", "isNfsV3Enabled") is (mounts == "nfs")
    assert account(made, "stops").get("properties", "isNfsV3Enabled") is False


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
