"""What a deployment costs at rest: docs/cost.md, the pages that quote it and the templates agree."""

import re

import pytest

from infra.tools.cost_at_rest import PAGE, SNAPSHOTS, cost_at_rest, page_with, resources_of, table, unpriced_types
from tests.infra.deployments import BICEP, REPOSITORY, SETS, deployment


def total(network: str) -> float:
    return sum(usd for _, usd in cost_at_rest(resources_of(network)).values())


def test_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(page, table()), "run: python -m infra.tools.cost_at_rest"


@pytest.mark.parametrize("name", sorted(SETS))
def test_every_resource_type_has_a_price_or_is_free(name: str) -> None:
    assert unpriced_types([resource.body for resource in deployment(name)]) == set()


def test_type_without_a_price_is_an_error() -> None:
    with pytest.raises(ValueError, match="Cache/redis"):
        cost_at_rest([{"type": "Microsoft.Cache/redis"}])


def test_snapshots_are_of_their_network() -> None:
    """`public` has no NAT gateway and costs something all the same; `private` adds endpoints, zones and a registry."""
    costs = {network: cost_at_rest(resources_of(network)) for network in SNAPSHOTS}
    assert [network for network, cost in costs.items() if "NAT gateway" in cost] == ["serviceEndpoints", "private"]
    assert costs["private"]["private endpoints"][0] == 7
    assert costs["private"]["private DNS zones"][0] == 5
    assert total("public") < total("serviceEndpoints") < total("private")


def test_deployment_page_quotes_the_totals() -> None:
    text = (REPOSITORY / "docs" / "deploy.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(r"At rest a deployment costs about ([^:]+):", text)
    assert [int(figure) for figure in re.findall(r"\$(\d+)", sentence)] == [round(total(name)) for name in SNAPSHOTS]


def test_parameter_description_names_the_cheapest_network() -> None:
    text = (BICEP / "main.bicep").read_text(encoding="utf-8")
    (description,) = re.findall(r"@description\('([^']*)'\)\nparam network ", text)
    (cheapest,) = re.findall(r"(\w+): [^:]*cheapest at rest", description)
    assert cheapest == min(SNAPSHOTS, key=total)
