"""Tokens to expressions, by recursive descent. Line breaks count as in the language's own grammar.

https://github.com/Azure/bicep/blob/main/docs/grammar.md
"""

from tests.infra.bicep import tree as t
from tests.infra.bicep.cursor import Cursor

LEVELS = (("??",), ("||",), ("&&",), ("==", "!=", "=~", "!~"), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))


class ExpressionParser(Cursor):
    """Reads one expression; objects may hold resources, which are declarations."""

    def declaration(self) -> t.Declaration:
        """Read a declaration (the parser of whole files does)."""
        raise NotImplementedError

    def expression(self) -> t.Expression:
        test = self._binary(0)
        if self.after_lines() != "?":
            return test
        self.skip_lines()
        self.want("?")
        yes = self.expression()
        if self.after_lines() == ":":
            self.skip_lines()
        self.want(":")
        return t.Ternary(test, yes, self.expression())

    def _binary(self, level: int) -> t.Expression:
        if level == len(LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self.at(*LEVELS[level]):
            left = t.Binary(self.next().kind, left, self._binary(level + 1))
        return left

    def _unary(self) -> t.Expression:
        if self.at("!", "-"):
            return t.Unary(self.next().kind, self._unary())
        found = self._primary()
        while self.at(".", "[", "::", "!"):
            sign = self.next().kind
            if sign == ".":
                self.take("?")
                found = t.Member(found, t.Text((self.want("name"),)))
            elif sign == "[":
                found = t.Member(found, self.expression())
                self.want("]")
            elif sign == "::":
                found = t.Nested(found, self.want("name"))
        return found

    def _primary(self) -> t.Expression:
        if self.at("string", "open"):
            return self._text()
        if self.at("number"):
            return t.Literal(int(self.next().value))
        if self.at("{"):
            return self._object()
        if self.at("["):
            return self._array()
        if self.take("("):
            inner = self.skip_lines().expression()
            self.skip_lines().want(")")
            return inner
        name = self.want("name")
        if name in ("true", "false", "null"):
            return t.Literal({"true": True, "false": False, "null": None}[name])
        if self.take("=>"):
            return t.Lambda((name,), self.expression())
        return t.Call(name, self.arguments()) if self.at("(") else t.Name(name)

    def arguments(self) -> tuple[t.Expression, ...]:
        found: list[t.Expression] = []
        self.want("(")
        self.skip_lines()
        while not self.take(")"):
            found.append(self.expression())
            if not self.skip_lines().at(")"):
                self.want(",")
                if self.skip_lines().at(")"):
                    self.refuse("an argument behind the comma")
        return tuple(found)

    def _text(self) -> t.Text:
        token = self.next()
        parts: list[str | t.Expression] = [token.value]
        while token.kind not in ("string", "close"):
            parts.append(self.expression())
            if not self.at("middle", "close"):
                self.refuse("'}'")
            token = self.next()
            parts.append(token.value)
        return t.Text(tuple(parts))

    def _object(self) -> t.Object:
        items: list[tuple[t.Expression, t.Expression]] = []
        nested: list[t.Resource] = []

        def item() -> None:
            if self.at_word("resource") and self.token(1).kind == "name":
                found = self.declaration()
                assert isinstance(found, t.Resource)
                nested.append(found)
                return
            key = self._text() if self.at("string", "open") else t.Text((self.want("name"),))
            self.want(":")
            items.append((key, self.expression()))

        self.want("{")
        self.listed("}", item)
        return t.Object(tuple(items), tuple(nested))

    def _array(self) -> t.Expression:
        self.want("[")
        self.skip_lines()
        if self.take_word("for"):
            return self._for()
        items: list[t.Expression] = []
        self.listed("]", lambda: items.append(self.expression()))
        return t.Array(tuple(items))

    def _for(self) -> t.For:
        names: list[str] = []
        if self.take("("):
            self.listed(")", lambda: names.append(self.want("name")))
        else:
            names.append(self.want("name"))
        if not self.take_word("in"):
            self.refuse("'in'")
        sequence = self.expression()
        self.want(":")
        body = self.condition()
        self.skip_lines().want("]")
        return t.For(tuple(names), sequence, body)

    def condition(self) -> t.Expression:
        if not self.take_word("if"):
            return self.expression()
        self.want("(")
        test = self.expression()
        self.want(")")
        return t.If(test, self.expression())
