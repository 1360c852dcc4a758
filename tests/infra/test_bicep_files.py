"""The Bicep files as they are written: readable, names that exist, each parameter explained, a fixed order."""

import re
from pathlib import Path

import pytest

from frame_tools.contracts import paths
from tests.infra.bicep import tree as t
from tests.infra.bicep.lexer import BicepError
from tests.infra.bicep.names import findings
from tests.infra.bicep.parser import parse, parse_text
from tests.infra.deployments import BICEP, deployment

FILES = sorted(BICEP.rglob("*.bicep"))
PARAMETER_FILES = sorted(BICEP.rglob("*.bicepparam"))
ORDER = (t.Metadata, t.Import, t.TypeDefinition, t.Param, t.Function, t.Variable, t.Resource, t.Module, t.Output)


def name_of(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", [*FILES, *PARAMETER_FILES], ids=name_of)
def test_names_exist_and_are_used(path: Path) -> None:
    assert findings(path) == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_each_param_says_whether_it_is_needed(path: Path) -> None:
    for declaration in parse(path):
        if isinstance(declaration, t.Param):
            is_optional = declaration.default is not None or (declaration.type and declaration.type.is_nullable)
            assert declaration.description().startswith("Optional. " if is_optional else "Required. "), declaration.name
        if isinstance(declaration, t.TypeDefinition) and declaration.type.members != (("*", ()),):
            for name, decorators in declaration.type.members:
                assert any(decorator.name == "description" for decorator in decorators), name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_descriptions_end_with_a_full_stop(path: Path) -> None:
    for declaration in parse(path):
        if isinstance(declaration, t.Param | t.Output | t.TypeDefinition):
            assert declaration.description().endswith("."), declaration.name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_order_in_a_file_is_always_the_same(path: Path) -> None:
    places = [ORDER.index(type(d)) for d in parse(path)]
    resources = {ORDER.index(t.Resource), ORDER.index(t.Module)}
    assert [p for p in places if p not in resources] == sorted(p for p in places if p not in resources)
    assert places[0] == 0


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_param_is_a_bare_object(path: Path) -> None:
    for declaration in parse(path):
        if isinstance(declaration, t.Param) and declaration.type:
            assert not {"object", "array"} & set(declaration.type.names), declaration.name


def test_main_composes_and_makes_nothing_itself() -> None:
    assert not [d.name for d in parse(BICEP / "main.bicep") if isinstance(d, t.Resource)]


def test_each_role_has_its_name_behind_its_id() -> None:
    text = (BICEP / "modules" / "roles.bicep").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", line)]
    assert len(lines) == 11
    assert all(re.search(r"= '[0-9a-f-]{36}' // [A-Z]\w+", line) for line in lines)


def test_containers_and_queues_are_those_of_the_code() -> None:
    made = deployment("main")
    stored = {str(one.name) for one in made if one.kind.endswith(("blobServices/containers", "queueServices/queues"))}
    needed = {value for key, value in vars(paths).items() if key.isupper() and isinstance(value, str) and key[0] != "_"}
    assert needed <= stored
    assert stored - needed == {"app-package", "deadletter"}


@pytest.mark.parametrize(
    "text",
    [
        "param a string = 'no end",
        "var a = [1, 2",
        "var a = { b: 1, c: }",
        "var a = f(1,)",
        "var a = [1,\n2]",
        "param string",
        "let a = 1",
        "var a = 1 var b = 2",
        "var a = '${b'",
        "var a = '\\q'",
    ],
)
def test_the_reader_refuses_what_is_no_bicep(text: str) -> None:
    with pytest.raises(BicepError):
        parse_text(text)


def test_the_check_of_names_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "part.bicep").write_text(
        "param needed string\nparam spare int = 1\nvar a = [needed, spare]\nvar b = a\n"
    )
    template = tmp_path / "main.bicep"
    template.write_text(
        "param unused string\nvar list = [for one in nothing: one]\nvar twice = map(list, x => uper(x))\n"
        "module part 'part.bicep' = {\n  params: {\n    other: twice\n  }\n}\n"
    )
    assert findings(template) == [
        "main.bicep: module part: needed is missing",
        "main.bicep: module part: no param other there",
        "main.bicep: nothing is unknown",
        "main.bicep: unused is never used",
        "main.bicep: uper() is unknown",
    ]
    assert findings(tmp_path / "part.bicep") == ["part.bicep: b is never used"]
