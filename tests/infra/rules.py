"""Rules that the compiler does not know: what Azure's services refuse although the types fit, and what we demand.

Each rule is a function from the resources of one deployment to findings. A value that only a deployment knows is an
expression in brackets. The reasons, with sources, are in docs/deploy.md and docs/security.md.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.infra.deployments import Resource, of_kind

FLEX_REFUSES = {
    "ftpsState", "use32BitWorkerProcess", "alwaysOn", "netFrameworkVersion", "preWarmedInstanceCount", "linuxFxVersion",
    "functionsRuntimeScaleMonitoringEnabled", "windowsFxVersion", "javaVersion", "powerShellVersion", "pythonVersion",
    "functionAppScaleLimit",
}  # fmt: skip
"""Members of `siteConfig` that Flex Consumption refuses (ARM error 51021)."""
FLEX_IGNORES = {
    "FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION", "FUNCTIONS_EXTENSION_VERSION",
    "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTSHARE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT", "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD",
    "WEBSITE_TIME_ZONE", "TZ",
}  # fmt: skip
"""App settings that Flex Consumption refuses or ignores."""
SECRET = re.compile(r"listKeys|listAccountSas|listServiceSas|AccountKey=|SharedAccessSignature|[?&]sig=", re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?")
_UNTAGGED = (
    "diagnosticSettings", "roleAssignments", "budgets", "config", "Policies", "eventSubscriptions", "pools", "Services",
    "containers", "queues", "managementPolicies", "privateDnsZoneGroups",
)  # fmt: skip
Found = Iterator[tuple[Resource, str]]


def findings(resources: Sequence[Resource]) -> list[str]:
    """Return what the rules find in a deployment, one line per finding: rule, resource id, message."""
    return [f"{rule.__name__} {item.id}: {text}" for rule in RULES for item, text in rule(resources)]


def flex_site(resources: Sequence[Resource]) -> Found:
    for site in of_kind(resources, "Web/sites"):
        if refused := FLEX_REFUSES & set(site.get("properties", "siteConfig") or {}):
            yield site, f"Flex Consumption refuses {sorted(refused)} in siteConfig"


def site_https(resources: Sequence[Resource]) -> Found:
    for site in of_kind(resources, "Web/sites"):
        if site.get("properties", "httpsOnly") is not True:
            yield site, "httpsOnly is not true"


def _settings(resources: Sequence[Resource]) -> Iterator[tuple[Resource, set[str]]]:
    for settings in of_kind(resources, "Web/sites/config"):
        yield settings, set(settings.get("properties") or {})
    for site in of_kind(resources, "Web/sites"):
        yield site, {item["name"] for item in site.get("properties", "siteConfig", "appSettings") or []}


def flex_settings(resources: Sequence[Resource]) -> Found:
    for owner, names in _settings(resources):
        if ignored := FLEX_IGNORES & names:
            yield owner, f"Flex Consumption refuses or ignores the settings {sorted(ignored)}"


def host_storage(resources: Sequence[Resource]) -> Found:
    for owner, names in _settings(resources):
        if "AzureWebJobsStorage" in names:
            yield owner, "the plain AzureWebJobsStorage hides the settings with an identity"


def trigger_connection(resources: Sequence[Resource]) -> Found:
    for owner, names in _settings(resources):
        for name in sorted(name for name in names if name.endswith("__serviceUri")):
            yield owner, f"{name}: the blob trigger needs __blobServiceUri and __queueServiceUri"


_DEMANDS = {
    "allowSharedKeyAccess": False,
    "allowBlobPublicAccess": False,
    "allowCrossTenantReplication": False,
    "supportsHttpsTrafficOnly": True,
    "minimumTlsVersion": "TLS1_2",
}


def storage_properties(resources: Sequence[Resource]) -> Found:
    for account in of_kind(resources, "Storage/storageAccounts"):
        for name, value in _DEMANDS.items():
            if account.get("properties", name) != value:
                yield account, f"{name} is not {value}"


def storage_name(resources: Sequence[Resource]) -> Found:
    for account in of_kind(resources, "Storage/storageAccounts"):
        if not re.fullmatch(r"[a-z0-9]{3,24}", account.name):
            yield account, f"{account.name!r} is not a valid name of a storage account"


def trusted_services(resources: Sequence[Resource]) -> Found:
    for account in of_kind(resources, "Storage/storageAccounts"):
        bypass = account.get("properties", "networkAcls", "bypass") or ""
        if "AzureServices" not in re.split(r",\s*", bypass):
            yield account, "Event Grid writes dead letters as a trusted service: bypass needs AzureServices"


def _is_open(account: Resource) -> bool:
    return bool(account.get("properties", "networkAcls", "defaultAction") != "Deny")


def nfs_network(resources: Sequence[Resource]) -> Found:
    for account in of_kind(resources, "Storage/storageAccounts"):
        if account.get("properties", "isNfsV3Enabled") and _is_open(account):
            yield account, "NFS 3 is refused for an account that is open to all networks"


def ops_network(resources: Sequence[Resource]) -> Found:
    for account in of_kind(resources, "Storage/storageAccounts"):
        if account.name.startswith("stops") and _is_open(account):
            yield account, "the ops account is open to all networks"


def public_containers(resources: Sequence[Resource]) -> Found:
    for container in of_kind(resources, "Storage/storageAccounts/blobServices/containers"):
        if container.get("properties", "publicAccess") != "None":
            yield container, "the container can be made public"


def event_identity(resources: Sequence[Resource]) -> Found:
    for subscription in of_kind(resources, "EventGrid/systemTopics/eventSubscriptions"):
        for name in ("deliveryWithResourceIdentity", "deadLetterWithResourceIdentity"):
            identity = subscription.get("properties", name, "identity", "type")
            if identity not in (None, "SystemAssigned"):
                yield subscription, f"{name}: only a system-assigned identity passes a storage firewall"
    for topic in of_kind(resources, "EventGrid/systemTopics"):
        if topic.get("identity", "type") != "SystemAssigned":
            yield topic, "the topic has no system-assigned identity"


def batch_keys(resources: Sequence[Resource]) -> Found:
    for account in of_kind(resources, "Batch/batchAccounts"):
        if account.get("properties", "allowedAuthenticationModes") != ["AAD"]:
            yield account, "authentication modes other than Entra ID are allowed"


def batch_version(resources: Sequence[Resource]) -> Found:
    for resource in resources:
        if resource.kind.startswith("Microsoft.Batch/") and resource.body["apiVersion"] < "2025-06-01":
            yield resource, "API versions before 2025-06-01 are announced for retirement"


def pool_identity(resources: Sequence[Resource]) -> Found:
    for pool in of_kind(resources, "Batch/batchAccounts/pools"):
        if pool.get("identity", "type") != "UserAssigned":
            yield pool, "a pool accepts user-assigned identities only"


def pool_scaling(resources: Sequence[Resource]) -> Found:
    for pool in of_kind(resources, "Batch/batchAccounts/pools"):
        scale = pool.get("properties", "scaleSettings", "autoScale") or {}
        formula = scale.get("formula", "")
        if not formula or "__" in formula or len(formula.encode()) > 8192:
            yield pool, "the formula is empty, has a placeholder left or is longer than 8 KB"
        interval = _TIME.fullmatch(scale.get("evaluationInterval", ""))
        if not interval or int(interval[1] or 0) * 60 + int(interval[2] or 0) < 5:
            yield pool, "the shortest evaluation interval is five minutes"


def pool_network(resources: Sequence[Resource]) -> Found:
    endpoints = of_kind(resources, "Network/privateEndpoints")
    has_endpoint = any("nodeManagement" in text for item in endpoints for text in _texts(item.body))
    has_exit = has_endpoint or bool(of_kind(resources, "Network/natGateways"))
    for pool in of_kind(resources, "Batch/batchAccounts/pools"):
        network = pool.get("properties", "networkConfiguration", "publicIPAddressConfiguration", "provision")
        if network == "NoPublicIPAddresses" and not has_exit:
            yield pool, "the nodes cannot reach the node management endpoint"


def pool_agent(resources: Sequence[Resource]) -> Found:
    for pool in of_kind(resources, "Batch/batchAccounts/pools"):
        machine = pool.get("properties", "deploymentConfiguration", "virtualMachineConfiguration") or {}
        sku, agent = machine["imageReference"]["sku"], machine["nodeAgentSkuId"]
        if agent != f"batch.node.ubuntu {sku[:2]}.{sku[2:]}":
            yield pool, f"the node agent {agent!r} does not fit the image {sku!r}"


def role_assignments(resources: Sequence[Resource]) -> Found:
    seen: set[object] = set()
    for role in of_kind(resources, "Authorization/roleAssignments"):
        right = (role.scope, role.get("properties", "principalId"), role.get("properties", "roleDefinitionId"))
        if {right, role.name} & seen:
            yield role, "the same assignment twice"
        seen |= {right, role.name}
        if not _GUID.fullmatch(role.name):
            yield role, "the name is not known before the deployment"
        if not role.get("properties", "principalType"):
            yield role, "without principalType a new identity is not found for minutes"


def predictable_ids(resources: Sequence[Resource]) -> Found:
    for resource in resources:
        if "reference(" in resource.id:
            yield resource, "the resource id depends on a value that is known only during the deployment"


def tags(resources: Sequence[Resource]) -> Found:
    for resource in resources:
        if not resource.kind.endswith(_UNTAGGED) and "azd-env-name" not in (resource.body.get("tags") or {}):
            yield resource, "without tags its cost cannot be attributed"


def secrets(resources: Sequence[Resource]) -> Found:
    for resource in resources:
        for text in _texts(resource.body):
            if match := SECRET.search(text):
                yield resource, f"a key or SAS: {match[0]} in {text[:60]!r}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


RULES: Sequence[Callable[[Sequence[Resource]], Found]] = (
    flex_site,
    site_https,
    flex_settings,
    host_storage,
    trigger_connection,
    storage_properties,
    storage_name,
    trusted_services,
    nfs_network,
    ops_network,
    public_containers,
    event_identity,
    batch_keys,
    batch_version,
    pool_identity,
    pool_scaling,
    pool_network,
    pool_agent,
    role_assignments,
    predictable_ids,
    tags,
    secrets,
)
