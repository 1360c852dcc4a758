"""What can be said of a file's names without evaluating it: unknown, unused, missing or wrong module parameters."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from tests.infra.bicep import functions
from tests.infra.bicep import tree as t
from tests.infra.bicep.evaluate import dict_of
from tests.infra.bicep.parser import parse

KNOWN_FUNCTIONS = {*functions._ANY, *functions._PURE, *functions._AZURE, "loadTextContent"}
KNOWN_TYPES = {"string", "int", "bool", "object", "array"}


def findings(path: Path) -> list[str]:
    """Return what is wrong with the names in a file, one line each."""
    file = parse(path)
    declared = {d.name for d in file if isinstance(d, t.Param | t.Variable | t.Resource | t.Module)}
    functions_here = {d.name for d in file if isinstance(d, t.Function)}
    types = {d.name for d in file if isinstance(d, t.TypeDefinition)} | set(_imported(path, file)) | KNOWN_TYPES
    used = {name for d in file for name in _names(d, frozenset())}
    called = {node.name for d in file for node in _nodes(d) if isinstance(node, t.Call)}
    mentioned = {name for d in file for kind in _types(d) for name in kind.names}
    said = [f"{name} is unknown" for name in used - declared]
    said += [f"{name}() is unknown" for name in called - functions_here - KNOWN_FUNCTIONS]
    said += [f"type {name} is unknown" for name in mentioned - types]
    said += [f"{d.name} is never used" for d in file if isinstance(d, t.Param | t.Variable) and d.name not in used]
    said += [line for d in file if isinstance(d, t.Module) for line in _module(path, d)]
    if path.suffix == ".bicepparam":
        said = [line for line in said if not line.endswith("never used")] + list(_parameter_file(path, file))
    return sorted(f"{path.name}: {line}" for line in said)


def _imported(path: Path, file: tuple[t.Declaration, ...]) -> Iterator[str]:
    for declaration in file:
        if isinstance(declaration, t.Import):
            there = {
                d.name
                for d in parse((path.parent / declaration.name).resolve())
                if any(decorator.name == "export" for decorator in d.decorators)
            }
            assert set(declaration.symbols) <= there, f"{path.name}: {set(declaration.symbols) - there} is not exported"
            yield from declaration.symbols


def _module(path: Path, module: t.Module) -> Iterator[str]:
    body = dict_of(t.body_of(module.body))
    assert isinstance(body["params"], t.Object)
    yield from _given(
        f"module {module.name}", set(dict_of(body["params"])), parse((path.parent / module.path).resolve())
    )


def _parameter_file(path: Path, file: tuple[t.Declaration, ...]) -> Iterator[str]:
    using = next(d for d in file if isinstance(d, t.Using))
    given = {d.name for d in file if isinstance(d, t.Param)}
    yield from _given("parameters", given, parse((path.parent / using.name).resolve()))


def _given(where: str, given: set[str], target: tuple[t.Declaration, ...]) -> Iterator[str]:
    params = {d.name: d for d in target if isinstance(d, t.Param)}
    needed = {n for n, d in params.items() if d.default is None and not (d.type and d.type.is_nullable)}
    yield from (f"{where}: no param {name} there" for name in given - set(params))
    yield from (f"{where}: {name} is missing" for name in needed - given)


def _parts(node: object) -> Iterator[object]:
    """The nodes right below a node of the tree."""
    for found in fields(node):  # type: ignore[arg-type]
        pending = [getattr(node, found.name)]
        while pending:
            value = pending.pop()
            if isinstance(value, tuple):
                pending.extend(value)
            elif hasattr(value, "__dataclass_fields__"):
                yield value


def _nodes(node: object) -> Iterator[object]:
    yield node
    for part in _parts(node):
        yield from _nodes(part)


def _types(declaration: t.Declaration) -> list[t.Type]:
    return [node for node in _nodes(declaration) if isinstance(node, t.Type)]


def _names(node: object, local: frozenset[str]) -> Iterator[str]:
    """Names that are read below a node and are no loop's or lambda's own."""
    if isinstance(node, t.Name) and node.name not in local:
        yield node.name
    if isinstance(node, t.For):
        yield from _names(node.sequence, local)
        yield from _names(node.body, local | set(node.names))
        return
    if isinstance(node, t.Lambda | t.Function):
        local = local | set(node.names)
    for part in _parts(node):
        yield from _names(part, local)
