"""What Azure's services refuse although every type fits, and what this project asks of its templates.

Each rule is a function from the resources of one deployment to findings. The reasons with sources: docs/deploy.md.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.infra.bicep.evaluate import Made, Unknown

FLEX_REFUSES = {
    "ftpsState", "use32BitWorkerProcess", "alwaysOn", "netFrameworkVersion", "preWarmedInstanceCount", "linuxFxVersion",
    "functionsRuntimeScaleMonitoringEnabled", "windowsFxVersion", "pythonVersion", "functionAppScaleLimit",
}  # fmt: skip
FLEX_IGNORES = {
    "FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTSHARE",
    "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD", "WEBSITE_TIME_ZONE", "TZ",
}  # fmt: skip
SECRET = re.compile(r"listKeys|listAccountSas|AccountKey=|SharedAccessSignature|[?&]sig=", re.IGNORECASE)
KEY_FILES = {"blobtrigger.bicep"}
Found = Iterator[tuple[Made, str]]


def findings(made: Sequence[Made]) -> list[str]:
    """Return what any rule says about a deployment, one line each."""
    return [f"{one.file}:{one.line} {one.kind}: {said}" for rule in RULES for one, said in rule(made)]


def _of(made: Sequence[Made], kind: str) -> list[Made]:
    return [one for one in made if one.kind == kind]


def _flex(made: Sequence[Made]) -> Found:
    for site in _of(made, "Microsoft.Web/sites"):
        if refused := FLEX_REFUSES & set(site.get("properties", "siteConfig") or {}):
            yield site, f"Flex Consumption refuses {sorted(refused)} in siteConfig"
        if site.get("properties", "httpsOnly") is not True:
            yield site, "httpsOnly is not set"
    for settings in _of(made, "Microsoft.Web/sites/config"):
        names = set(settings.get("properties") or {})
        if refused := FLEX_IGNORES & names:
            yield settings, f"Flex Consumption refuses or ignores the settings {sorted(refused)}"
        if "AzureWebJobsStorage" in names:
            yield settings, "the plain AzureWebJobsStorage hides the identity's form"
        for name in sorted(name for name in names if name.endswith("__serviceUri")):
            yield settings, f"{name}: the blob trigger needs __blobServiceUri and __queueServiceUri"


def _storage(made: Sequence[Made]) -> Found:
    demands = {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "supportsHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
    }
    for account in _of(made, "Microsoft.Storage/storageAccounts"):
        for name, wanted in demands.items():
            if account.get("properties", name) != wanted:
                yield account, f"{name} is not {wanted}"
        if not re.fullmatch(r"[a-z0-9]{3,24}", str(account.name)):
            yield account, f"{account.name!r} can't be an account's name"
        if "AzureServices" not in account.get("properties", "networkAcls", "bypass"):
            yield account, "Event Grid's dead letters come in as a trusted service only"
        if account.get("properties", "isNfsV3Enabled") and _is_open(account):
            yield account, "NFS 3 is refused for an account that is open to all networks"
    for container in _of(made, "Microsoft.Storage/storageAccounts/blobServices/containers"):
        if container.get("properties", "publicAccess") != "None":
            yield container, "the container can be made public"


def _is_open(account: Made) -> bool:
    return bool(account.get("properties", "networkAcls", "defaultAction") != "Deny")


def _ops_is_closed(made: Sequence[Made]) -> Found:
    for account in _of(made, "Microsoft.Storage/storageAccounts"):
        rules = account.get("properties", "networkAcls") or {}
        if str(account.name).startswith("stops") and (_is_open(account) or rules["ipRules"]):
            yield account, "the ops account lets in more than the subnets"


def _batch(made: Sequence[Made]) -> Found:
    for account in _of(made, "Microsoft.Batch/batchAccounts"):
        if account.get("properties", "allowedAuthenticationModes") != ["AAD"]:
            yield account, "only Entra ID may open the account"
    for pool in _of(made, "Microsoft.Batch/batchAccounts/pools"):
        if pool.get("identity", "type") != "UserAssigned":
            yield pool, "a pool takes user-assigned identities only"
        scale = pool.get("properties", "scaleSettings", "autoScale") or {}
        if "__" in scale.get("formula", "__") or len(scale["formula"].encode()) > 8192:
            yield pool, "the formula has a name left, or more than 8 KB"
        minutes = re.fullmatch(r"PT(\d+)M", scale.get("evaluationInterval", ""))
        if not minutes or int(minutes[1]) < 5:
            yield pool, "the pool is evaluated every five minutes at most"
        network = pool.get("properties", "networkConfiguration", "publicIPAddressConfiguration", "provision")
        if network == "NoPublicIPAddresses" and not _of(made, "Microsoft.Network/natGateways"):
            yield pool, "the nodes have no way out"
        sku = pool.get("properties", "deploymentConfiguration", "virtualMachineConfiguration", "imageReference", "sku")
        agent = pool.get("properties", "deploymentConfiguration", "virtualMachineConfiguration", "nodeAgentSkuId")
        if agent != f"batch.node.ubuntu {sku[:2]}.{sku[2:]}":
            yield pool, f"the node agent {agent!r} is for another image than {sku!r}"


def _roles(made: Sequence[Made]) -> Found:
    names: set[Any] = set()
    for role in _of(made, "Microsoft.Authorization/roleAssignments"):
        if role.file != "roles.bicep":
            yield role, "a right outside roles.bicep"
        if role.name in names:
            yield role, "the same right twice"
        names.add(role.name)
        if not str(role.name).startswith("guid-"):
            yield role, "the name does not follow from who, where and what"
        if not role.get("properties", "principalType"):
            yield role, "without principalType a fresh identity is not found for minutes"


def _tags(made: Sequence[Made]) -> Found:
    untagged = ("diagnosticSettings", "roleAssignments", "budgets", "config", "Policies", "eventSubscriptions", "pools")
    children = ("Services", "containers", "queues", "managementPolicies", "privateDnsZoneGroups")
    for one in made:
        if not one.kind.endswith(untagged + children) and "azd-env-name" not in (one.body.get("tags") or {}):
            yield one, "without tags nobody knows whose cost it is"


def _secrets(made: Sequence[Made]) -> Found:
    for one in made:
        if one.file not in KEY_FILES:
            yield from ((one, f"a key or SAS in {text[:60]!r}") for text in _texts(one.body) if SECRET.search(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str) and not isinstance(value, Unknown):
        yield value
    elif isinstance(value, Unknown):
        yield str(value)


RULES: Sequence[Callable[[Sequence[Made]], Found]] = (
    _flex,
    _storage,
    _ops_is_closed,
    _batch,
    _roles,
    _tags,
    _secrets,
)
