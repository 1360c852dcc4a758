"""Tokens to the tree of `tree`: declarations and types. https://github.com/Azure/bicep/blob/main/docs/grammar.md"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.infra.bicep import tree as t
from tests.infra.bicep.expressions import ExpressionParser
from tests.infra.bicep.lexer import BicepError, tokens_of


@cache
def parse(path: Path) -> tuple[t.Declaration, ...]:
    """Return the declarations of a .bicep or .bicepparam file; raises BicepError with file and line."""
    try:
        return parse_text(path.read_text(encoding="utf-8"))
    except BicepError as error:
        raise BicepError(f"{path.name}, {error}") from None


def parse_text(text: str) -> tuple[t.Declaration, ...]:
    """Return the declarations in a text."""
    parser = _Parser(tokens_of(text))
    found = []
    while not parser.skip_lines().at("end"):
        found.append(parser.declaration())
        if not parser.at("newline", "end"):
            parser.refuse("a new line")
    return tuple(found)


class _Parser(ExpressionParser):
    def _decorators(self) -> tuple[t.Decorator, ...]:
        found = []
        while self.take("@"):
            found.append(t.Decorator(self.want("name"), self.arguments()))
            self.want("newline")
            self.skip_lines()
        return tuple(found)

    def declaration(self) -> t.Declaration:
        decorators = self._decorators()
        line, word = self.token().line, self.want("name")
        kinds: dict[str, Callable[..., t.Declaration]] = {
            "metadata": self._metadata,
            "param": self._param,
            "var": self._variable,
            "output": self._output,
            "type": self._type_definition,
            "func": self._function,
            "resource": self._resource,
            "module": self._module,
            "import": self._import,
            "using": self._using,
        }
        if word not in kinds:
            raise BicepError(f"line {line}: {word!r} begins no declaration")
        return kinds[word](line=line, decorators=decorators)

    def _metadata(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        return t.Metadata(name=self.want("name"), line=line, decorators=decorators, value=self._value())

    def _param(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name = self.want("name")
        kind = None if self.at("=") else self._type()
        default = self._value() if self.at("=") else None
        return t.Param(name=name, line=line, decorators=decorators, type=kind, default=default)

    def _variable(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        return t.Variable(name=self.want("name"), line=line, decorators=decorators, value=self._value())

    def _output(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name, kind = self.want("name"), self._type()
        return t.Output(name=name, line=line, decorators=decorators, type=kind, value=self._value())

    def _type_definition(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name = self.want("name")
        self.want("=")
        return t.TypeDefinition(name=name, line=line, decorators=decorators, type=self._type())

    def _function(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name, names = self.want("name"), []

        def parameter() -> None:
            names.append(self.want("name"))
            self._type()

        self.want("(")
        self.listed(")", parameter)
        self._type()
        self.want("=>")
        return t.Function(name=name, line=line, decorators=decorators, names=tuple(names), body=self.expression())

    def _resource(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name, kind = self.want("name"), self.want("string")
        existing = self.take_word("existing")
        body = self._body()
        return t.Resource(name=name, line=line, decorators=decorators, type=kind, is_existing=existing, body=body)

    def _module(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name, path = self.want("name"), self.want("string")
        return t.Module(name=name, line=line, decorators=decorators, path=path, body=self._body())

    def _import(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        names: list[str] = []
        self.want("{")
        self.listed("}", lambda: names.append(self.want("name")))
        if not self.take_word("from"):
            self.refuse("'from'")
        return t.Import(name=self.want("string"), line=line, decorators=decorators, symbols=tuple(names))

    def _using(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        return t.Using(name=self.want("string"), line=line, decorators=decorators)

    def _value(self) -> t.Expression:
        self.want("=")
        return self.expression()

    def _body(self) -> t.Expression:
        self.want("=")
        return self.condition() if self.at_word("if") else self.expression()

    def _type(self) -> t.Type:
        parts = [self._one_type()]
        while self.take("|"):
            parts.append(self._one_type())
        return t.Type(
            names=tuple(name for part in parts for name in part.names),
            literals=tuple(value for part in parts for value in part.literals),
            members=tuple(member for part in parts for member in part.members),
            is_nullable=any(part.is_nullable for part in parts),
        )

    def _one_type(self) -> t.Type:
        if self.at("{"):
            found = self._object_type()
        elif self.at("string"):
            found = t.Type(literals=(self.next().value,))
        else:
            found = t.Type(names=(self.want("name"),))
        while self.at("[", "?"):
            if self.take("["):
                self.want("]")
            elif self.take("?"):
                found = t.Type(found.names, found.literals, found.members, is_nullable=True)
        return found

    def _object_type(self) -> t.Type:
        members: list[tuple[str, tuple[t.Decorator, ...]]] = []
        names: list[str] = []

        def member() -> None:
            decorators = self._decorators()
            name = self.next().value
            self.want(":")
            names.extend(self._type().names)
            members.append((name, decorators))

        self.want("{")
        self.listed("}", member)
        return t.Type(names=tuple(names), members=tuple(members))
