"""Tokens to the tree of `tree`, by recursive descent. Line breaks count as in the language's own grammar.

https://github.com/Azure/bicep/blob/main/docs/grammar.md
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.infra.bicep import tree as t
from tests.infra.bicep.lexer import BicepError, Token, tokens_of

LEVELS = (("??",), ("||",), ("&&",), ("==", "!=", "=~", "!~"), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))


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


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0

    # Tokens.

    def _token(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._place + ahead, len(self._tokens) - 1)]

    def at(self, *kinds: str) -> bool:
        return self._token().kind in kinds

    def _at_word(self, word: str) -> bool:
        return self.at("name") and self._token().value == word

    def _next(self) -> Token:
        self._place += 1
        return self._tokens[self._place - 1]

    def _take(self, kind: str) -> bool:
        taken = self.at(kind)
        self._place += taken
        return taken

    def _take_word(self, word: str) -> bool:
        taken = self._at_word(word)
        self._place += taken
        return taken

    def _want(self, kind: str) -> str:
        if not self.at(kind):
            self.refuse(repr(kind))
        return self._next().value

    def skip_lines(self) -> "_Parser":
        while self._take("newline"):
            pass
        return self

    def _after_lines(self) -> str:
        ahead = 0
        while self._token(ahead).kind == "newline":
            ahead += 1
        return self._token(ahead).kind

    def refuse(self, wanted: str) -> None:
        token = self._token()
        raise BicepError(f"line {token.line}: {wanted} is missing before {token.value or token.kind!r}")

    def _list(self, close: str, item: Callable[[], None]) -> None:
        """Items parted by a comma or a new line; no new line after a comma."""
        self.skip_lines()
        while not self._take(close):
            item()
            if self._take(","):
                if self.at("newline", close):
                    self.refuse("an item behind the comma")
            elif self.at("newline"):
                self.skip_lines()
            elif not self.at(close):
                self.refuse("a comma or a new line")

    # Declarations.

    def _decorators(self) -> tuple[t.Decorator, ...]:
        found = []
        while self._take("@"):
            found.append(t.Decorator(self._want("name"), self._arguments()))
            self._want("newline")
            self.skip_lines()
        return tuple(found)

    def declaration(self) -> t.Declaration:
        decorators = self._decorators()
        line, word = self._token().line, self._want("name")
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
        return t.Metadata(name=self._want("name"), line=line, decorators=decorators, value=self._value())

    def _param(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name = self._want("name")
        kind = None if self.at("=") else self._type()
        default = self._value() if self.at("=") else None
        return t.Param(name=name, line=line, decorators=decorators, type=kind, default=default)

    def _variable(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        return t.Variable(name=self._want("name"), line=line, decorators=decorators, value=self._value())

    def _output(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name, kind = self._want("name"), self._type()
        return t.Output(name=name, line=line, decorators=decorators, type=kind, value=self._value())

    def _type_definition(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name = self._want("name")
        self._want("=")
        return t.TypeDefinition(name=name, line=line, decorators=decorators, type=self._type())

    def _function(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name, names = self._want("name"), []

        def parameter() -> None:
            names.append(self._want("name"))
            self._type()

        self._want("(")
        self._list(")", parameter)
        self._type()
        self._want("=>")
        return t.Function(name=name, line=line, decorators=decorators, names=tuple(names), body=self.expression())

    def _resource(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name, kind = self._want("name"), self._want("string")
        existing = self._take_word("existing")
        body = self._body()
        return t.Resource(name=name, line=line, decorators=decorators, type=kind, is_existing=existing, body=body)

    def _module(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        name, path = self._want("name"), self._want("string")
        return t.Module(name=name, line=line, decorators=decorators, path=path, body=self._body())

    def _import(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        names: list[str] = []
        self._want("{")
        self._list("}", lambda: names.append(self._want("name")))
        if not self._take_word("from"):
            self.refuse("'from'")
        return t.Import(name=self._want("string"), line=line, decorators=decorators, symbols=tuple(names))

    def _using(self, *, line: int, decorators: tuple[t.Decorator, ...]) -> t.Declaration:
        return t.Using(name=self._want("string"), line=line, decorators=decorators)

    def _value(self) -> t.Expression:
        self._want("=")
        return self.expression()

    def _body(self) -> t.Expression:
        self._want("=")
        return self._condition() if self._at_word("if") else self.expression()

    def _condition(self) -> t.Expression:
        if not self._take_word("if"):
            return self.expression()
        self._want("(")
        test = self.expression()
        self._want(")")
        return t.If(test, self.expression())

    # Types.

    def _type(self) -> t.Type:
        parts = [self._one_type()]
        while self._take("|"):
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
            found = t.Type(literals=(self._next().value,))
        else:
            found = t.Type(names=(self._want("name"),))
        while self.at("[", "?"):
            if self._take("["):
                self._want("]")
            elif self._take("?"):
                found = t.Type(found.names, found.literals, found.members, is_nullable=True)
        return found

    def _object_type(self) -> t.Type:
        members: list[tuple[str, tuple[t.Decorator, ...]]] = []
        names: list[str] = []

        def member() -> None:
            decorators = self._decorators()
            name = self._next().value
            self._want(":")
            names.extend(self._type().names)
            members.append((name, decorators))

        self._want("{")
        self._list("}", member)
        return t.Type(names=tuple(names), members=tuple(members))

    # Expressions.

    def expression(self) -> t.Expression:
        test = self._binary(0)
        if self._after_lines() != "?":
            return test
        self.skip_lines()
        self._want("?")
        yes = self.expression()
        if self._after_lines() == ":":
            self.skip_lines()
        self._want(":")
        return t.Ternary(test, yes, self.expression())

    def _binary(self, level: int) -> t.Expression:
        if level == len(LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self.at(*LEVELS[level]):
            left = t.Binary(self._next().kind, left, self._binary(level + 1))
        return left

    def _unary(self) -> t.Expression:
        if self.at("!", "-"):
            return t.Unary(self._next().kind, self._unary())
        found = self._primary()
        while self.at(".", "[", "::", "!"):
            sign = self._next().kind
            if sign == ".":
                self._take("?")
                found = t.Member(found, t.Text((self._want("name"),)))
            elif sign == "[":
                found = t.Member(found, self.expression())
                self._want("]")
            elif sign == "::":
                found = t.Nested(found, self._want("name"))
        return found

    def _primary(self) -> t.Expression:
        if self.at("string", "open"):
            return self._text()
        if self.at("number"):
            return t.Literal(int(self._next().value))
        if self.at("{"):
            return self._object()
        if self.at("["):
            return self._array()
        if self._take("("):
            inner = self.skip_lines().expression()
            self.skip_lines()._want(")")
            return inner
        name = self._want("name")
        if name in ("true", "false", "null"):
            return t.Literal({"true": True, "false": False, "null": None}[name])
        if self._take("=>"):
            return t.Lambda((name,), self.expression())
        return t.Call(name, self._arguments()) if self.at("(") else t.Name(name)

    def _arguments(self) -> tuple[t.Expression, ...]:
        found: list[t.Expression] = []
        self._want("(")
        self.skip_lines()
        while not self._take(")"):
            found.append(self.expression())
            if not self.skip_lines().at(")"):
                self._want(",")
                if self.skip_lines().at(")"):
                    self.refuse("an argument behind the comma")
        return tuple(found)

    def _text(self) -> t.Text:
        token = self._next()
        parts: list[str | t.Expression] = [token.value]
        while token.kind not in ("string", "close"):
            parts.append(self.expression())
            if not self.at("middle", "close"):
                self.refuse("'}'")
            token = self._next()
            parts.append(token.value)
        return t.Text(tuple(parts))

    def _object(self) -> t.Object:
        items: list[tuple[t.Expression, t.Expression]] = []
        nested: list[t.Resource] = []

        def item() -> None:
            if self._at_word("resource") and self._token(1).kind == "name":
                found = self.declaration()
                assert isinstance(found, t.Resource)
                nested.append(found)
                return
            key = self._text() if self.at("string", "open") else t.Text((self._want("name"),))
            self._want(":")
            items.append((key, self.expression()))

        self._want("{")
        self._list("}", item)
        return t.Object(tuple(items), tuple(nested))

    def _array(self) -> t.Expression:
        self._want("[")
        self.skip_lines()
        if self._take_word("for"):
            return self._for()
        items: list[t.Expression] = []
        self._list("]", lambda: items.append(self.expression()))
        return t.Array(tuple(items))

    def _for(self) -> t.For:
        names: list[str] = []
        if self._take("("):
            self._list(")", lambda: names.append(self._want("name")))
        else:
            names.append(self._want("name"))
        if not self._take_word("in"):
            self.refuse("'in'")
        sequence = self.expression()
        self._want(":")
        body = self._condition()
        self.skip_lines()._want("]")
        return t.For(tuple(names), sequence, body)
