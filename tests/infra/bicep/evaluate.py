"""A template and one set of parameters to the resources that it would make.

What only Azure knows (ids, host names) stays an `Unknown` text in brackets. `fail(...)` raises Refused, as a
deployment would be refused before it starts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.infra.bicep import tree as t
from tests.infra.bicep.functions import Refused, Unknown, call, combine
from tests.infra.bicep.parser import parse

__all__ = ["Handle", "Made", "Refused", "Unknown", "parameters_of", "render"]


class Handle(Unknown):
    """A resource as other resources see it: type and name; everything else is known only in Azure."""

    kind: str
    name: Any

    def __new__(cls, kind: str, name: Any) -> "Handle":
        made = super().__new__(cls, f"[{kind}/{name}]")
        made.kind, made.name = kind, name
        return made


@dataclass(frozen=True, kw_only=True)
class Made:
    """One resource of a deployment."""

    kind: str
    version: str
    symbol: str
    file: str
    line: int
    body: Mapping[str, Any]
    scope: Handle | None
    """What an extension resource (a role, a diagnostic setting) stands on."""

    @property
    def name(self) -> Any:
        return self.body.get("name")

    def get(self, *path: str) -> Any:
        """body[path[0]][path[1]]..., None where a step is missing."""
        found: Any = self.body
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found


def render(template: Path, parameters: Mapping[str, Any]) -> list[Made]:
    """Return the resources of a template with these parameters, modules laid open."""
    return list(_File(template, dict(parameters)).resources())


def parameters_of(path: Path) -> tuple[Path, dict[str, Any]]:
    """Return the template that a .bicepparam file uses, and its parameters where the environment sets none."""
    file = _File(path, {})
    using = next(d for d in file.declarations if isinstance(d, t.Using))
    values = {d.name: file.named(d.name, {}) for d in file.declarations if isinstance(d, t.Param)}
    return (path.parent / using.name).resolve(), values


@dataclass
class _File:
    path: Path
    parameters: dict[str, Any]
    known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.declarations = parse(self.path)
        self.by_name = {d.name: d for d in self.declarations if not isinstance(d, t.Output | t.Metadata | t.Import)}

    # What it makes.

    def resources(self) -> Iterator[Made]:
        for declaration in self.declarations:
            if isinstance(declaration, t.Resource):
                yield from self._made(declaration, "")
            elif isinstance(declaration, t.Module):
                for child in self._children(declaration):
                    yield from child.resources()

    def _made(self, resource: t.Resource, parent: str) -> Iterator[Made]:
        kind, _, version = resource.type.partition("@")
        kind = f"{parent}/{kind}" if parent else kind
        for body, local in self._turns(resource.body, {}):
            if not resource.is_existing:
                values = self.value(body, local)
                scope = values.pop("scope", None)
                yield Made(
                    kind=kind,
                    version=version,
                    symbol=resource.name,
                    file=self.path.name,
                    line=resource.line,
                    body={key: value for key, value in values.items() if key not in ("parent", "dependsOn")},
                    scope=scope,
                )
            for nested in body.nested:
                yield from self._made(nested, kind)

    def _children(self, module: t.Module) -> list["_File"]:
        found = []
        for body, local in self._turns(module.body, {}):
            given = self.value(body, local).get("params", {})
            found.append(_File(self.path.parent / module.path, given))
        return found

    def _turns(self, body: t.Expression, local: Mapping[str, Any]) -> Iterator[tuple[t.Object, Mapping[str, Any]]]:
        """The object for each turn of a loop, none where a condition is false."""
        if isinstance(body, t.For):
            for inner in self._loop(body, local):
                yield from self._turns(body.body, inner)
        elif isinstance(body, t.If):
            if self.value(body.test, local):
                yield from self._turns(body.body, local)
        else:
            assert isinstance(body, t.Object)
            yield body, local

    def _loop(self, loop: t.For, local: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        sequence = self.value(loop.sequence, local)
        assert isinstance(sequence, list), f"{self.path.name}: a loop over {sequence!r}"
        for i, item in enumerate(sequence):
            yield {**local, **dict(zip(loop.names, (item, i), strict=False))}

    # Values.

    def named(self, name: str, local: Mapping[str, Any]) -> Any:
        if name in local:
            return local[name]
        if name not in self.known:
            self.known[name] = self._declared(name)
        return self.known[name]

    def _declared(self, name: str) -> Any:
        declaration = self.by_name[name]
        if isinstance(declaration, t.Param):
            if name in self.parameters:
                return self.parameters[name]
            return None if declaration.default is None else self.value(declaration.default, {})
        if isinstance(declaration, t.Variable):
            return self.value(declaration.value, {})
        if isinstance(declaration, t.Resource):
            return self._handle(declaration, "")
        assert isinstance(declaration, t.Module)
        children = self._children(declaration)
        return {"outputs": children[0].outputs() if children else {}}

    def outputs(self) -> dict[str, Any]:
        return {d.name: self.value(d.value, {}) for d in self.declarations if isinstance(d, t.Output)}

    def _handle(self, resource: t.Resource, parent: str) -> Any:
        kind = resource.type.partition("@")[0]
        kind = f"{parent}/{kind}" if parent else kind
        body = resource.body
        turns = self._loop(body, {}) if isinstance(body, t.For) else [{}]
        handles = [Handle(kind, self.value(dict_of(t.body_of(body))["name"], local)) for local in turns]
        return handles if isinstance(body, t.For) else handles[0]

    def value(self, node: t.Expression, local: Mapping[str, Any]) -> Any:  # noqa: C901, one line per kind
        match node:
            case t.Literal(value):
                return value
            case t.Text(parts):
                return combine([part if isinstance(part, str) else self.value(part, local) for part in parts])
            case t.Name(name):
                return self.named(name, local)
            case t.Array(items):
                return [self.value(item, local) for item in items]
            case t.Object(items):
                return {str(self.value(key, local)): self.value(value, local) for key, value in items}
            case t.For():
                return [self.value(node.body, inner) for inner in self._loop(node, local)]
            case t.Ternary(test, yes, no):
                return self.value(yes if self.value(test, local) else no, local)
            case t.Unary(sign, operand):
                return not self.value(operand, local) if sign == "!" else -self.value(operand, local)
            case t.Binary(sign, left, right):
                return self._binary(sign, left, right, local)
            case t.Member(base, key):
                return self._member(self.value(base, local), self.value(key, local))
            case t.Nested(base, name):
                return self._nested(base, name)
            case t.Lambda(names, body):
                return lambda *given: self.value(body, {**local, **dict(zip(names, given, strict=True))})
            case t.Call(name, arguments):
                return self._call(name, [self.value(argument, local) for argument in arguments])
        raise AssertionError(node)

    def _binary(self, sign: str, left: t.Expression, right: t.Expression, local: Mapping[str, Any]) -> Any:
        x = self.value(left, local)
        if sign == "&&":
            return x and self.value(right, local)
        if sign == "||":
            return x or self.value(right, local)
        y = self.value(right, local)
        answers = {"==": lambda: x == y, "!=": lambda: x != y, ">": lambda: x > y, "<": lambda: x < y}
        return answers[sign]()

    @staticmethod
    def _member(base: Any, key: Any) -> Any:
        if isinstance(base, Handle):
            return base.name if key == "name" else Unknown(f"[{base.strip('[]')}.{key}]")
        if isinstance(base, Unknown):
            return Unknown(f"[{base.strip('[]')}.{key}]")
        if isinstance(base, Sequence):
            return base[key]
        return None if base is None else base[key]

    def _nested(self, base: t.Expression, name: str) -> Any:
        declaration, kind = self._declaration(base)
        child = next(r for r in t.body_of(declaration.body).nested if r.name == name)
        return self._handle(child, kind)

    def _declaration(self, node: t.Expression) -> tuple[t.Resource, str]:
        """The resource that `name` or `a::b` declares, and its full type."""
        if isinstance(node, t.Nested):
            parent, kind = self._declaration(node.base)
            child = next(r for r in t.body_of(parent.body).nested if r.name == node.name)
            return child, f"{kind}/{child.type}"
        assert isinstance(node, t.Name)
        found = self.by_name[node.name]
        assert isinstance(found, t.Resource)
        return found, found.type.partition("@")[0]

    def _call(self, name: str, arguments: list[Any]) -> Any:
        own = self.by_name.get(name)
        if isinstance(own, t.Function):
            return self.value(own.body, dict(zip(own.names, arguments, strict=True)))
        if name == "loadTextContent":
            return (self.path.parent / arguments[0]).read_text(encoding="utf-8")
        return call(name, arguments)


def dict_of(node: t.Object) -> dict[str, t.Expression]:
    """The items of an object whose keys are plain words."""
    return {str(key.parts[0]): value for key, value in node.items if isinstance(key, t.Text) and len(key.parts) == 1}
