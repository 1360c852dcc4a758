"""The role assignments of the templates are exactly those of the table in docs/security.md."""

import re

import pytest

from tests.infra.deployments import REPOSITORY, SETS, Resource, deployment, of_kind

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


def right(assignment: Resource) -> Right:
    """Return (principal, role, scope) with the terms of the table."""
    principal = str(assignment.get("properties", "principalId"))
    terms = (("-app'", "app"), ("-pool'", "nodes"), ("/evgt-", "Event Grid"))
    who = PEOPLE.get(principal) or next(term for sign, term in terms if sign in principal)
    role = ROLES[str(assignment.get("properties", "roleDefinitionId")).rpartition("/")[2]]
    name = re.sub(r"^(stdata|stops|ba|cr)\w+$", r"\1", assignment.scope.rpartition("/")[2])
    scopes = {"stdata": "data account", "stops": "ops account", "ba": "Batch account", "cr": "registry"}
    return who, role, scopes.get(name, "Application Insights" if name.startswith("appi-") else f"`{name}`")


def rights(name: str) -> set[Right]:
    return {right(assignment) for assignment in of_kind(deployment(name), "Authorization/roleAssignments")}


def table() -> set[Right]:
    text = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    rows = text.partition("<!-- rights -->")[2].partition("<!-- /rights -->")[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {(who, role, place) for who, role, places, _why in cells for place in places.split(", ")}


def test_assignments_match_the_table() -> None:
    assert rights("service_endpoints") == table()


@pytest.mark.parametrize("name", sorted(SETS))
def test_no_parameter_set_assigns_more(name: str) -> None:
    assert rights(name) <= table()


def test_nodes_may_only_send_to_finished_batches() -> None:
    queues = {entry for entry in rights("main") if entry[0] == "nodes" and "Queue" in entry[1]}
    assert queues == {("nodes", "Storage Queue Data Message Sender", "`finished-batches`")}


def test_uploaders_reach_three_containers() -> None:
    entries = {(role, scope) for who, role, scope in rights("service_endpoints") if who == "uploaders"}
    assert entries == {
        ("Storage Blob Data Contributor", "`input`"),
        ("Storage Blob Data Contributor", "`triggers`"),
        ("Storage Blob Data Reader", "`output`"),
    }


def test_no_broad_role_is_assigned() -> None:
    assert not {name for name in ROLES.values() if name in ("Owner", "Contributor", "User Access Administrator")}


def test_operator_has_the_roles_for_the_commands_of_the_operations_page() -> None:
    """az storage and az batch with --auth-mode login need data roles, which an owner of the group does not have."""
    text = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    roles = {(role, scope) for who, role, scope in rights("service_endpoints") if who == "operator"}
    assert "az storage message peek" in text
    assert ("Storage Queue Data Message Processor", "ops account") in roles
    containers = set(re.findall(r"--container-name (\w+)", text)) | set(re.findall(r"--source (\w+)", text))
    readable = {scope.strip("`") for role, scope in roles if role.startswith("Storage Blob Data")}
    assert containers <= readable


def test_nodes_write_only_their_own_documents() -> None:
    """Requests, plans, outcomes and marks are the app's. Tests of the tasks compare the patterns with their writes."""
    conditions = {
        right(assignment)[2]: str(assignment.get("properties", "condition"))
        for assignment in of_kind(deployment("service_endpoints"), "Authorization/roleAssignments")
        if right(assignment)[0] == "nodes" and assignment.get("properties", "condition")
    }
    assert set(conditions) == {"`runs`", "`output`"}
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
    for condition in conditions.values():
        for action in ("write", "add/action", "delete", "move/action"):
            assert f"!(ActionMatches{{'{blobs}/{action}'}})" in condition
    assert "StringLike '*/batches/*'" in conditions["`runs`"]
    for name in ("plan.json", "request.json", "outcome.json", "slots", "open"):
        assert name not in conditions["`runs`"]
    assert "report.json" not in conditions["`output`"]
