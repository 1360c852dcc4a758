"""What the templates deploy: the committed parameter sets, and variants that the compiler evaluates."""

import datetime as dt
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from frame_tools.contracts import paths
from frame_tools.contracts.trigger import MAX_TRIGGER_BYTES
from frame_tools.storage.blobs import BlobAccount
from frame_tools.storage.mode import MOUNTS
from frame_tools.storage.sas import MAX_HOURS, guest_settings
from infra.tools.bicep.compiler import BicepError, Compiler, find_bicep
from orchestration.handlers.lost_triggers import has_trigger_name
from tests.infra.conftest import Deploy
from tests.infra.deployments import BICEP, REPOSITORY, SETS, Resource, account, deployment, of_kind, resources_of


def test_sets_cover_the_choices() -> None:
    assert {"main", "public", "service_endpoints", "private", "spot_only", "warm_pool"} <= set(SETS)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"mounts": "nfs", "network": "public"}, ["nfs", "serviceEndpoints"]),
        ({"mounts": "nfs", "uploadFrom": ["any"]}, ["nfs", "any"]),
        ({"network": "private", "uploadFrom": ["any"]}, ["uploadFrom", "private"]),
    ],
)
def test_contradictory_parameters_are_refused(deployed: Deploy, parameters: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(BicepError) as refusal:
        deployed(**parameters)
    assert all(word in str(refusal.value) for word in named)


@pytest.mark.parametrize(
    ("mounts", "kind", "options", "source"),
    [
        ("blobfuse", "azureBlobFileSystemConfiguration", "blobfuseOptions", "containerName"),
        ("nfs", "nfsMountConfiguration", "mountOptions", "source"),
    ],
)
def test_nodes_mount_frame_containers_read_only(
    deployed: Deploy, mounts: str, kind: str, options: str, source: str
) -> None:
    resources = deployed(mounts=mounts)
    (pool,) = of_kind(resources, "Batch/batchAccounts/pools")
    configured = pool.get("properties", "mountConfiguration")
    assert [list(mount) for mount in configured] == [[kind], [kind]]
    assert tuple(mount[kind]["relativeMountPath"] for mount in configured) == MOUNTS
    containers = [re.sub(r"\W+$", "", mount[kind][source].rpartition("/")[2]) for mount in configured]
    if kind == "azureBlobFileSystemConfiguration":
        assert tuple(containers) == MOUNTS
    else:
        assert all(f"'{name}'" in mount[kind][source] for name, mount in zip(MOUNTS, configured, strict=True))
    assert all("ro" in mount[kind][options].replace(",", " ").split() for mount in configured)
    assert "Key" not in json.dumps(configured)
    assert account(resources, "stdata").get("properties", "isNfsV3Enabled") is (mounts == "nfs")
    assert account(resources, "stops").get("properties", "isNfsV3Enabled") is False


@pytest.mark.parametrize(("name", "mode"), [("main", "sdk"), ("private", "mount"), ("service_endpoints", "mount")])
def test_storage_mode_matches_the_mounts(name: str, mode: str) -> None:
    resources = deployment(name)
    (settings,) = [each for each in of_kind(resources, "Web/sites/config") if each.name == "appsettings"]
    (pool,) = of_kind(resources, "Batch/batchAccounts/pools")
    assert settings.get("properties", "STORAGE_MODE") == mode
    assert bool(pool.get("properties", "mountConfiguration")) is (mode == "mount")


NetworkAccess = tuple[str, str, int, list[str]]
"""Public network access, default action, number of subnets, and allowed IP addresses of a storage account."""


def network_of(resources: list[Resource], prefix: str) -> NetworkAccess:
    properties = account(resources, prefix).body["properties"]
    rules = properties["networkAcls"]
    allowed = [rule["value"] for rule in rules["ipRules"]]
    return properties["publicNetworkAccess"], rules["defaultAction"], len(rules["virtualNetworkRules"]), allowed


CLOSED: NetworkAccess = ("Disabled", "Deny", 0, [])
SUBNETS: NetworkAccess = ("Enabled", "Deny", 2, [])


@pytest.mark.parametrize(
    ("parameters", "data", "ops"),
    [
        ({"network": "public"}, SUBNETS, SUBNETS),
        ({"uploadFrom": ["any"]}, ("Enabled", "Allow", 2, []), SUBNETS),
        ({"uploadFrom": ["203.0.113.0/24"]}, ("Enabled", "Deny", 2, ["203.0.113.0/24"]), SUBNETS),
        ({"operateFrom": ["203.0.113.9"]}, SUBNETS, ("Enabled", "Deny", 2, ["203.0.113.9"])),
        ({"network": "private"}, CLOSED, CLOSED),
        ({"network": "private", "uploadFrom": ["203.0.113.9"]}, ("Enabled", "Deny", 0, ["203.0.113.9"]), CLOSED),
    ],
)
def test_account_networks(
    deployed: Deploy, parameters: dict[str, Any], data: tuple[Any, ...], ops: tuple[Any, ...]
) -> None:
    resources = deployed(**parameters)
    assert network_of(resources, "stdata") == data
    assert network_of(resources, "stops") == ops


def test_accounts_admit_both_subnets() -> None:
    resources = deployment("main")
    (vnet,) = of_kind(resources, "Network/virtualNetworks")
    for prefix in ("stdata", "stops"):
        rules = account(resources, prefix).get("properties", "networkAcls", "virtualNetworkRules")
        assert [rule["id"] for rule in rules] == [f"{vnet.id}/subnets/functions", f"{vnet.id}/subnets/batch"]


@pytest.mark.parametrize(
    ("name", "gateways", "endpoints", "addresses"),
    [("public", 0, 0, "BatchManaged"), ("main", 1, 0, "NoPublicIPAddresses"), ("private", 1, 7, "NoPublicIPAddresses")],
)
def test_node_network(name: str, gateways: int, endpoints: int, addresses: str) -> None:
    resources = deployment(name)
    assert len(of_kind(resources, "Network/natGateways")) == gateways
    assert len(of_kind(resources, "Network/privateEndpoints")) == endpoints
    (pool,) = of_kind(resources, "Batch/batchAccounts/pools")
    assert pool.get("properties", "networkConfiguration", "publicIPAddressConfiguration", "provision") == addresses
    (batch,) = of_kind(resources, "Batch/batchAccounts")
    assert batch.get("properties", "publicNetworkAccess") == ("Disabled" if name == "private" else "Enabled")


def test_private_endpoints_reach_all_services() -> None:
    resources = deployment("private")
    connections = [
        (connection["properties"]["groupIds"], connection["properties"]["privateLinkServiceId"])
        for item in of_kind(resources, "Network/privateEndpoints")
        for connection in item.get("properties", "privateLinkServiceConnections")
    ]
    targets = sorted(
        (groups[0], re.sub(r"^.*/(stdata|stops|ba|cr)\w+$", r"\1", target)) for groups, target in connections
    )
    assert targets == [
        ("batchAccount", "ba"),
        ("blob", "stdata"),
        ("blob", "stops"),
        ("nodeManagement", "ba"),
        ("queue", "stops"),
        ("registry", "cr"),
        ("table", "stops"),
    ]
    ids = {resource.id for resource in resources}
    assert {target for _, target in connections} <= ids
    zones = of_kind(resources, "Network/privateDnsZones")
    assert len(zones) == len(of_kind(resources, "Network/privateDnsZones/virtualNetworkLinks")) == 5
    groups = of_kind(resources, "Network/privateEndpoints/privateDnsZoneGroups")
    used = [item.get("properties", "privateDnsZoneConfigs")[0]["properties"]["privateDnsZoneId"] for item in groups]
    assert set(used) == {zone.id for zone in zones}
    for item, zone in zip(groups, used, strict=True):
        group = item.get("properties", "privateDnsZoneConfigs")[0]["name"]
        assert {"registry": "azurecr", "batchAccount": "batch", "nodeManagement": "batch"}.get(group, group) in zone


@pytest.mark.parametrize("hours", [1, MAX_HOURS])
def test_guest_urls_keep_the_sas_policy(hours: int) -> None:
    """The policy limits the time from start to expiry, and blocks a URL that is longer."""
    intervals: list[dt.timedelta] = []

    def signed_url(_container: str, *, permissions: str, start: dt.datetime, end: dt.datetime) -> str:
        intervals.append(end - start)
        return permissions

    fake = SimpleNamespace(signed_url=signed_url)
    guest_settings(cast(BlobAccount, fake), hours=hours, now=dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
    policy = account(deployment("main"), "stdata").get("properties", "sasPolicy")
    days, clock = policy["sasExpirationPeriod"].split(".")
    period = dt.timedelta(days=int(days), hours=int(clock.partition(":")[0]))
    assert policy["expirationAction"] == "Block"
    assert len(intervals) == 3
    assert all(interval == dt.timedelta(hours=hours) <= period for interval in intervals)
    assert period == dt.timedelta(hours=MAX_HOURS)


def test_work_container_expires(deployed: Deploy) -> None:
    resources = deployed(workRetentionDays=3)
    policies = [item for item in resources if item.kind.endswith("managementPolicies")]
    rules = [rule for item in policies for rule in item.get("properties", "policy", "rules")]
    (work,) = [rule["definition"] for rule in rules if rule["name"] == "delete-work"]
    assert work["filters"]["prefixMatch"] == ["work/"]
    assert work["actions"]["baseBlob"]["delete"] == {"daysAfterModificationGreaterThan": 3}
    prefixes = {prefix for rule in rules for prefix in rule["definition"]["filters"]["prefixMatch"]}
    assert not prefixes & {"input/", "output/", "scripts/"}
    (runs,) = [rule["definition"] for rule in rules if rule["name"] == "delete-runs"]
    # Far longer than a run may take, and than the sweep looks back for lost events.
    assert runs["actions"]["baseBlob"]["delete"] == {"daysAfterModificationGreaterThan": 365}


@pytest.mark.parametrize("name", sorted(SETS))
def test_soft_delete_keeps_blobs_for_a_week(name: str) -> None:
    services = of_kind(deployment(name), "Storage/storageAccounts/blobServices")
    assert len(services) == 2
    for service in services:
        for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
            assert service.get("properties", policy) == {"enabled": True, "days": 7}


@pytest.mark.parametrize("name", sorted(SETS))
def test_batch_and_storage_send_logs_and_metrics(name: str) -> None:
    logged: dict[str, list[str]] = {}
    for setting in of_kind(deployment(name), "Insights/diagnosticSettings"):
        categories = [log.get("category") or log["categoryGroup"] for log in setting.get("properties", "logs")]
        assert all(item["enabled"] for key in ("logs", "metrics") for item in setting.get("properties", key))
        assert setting.get("properties", "workspaceId")
        owner = re.sub(r"^.*/providers/Microsoft\.(?:Storage/storageAccounts|Batch/batchAccounts)/", "", setting.scope)
        logged[re.sub(r"^(stdata|stops|ba)\w+", r"\1", owner)] = categories
    assert logged == {
        "ba": ["allLogs"],
        "stdata/blobServices/default": ["StorageRead", "StorageWrite", "StorageDelete"]
        if name == "private"
        else ["StorageDelete"],
        "stops/blobServices/default": ["StorageDelete"],
        # The alert on poison queues reads this log.
        "stops/queueServices/default": ["StorageWrite"],
    }


def test_budget_notifies_the_alert_addresses() -> None:
    resources = deployment("service_endpoints")
    (budget,) = of_kind(resources, "Consumption/budgets")
    (group,) = of_kind(resources, "Insights/actionGroups")
    notifications = budget.get("properties", "notifications").values()
    assert {(item["thresholdType"], item["threshold"]) for item in notifications} == {
        ("Actual", 80),
        ("Forecasted", 100),
    }
    addresses = [receiver["emailAddress"] for receiver in group.get("properties", "emailReceivers")]
    assert all(item["contactEmails"] == addresses == ["painter@example.org"] for item in notifications)
    assert budget.get("properties", "amount") == 200
    assert budget.get("properties", "timePeriod", "startDate") == "2026-12-01"
    log_alerts = of_kind(resources, "Insights/scheduledQueryRules")
    metric_alerts = of_kind(resources, "Insights/metricAlerts")
    assert [item.get("properties", "actions", "actionGroups") for item in log_alerts] == [[group.id]] * 3
    assert [item.get("properties", "actions") for item in metric_alerts] == [[{"actionGroupId": group.id}]] * 3


def test_budget_starts_this_month_by_default(deployed: Deploy) -> None:
    resources = deployed(monthlyBudget=10, alertEmails=["painter@example.org"])
    (budget,) = of_kind(resources, "Consumption/budgets")
    assert budget.get("properties", "timePeriod", "startDate") == "[utcNow('yyyy-MM-01')]"
    assert not of_kind(deployment("main"), "Consumption/budgets")


@pytest.mark.parametrize("name", sorted(SETS))
def test_instances_are_limited(name: str) -> None:
    (site,) = of_kind(deployment(name), "Web/sites")
    scale = site.get("properties", "functionAppConfig", "scaleAndConcurrency")
    assert scale["maximumInstanceCount"] == 40
    assert scale["triggers"]["http"]["perInstanceConcurrency"] == 16
    ready = [{"name": "http", "instanceCount": 1}, {"name": "blob", "instanceCount": 1}]
    assert scale["alwaysReady"] == (ready if name == "warm_pool" else [])


def test_customer_key_encrypts_both_accounts() -> None:
    for item in of_kind(deployment("private"), "Storage/storageAccounts"):
        assert item.get("properties", "encryption", "keySource") == "Microsoft.Keyvault"
        identity = item.get("properties", "encryption", "identity", "userAssignedIdentity")
        assert identity in item.get("identity", "userAssignedIdentities")


def test_event_subscription_filters_trigger_files(deployed: Deploy) -> None:
    """The sweep finds lost events by the same pattern, and the app has the same limit of bytes."""
    parameters = {"functionAppName": "app", "topicName": "topic", "opsAccountName": "stops"}
    (subscription,) = deployed(BICEP / "blobtrigger.bicep", **parameters)
    rules = subscription.get("properties", "filter")
    assert rules["subjectBeginsWith"] == f"/blobServices/default/containers/{paths.TRIGGERS}/"
    assert not rules.get("isSubjectCaseSensitive", False)
    assert [has_trigger_name(f"clip{suffix}") for suffix in (rules["subjectEndsWith"], ".JSON", ".txt")] == [
        True,
        True,
        False,
    ]
    (size,) = [each for each in rules["advancedFilters"] if each["key"] == "data.contentLength"]
    assert (size["operatorType"], size["value"]) == ("NumberLessThanOrEquals", MAX_TRIGGER_BYTES)
    endpoint = subscription.get("properties", "destination", "properties", "endpointUrl")
    assert "functionName=Host.Functions.start_run&" in endpoint


def test_alerts_watch_runs_queues_and_pool() -> None:
    resources = deployment("warm_pool")
    alerts = of_kind(resources, "Insights/scheduledQueryRules") + of_kind(resources, "Insights/metricAlerts")
    assert {item.name.removeprefix("warm-") for item in alerts} == {
        "poison",
        "run-failed",
        "resize",
        "start-task-failed",
        "dedicated-nodes-for-hours",
        "spot-nodes-for-hours",
    }


def test_idle_node_alerts_count_both_kinds_of_nodes() -> None:
    """Batch reports only the sum of a window, one sample a minute, and counts Spot nodes apart."""
    alerts = of_kind(deployment("warm_pool"), "Insights/metricAlerts")
    criteria = {item.name: item.get("properties", "criteria", "allOf")[0] for item in alerts}
    for name, metric in (("dedicated", "TotalNodeCount"), ("spot", "TotalLowPriorityNodeCount")):
        criterion = criteria[f"warm-{name}-nodes-for-hours"]
        assert (criterion["metricName"], criterion["timeAggregation"]) == (metric, "Total")
        assert (criterion["operator"], criterion["threshold"]) == ("GreaterThanOrEqual", 2 * 6 * 60)


SAMPLED_TYPES = {"AppTraces": "Trace", "AppExceptions": "Exception", "AppRequests": "Request", "AppEvents": "Event"}
"""Table -> type of telemetry in host.json. The host samples neither metrics nor the logs of other services."""


@pytest.mark.parametrize("path", sorted((BICEP / "queries").glob("*.kql")), ids=lambda path: path.stem)
def test_rows_that_alerts_and_workbook_read_are_not_sampled(path: Path) -> None:
    host = json.loads((REPOSITORY / "host.json").read_text(encoding="utf-8"))
    excluded = host["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
    tables = set(re.findall(r"^[A-Z]\w+$", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(tables) == 1
    unsampled = {"AppMetrics", "AzureDiagnostics", "StorageQueueLogs"}
    assert {SAMPLED_TYPES[table] for table in tables - unsampled} <= set(excluded)


def test_log_alert_window_exceeds_the_ingestion_delay() -> None:
    for item in of_kind(deployment("main"), "Insights/scheduledQueryRules"):
        assert item.get("properties", "windowSize") == "PT30M"
        assert item.get("properties", "evaluationFrequency") == "PT5M"


@pytest.mark.parametrize("name", sorted(SETS))
def test_everything_is_in_the_resource_group(name: str) -> None:
    """Deleting the group deletes everything: no resource in another scope, no lock."""
    for resource in deployment(name):
        assert "/resourceGroups/impasto/" in resource.id or resource.id.startswith("[resourceId('00000000")
        assert not resource.kind.endswith(("locks", "resourceGroups", "policyAssignments"))


@pytest.mark.parametrize("name", ["a" * 21, "paint-the-whole-town-in-blue-" + "x" * 35])
def test_long_environment_names_fit(deployed: Deploy, name: str) -> None:
    assert len(name) <= 64
    limits = {
        "Web/sites": 60,
        "Web/serverfarms": 60,
        "OperationalInsights/workspaces": 63,
        "EventGrid/systemTopics": 50,
        "Network/virtualNetworks": 64,
    }
    resources = deployed(environmentName=name)
    for kind, limit in limits.items():
        for resource in of_kind(resources, kind):
            assert len(resource.name) <= limit
            assert resource.name[-1].isalnum()


def test_parameters_come_from_the_environment() -> None:
    """azd users set every parameter by `azd env set`, so no tracked file needs an edit."""
    template = (BICEP / "main.bicep").read_text(encoding="utf-8")
    file = (BICEP / "main.bicepparam").read_text(encoding="utf-8")
    set_by_azd = {"location", "currentMonth"}
    assert set(re.findall(r"^param (\w+)", template, re.M)) - set_by_azd == set(re.findall(r"^param (\w+)", file, re.M))
    for line in re.findall(r"^param .*$", file, re.M):
        assert "readEnvironmentVariable(" in line


def deployed_from(variables: dict[str, str]) -> list[Resource]:
    """Return what main.bicepparam deploys with these variables of the environment."""
    with Compiler(find_bicep(os.environ), variables) as compiler:
        return resources_of(compiler.snapshot(BICEP / "main.bicepparam"))


def test_empty_variables_count_as_unset() -> None:
    """Pipelines pass variables without a value as empty text."""
    file = (BICEP / "main.bicepparam").read_text(encoding="utf-8")
    names = re.findall(r"readEnvironmentVariable\('(\w+)'", file)
    assert [item.body for item in deployed_from(dict.fromkeys(names, ""))] == [item.body for item in deployment("main")]


def test_variables_set_the_parameters() -> None:
    addresses = {"IMPASTO_UPLOAD_FROM": "none", "IMPASTO_OPERATE_FROM": "203.0.113.7,,198.51.100.0/24"}
    resources = deployed_from({**addresses, "IMPASTO_NETWORK": "public", "IMPASTO_MAXIMUM_INSTANCES": "3"})
    assert network_of(resources, "stdata")[3] == []
    assert network_of(resources, "stops")[3] == ["203.0.113.7", "198.51.100.0/24"]
    assert not of_kind(resources, "Network/natGateways")
    (site,) = of_kind(resources, "Web/sites")
    assert site.get("properties", "functionAppConfig", "scaleAndConcurrency", "maximumInstanceCount") == 3


def test_invalid_choice_of_a_variable_is_refused() -> None:
    with pytest.raises(BicepError, match="serviceEndpoints"):
        deployed_from({"IMPASTO_NETWORK": "closed"})


def test_sign_in_leaves_webhooks_and_api_to_their_own_keys() -> None:
    """Without the exclusion, Event Grid could not deliver: no run would ever start."""
    for name in ("main", "private"):
        kinds = [each.name for each in of_kind(deployment(name), "Web/sites/config")]
        assert [kind for kind in kinds if kind == "authsettingsV2"] == []
    resources = of_kind(deployment("service_endpoints"), "Web/sites/config")
    (authentication,) = [each for each in resources if each.name == "authsettingsV2"]
    validation = authentication.get("properties", "globalValidation")
    assert (validation["requireAuthentication"], validation["unauthenticatedClientAction"]) == (
        True,
        "RedirectToLoginPage",
    )
    assert {"/runtime/webhooks/*", "/api/*"} <= set(validation["excludedPaths"])
    assert not any(path.startswith("/ui/parts") or path in ("/*", "/ui/*") for path in validation["excludedPaths"])
