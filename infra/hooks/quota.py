"""The cores that a Batch account may use for the pool."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.hooks.azure import AzureCli
from infra.hooks.pool import Pool


@dataclass(frozen=True, kw_only=True)
class Quota:
    """Cores by kind of node, `None` where Azure does not say; `family` is the VM family of the dedicated ones."""

    account_id: str
    spot: int | None
    dedicated: int | None
    family: str


def read_quota(az: AzureCli, *, group: str, account: str, location: str, vm_size: str) -> Quota | None:
    """Return the quota of a Batch account for a VM size, or None if it cannot be read."""
    text = az.read("batch", "account", "show", "--resource-group", group, "--name", account, "--output", "json")
    if not text:
        return None
    family = _family(az, location, vm_size)
    # Versions of the Azure CLI differ in the case of these names.
    shown = {name.lower(): value for name, value in json.loads(text).items()}
    return Quota(
        account_id=shown["id"],
        spot=shown.get("lowprioritycorequota"),
        dedicated=_dedicated(shown, family),
        family=family or vm_size,
    )


def missing_kinds(quota: Quota, pool: Pool) -> list[str]:
    """Return the kinds of nodes that the pool may have and for which the account has no core."""
    kinds = (("Spot", pool.spot_nodes, quota.spot), ("dedicated", pool.dedicated_nodes, quota.dedicated))
    return [kind for kind, nodes, cores in kinds if nodes and cores == 0]


def _family(az: AzureCli, location: str, vm_size: str) -> str | None:
    query = ("--query", "[].[name, familyName]", "--output", "tsv")
    listing = az.read("batch", "location", "list-skus", "--location", location, *query) or ""
    families = dict(line.lower().split("\t") for line in listing.splitlines() if line.count("\t") == 1)
    return families.get(vm_size.lower())


def _dedicated(shown: Mapping[str, Any], family: str | None) -> int | None:
    """Return the dedicated cores: of the account, or of the family if Azure counts by family and it has fewer."""
    total: int | None = shown.get("dedicatedcorequota")
    families = shown.get("dedicatedcorequotapervmfamily")
    if total is None or families is None or not shown.get("dedicatedcorequotapervmfamilyenforced"):
        return total
    if family is None:
        return None
    of_family: int = sum(item["coreQuota"] for item in families if item["name"].lower() == family)
    return min(total, of_family)
