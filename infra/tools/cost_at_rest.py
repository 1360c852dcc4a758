"""Generate the table of what a deployment costs at rest in docs/cost.md, from the snapshots of the templates.

Every resource type of the snapshots has a price or is free at rest: a new type without an entry is an error.
`python -m infra.tools.cost_at_rest` writes the table between the markers; a test compares.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.tools import pages

_ROOT: Final = Path(__file__).parents[2]
PAGE: Final = _ROOT / "docs" / "cost.md"
BEGIN: Final = "<!-- at rest -->"
END: Final = "<!-- /at rest -->"
_BICEP: Final = _ROOT / "infra" / "bicep"
SNAPSHOTS: Final[Mapping[str, Path]] = {
    "public": _BICEP / "params" / "public.snapshot.json",
    "serviceEndpoints": _BICEP / "main.snapshot.json",
    "private": _BICEP / "params" / "private.snapshot.json",
}
"""A deployment of each network mode, with an empty pool and without instances that always run."""
Resource = Mapping[str, Any]
_REGISTRY_USD: Final[Mapping[str, float]] = {"Basic": 5.08, "Premium": 50.74}


@dataclass(frozen=True, kw_only=True)
class Position:
    """A line of the table: the resources that it counts and their price, in US dollars a month."""

    name: str
    types: Sequence[str]
    usd: Callable[[Resource], float]


POSITIONS: Final = (
    Position(
        name="registry",
        types=["ContainerRegistry/registries"],
        usd=lambda registry: _REGISTRY_USD[registry["sku"]["name"]],
    ),
    Position(name="NAT gateway", types=["Network/natGateways"], usd=lambda _: 32.85),
    Position(name="public address", types=["Network/publicIPAddresses"], usd=lambda _: 3.65),
    Position(name="private endpoints", types=["Network/privateEndpoints"], usd=lambda _: 7.30),
    Position(name="private DNS zones", types=["Network/privateDnsZones"], usd=lambda _: 0.50),
    Position(name="log alerts, every five minutes", types=["Insights/scheduledQueryRules"], usd=lambda _: 1.50),
    Position(name="metric alerts", types=["Insights/metricAlerts"], usd=lambda _: 0.10),
)
"""Prices as copied in 2025 and 2026: registry, NAT, address and endpoints from c3x.dev, DNS zones from public price
notes. Those of alert rules are assumed: no source was at hand. None was read from Azure's own page."""
FREE: Final = frozenset(
    {
        "Authorization/roleAssignments",
        "Batch/batchAccounts",
        "Batch/batchAccounts/pools",
        "Consumption/budgets",
        "EventGrid/systemTopics",
        "Insights/actionGroups",
        "Insights/components",
        "Insights/diagnosticSettings",
        "Insights/workbooks",
        "ManagedIdentity/userAssignedIdentities",
        "Network/networkSecurityGroups",
        "Network/privateDnsZones/virtualNetworkLinks",
        "Network/privateEndpoints/privateDnsZoneGroups",
        "Network/virtualNetworks",
        "OperationalInsights/workspaces",
        "Portal/dashboards",
        "Storage/storageAccounts",
        "Storage/storageAccounts/blobServices",
        "Storage/storageAccounts/blobServices/containers",
        "Storage/storageAccounts/managementPolicies",
        "Storage/storageAccounts/queueServices",
        "Storage/storageAccounts/queueServices/queues",
        "Web/serverfarms",
        "Web/sites",
        "Web/sites/basicPublishingCredentialsPolicies",
        "Web/sites/config",
    }
)
"""Types without a price at rest: they are free, or billed by use (blobs, logs, executions, nodes)."""


def unpriced_types(resources: Sequence[Resource]) -> set[str]:
    """Return the resource types that have no position and are not free."""
    expected = FREE | {name for position in POSITIONS for name in position.types}
    return {_type(resource) for resource in resources} - expected


def cost_at_rest(resources: Sequence[Resource]) -> dict[str, tuple[int, float]]:
    """Return position -> (number of resources, US dollars a month). Raises ValueError for a type without a price."""
    if missing := unpriced_types(resources):
        raise ValueError(f"No price for {sorted(missing)}: add a position or declare the type free")
    counted = {
        position.name: [position.usd(resource) for resource in resources if _type(resource) in position.types]
        for position in POSITIONS
    }
    return {name: (len(prices), sum(prices)) for name, prices in counted.items() if prices}


def resources_of(network: str) -> list[Resource]:
    """Return the resources of the snapshot for a network mode."""
    snapshot: dict[str, Any] = json.loads(SNAPSHOTS[network].read_text(encoding="utf-8"))
    resources: list[Resource] = snapshot["predictedResources"]
    return resources


def table() -> str:
    """Return the table as Markdown."""
    costs = {network: cost_at_rest(resources_of(network)) for network in SNAPSHOTS}
    head = "| US dollars a month, at rest | " + " | ".join(f"`{network}`" for network in costs) + " |"
    rows = [_row(position.name, [costs[network].get(position.name) for network in costs]) for position in POSITIONS]
    totals = [f"**{sum(usd for _, usd in cost.values()):.0f}**" for cost in costs.values()]
    return "\n".join([head, "|---" * (len(costs) + 1) + "|", *rows, f"| **together** | {' | '.join(totals)} |"])


def page_with(page: str, text: str) -> str:
    """Return the page with `text` between its markers."""
    return pages.page_with(page, text, begin=BEGIN, end=END)


def _row(name: str, cells: Sequence[tuple[int, float] | None]) -> str:
    return f"| {name} | {' | '.join(_cell(*cell) if cell else '–' for cell in cells)} |"


def _cell(count: int, usd: float) -> str:
    return f"{usd:.2f}" if count == 1 else f"{usd:.2f} ({count})"


def _type(resource: Resource) -> str:
    return str(resource["type"]).removeprefix("Microsoft.")


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")
