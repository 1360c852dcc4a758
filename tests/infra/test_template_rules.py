"""Each parameter set keeps the rules of the services and ours, and each rule can fail."""

from typing import Any

import pytest

from tests.infra.conftest import Deploy
from tests.infra.deployments import BICEP, SETS, Resource, deployment, of_kind
from tests.infra.rules import RULES, findings


@pytest.mark.parametrize("name", sorted(SETS))
def test_parameter_set_keeps_all_rules(name: str) -> None:
    assert findings(deployment(name)) == []


def test_second_stage_keeps_all_rules_but_one(deployed: Deploy) -> None:
    """The subscription reads the key of the host, which is documented as the only key."""
    found = findings(subscription(deployed))
    assert [line.partition(" ")[0] for line in found] == ["secrets"]
    assert "listKeys" in found[0]


def subscription(deployed: Deploy) -> list[Resource]:
    return deployed(BICEP / "blobtrigger.bicep", functionAppName="app", topicName="topic", opsAccountName="stops")


POOL = "Batch/batchAccounts/pools"
ACCOUNT = "Storage/storageAccounts"
SITE = "Web/sites"
ROLE = "Authorization/roleAssignments"
BREAKS: list[tuple[str, str, tuple[str, ...], Any]] = [
    ("flex_site", SITE, ("properties", "siteConfig", "ftpsState"), "Disabled"),
    ("flex_site", SITE, ("properties", "siteConfig", "javaVersion"), "17"),
    ("site_https", SITE, ("properties", "httpsOnly"), False),
    ("flex_settings", "Web/sites/config", ("properties", "FUNCTIONS_WORKER_RUNTIME"), "python"),
    ("flex_settings", SITE, ("properties", "siteConfig", "appSettings"), [{"name": "TZ", "value": "UTC"}]),
    ("host_storage", "Web/sites/config", ("properties", "AzureWebJobsStorage"), "x"),
    ("trigger_connection", "Web/sites/config", ("properties", "DATA__serviceUri"), "https://x"),
    ("storage_properties", ACCOUNT, ("properties", "allowSharedKeyAccess"), True),
    ("storage_properties", ACCOUNT, ("properties", "minimumTlsVersion"), "TLS1_0"),
    ("storage_name", ACCOUNT, ("name",), "No-Name"),
    ("trusted_services", ACCOUNT, ("properties", "networkAcls", "bypass"), "Metrics, Logging"),
    ("nfs_network", ACCOUNT, ("properties", "networkAcls", "defaultAction"), "Allow"),
    ("ops_network", ACCOUNT, ("properties", "networkAcls", "defaultAction"), "Allow"),
    ("public_containers", f"{ACCOUNT}/blobServices/containers", ("properties", "publicAccess"), "Blob"),
    ("event_identity", "EventGrid/systemTopics", ("identity", "type"), "UserAssigned"),
    ("batch_keys", "Batch/batchAccounts", ("properties", "allowedAuthenticationModes"), ["AAD", "SharedKey"]),
    ("batch_version", POOL, ("apiVersion",), "2024-07-01"),
    ("pool_identity", POOL, ("identity", "type"), "SystemAssigned"),
    ("pool_scaling", POOL, ("properties", "scaleSettings", "autoScale", "formula"), "a = __X__;"),
    ("pool_scaling", POOL, ("properties", "scaleSettings", "autoScale", "formula"), "a" * 9000),
    ("pool_scaling", POOL, ("properties", "scaleSettings", "autoScale", "evaluationInterval"), "PT4M"),
    ("pool_network", "Network/natGateways", ("type",), "Microsoft.Network/other"),
    (
        "pool_agent",
        POOL,
        ("properties", "deploymentConfiguration", "virtualMachineConfiguration", "imageReference", "sku"),
        "2204",
    ),
    ("role_assignments", ROLE, ("name",), "11111111-1111-1111-1111-111111111111"),
    ("role_assignments", ROLE, ("name",), "[guid(reference('x').principalId)]"),
    ("role_assignments", ROLE, ("properties", "principalType"), None),
    ("predictable_ids", "Insights/components", ("id",), "[resourceId('x', reference('y').name)]"),
    ("tags", "Insights/components", ("tags",), {}),
    ("secrets", "Insights/components", ("properties", "ConnectionString"), "a;AccountKey=b"),
    ("secrets", SITE, ("properties", "x"), "[listServiceSas(resourceId('x'), '2025-06-01').serviceSasToken]"),
]


@pytest.mark.parametrize(
    ("rule", "kind", "path", "value"),
    BREAKS,
    ids=[f"{rule}-{path[-1]}-{i}" for i, (rule, _, path, _) in enumerate(BREAKS)],
)
def test_rule_finds_the_fault(rule: str, kind: str, path: tuple[str, ...], value: Any) -> None:
    resources = deployment("service_endpoints")
    for resource in of_kind(resources, kind):
        place = resource.body
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
    assert rule in {line.partition(" ")[0] for line in findings(resources)}


def test_rule_rejects_user_assigned_event_identity(deployed: Deploy) -> None:
    resources = subscription(deployed)
    resources[0].body["properties"]["deadLetterWithResourceIdentity"]["identity"]["type"] = "UserAssigned"
    assert "event_identity" in {line.partition(" ")[0] for line in findings(resources)}


def test_pool_without_public_address_accepts_a_private_endpoint() -> None:
    resources = [item for item in deployment("private") if not item.kind.endswith("natGateways")]
    assert findings(resources) == []
    resources = [item for item in resources if not item.kind.endswith("privateEndpoints")]
    assert [line.partition(" ")[0] for line in findings(resources)] == ["pool_network"]


def test_every_rule_has_a_fault() -> None:
    assert {rule for rule, *_ in BREAKS} == {rule.__name__ for rule in RULES}
