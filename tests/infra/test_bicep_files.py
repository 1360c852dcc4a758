"""The text of the Bicep files: what neither the compiler nor its linter checks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from frame_tools.contracts import paths
from tests.infra.deployments import BICEP, REPOSITORY, deployment

FILES = sorted(BICEP.rglob("*.bicep"))
ORDER = ("metadata", "import", "type", "func", "param", "var", "resource", "output")
DOCS = REPOSITORY / "docs" / "deploy.md"


def described(text: str) -> Iterator[tuple[str, str, str]]:
    """Give (description, keyword, declaration) of each declaration and member that has a description."""
    description, depth = None, 0
    for line in map(str.strip, text.splitlines()):
        if match := re.fullmatch(r"@description\('((?:[^'\\]|\\.)*)'\)", line):
            description = match[1]
        elif depth or line.startswith("@"):
            depth += line.count("(") - line.count(")")
        elif description is not None:
            keyword, _, rest = line.partition(" ")
            yield (description, keyword, rest) if keyword in ORDER else (description, "member", line)
            description = None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_param_description_says_whether_required(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    count = 0
    for description, keyword, declaration in described(text):
        count += 1
        assert description.endswith("."), declaration
        if keyword in ("param", "member"):
            name, _, rest = declaration.partition(" ")
            is_optional = " = " in rest or rest.endswith("?") or name == "*:"
            assert description.startswith("Optional. " if is_optional else "Required. "), declaration
    assert count == text.count("@description(")


def test_description_parser_reads_all_forms() -> None:
    text = (
        "@description('Required. It\\'s a.')\n@minLength(2)\nparam a string\n\n@description('B.')\noutput b int = 1\n"
    )
    members = "type t = {\n  @description('Optional. C.')\n  @minValue(0)\n  c: int?\n}\n"
    assert list(described(text + members)) == [
        ("Required. It\\'s a.", "param", "a string"),
        ("B.", "output", "b int = 1"),
        ("Optional. C.", "member", "c: int?"),
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_declarations_are_in_order(path: Path) -> None:
    keywords = re.findall(r"^(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    places = [ORDER.index("resource" if word == "module" else word) for word in keywords if word in (*ORDER, "module")]
    assert places == sorted(places)
    assert places[0] == 0


def test_main_declares_modules_only() -> None:
    text = (BICEP / "main.bicep").read_text(encoding="utf-8")
    assert re.findall(r"^module ", text, re.MULTILINE)
    assert not re.findall(r"^resource ", text, re.MULTILINE)


def test_only_roles_module_assigns_roles() -> None:
    assert [path.name for path in FILES if "roleAssignments@" in path.read_text(encoding="utf-8")] == ["roles.bicep"]


def test_each_role_id_has_its_name() -> None:
    text = (BICEP / "modules" / "roles.bicep").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", line)]
    assert len(lines) == 12
    assert all(re.search(r"= '[0-9a-f-]{36}' // [A-Z]\w+", line) for line in lines)


def test_containers_and_queues_match_the_code() -> None:
    kinds = ("blobServices/containers", "queueServices/queues")
    stored = {resource.name for resource in deployment("main") if resource.kind.endswith(kinds)}
    names = {value for key, value in vars(paths).items() if key.isupper() and isinstance(value, str) and key[0] != "_"}
    needed = {name for name in names if "/" not in name}
    assert needed <= stored
    assert stored - needed == {"app-package", "deadletter"}


def test_every_linter_exception_is_explained() -> None:
    """All rules of the linter are errors, and the page names each exception."""
    config = json.loads((BICEP / "bicepconfig.json").read_text(encoding="utf-8"))
    levels = {name: rule["level"] for name, rule in config["analyzers"]["core"]["rules"].items()}
    assert len(levels) > 50
    exceptions = {name for name, level in levels.items() if level != "error"}
    for path in FILES:
        for line in re.findall(r"#disable-next-line ([^/\n]+)", path.read_text(encoding="utf-8")):
            exceptions |= set(line.split())
    explained = set(re.findall(r"`([a-z-]+)`", DOCS.read_text(encoding="utf-8")))
    assert exceptions
    assert exceptions <= explained
