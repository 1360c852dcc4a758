"""Who may do what: the rights that the templates give are those of the table in docs/security.md, no more, no less."""

import re

import pytest

from tests.infra.bicep.evaluate import Made
from tests.infra.deployments import REPOSITORY, SETS, deployment, of_kind

ROLES = dict(
    re.findall(
        r"= '([0-9a-f-]{36})' // (.+)", (REPOSITORY / "infra/bicep/modules/roles.bicep").read_text(encoding="utf-8")
    )
)
PEOPLE = {
    "11111111-1111-1111-1111-111111111111": "uploaders",
    "22222222-2222-2222-2222-222222222222": "uploaders",
    "33333333-3333-3333-3333-333333333333": "operator",
}
Right = tuple[str, str, str]


def right(role: Made) -> Right:
    """(who, role, where), in the words of the table."""
    principal = str(role.get("properties", "principalId"))
    who = PEOPLE.get(principal) or next(
        word for sign, word in (("-app.", "app"), ("-pool.", "nodes"), ("evgt-", "Event Grid")) if sign in principal
    )
    definition = str(role.get("properties", "roleDefinitionId"))
    name = next(name for number, name in ROLES.items() if number in definition)
    assert role.scope is not None
    place = re.sub(r"^(stdata|stops|ba|cr)\w+$", r"\1", str(role.scope.name))
    words = {"stdata": "data account", "stops": "ops account", "ba": "Batch account", "cr": "registry"}
    return who, name, words.get(place, "Application Insights" if place.startswith("appi-") else f"`{place}`")


def rights(name: str) -> set[Right]:
    return {right(role) for role in of_kind(deployment(name), "Authorization/roleAssignments")}


def table() -> set[Right]:
    text = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    rows = text.partition("<!-- rights -->")[2].partition("<!-- /rights -->")[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {(who, role, place) for who, role, places, _why in cells for place in places.split(", ")}


def test_the_rights_are_those_of_the_table() -> None:
    assert rights("service_endpoints") == table()


@pytest.mark.parametrize("name", sorted(SETS))
def test_no_set_gives_more(name: str) -> None:
    assert rights(name) <= table()


def test_nodes_may_only_send_and_only_on_finished_batches() -> None:
    queues = {one for one in rights("main") if one[0] == "nodes" and "Queue" in one[1]}
    assert queues == {("nodes", "Storage Queue Data Message Sender", "`finished-batches`")}


def test_people_from_outside_reach_three_containers() -> None:
    found = {(role, place) for who, role, place in rights("service_endpoints") if who == "uploaders"}
    assert found == {
        ("Storage Blob Data Contributor", "`input`"),
        ("Storage Blob Data Contributor", "`triggers`"),
        ("Storage Blob Data Reader", "`output`"),
    }


def test_nobody_owns_or_contributes_to_a_whole_resource() -> None:
    assert not {name for name in ROLES.values() if name in ("Owner", "Contributor", "User Access Administrator")}
