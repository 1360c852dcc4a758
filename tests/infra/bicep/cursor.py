"""A place in the tokens: look, take, insist."""

from collections.abc import Callable
from typing import Self

from tests.infra.bicep.lexer import BicepError, Token


class Cursor:
    """Moves through the tokens; names say whether something must be there (`want`) or may be (`take`)."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0

    def token(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._place + ahead, len(self._tokens) - 1)]

    def at(self, *kinds: str) -> bool:
        return self.token().kind in kinds

    def at_word(self, word: str) -> bool:
        return self.at("name") and self.token().value == word

    def next(self) -> Token:
        self._place += 1
        return self._tokens[self._place - 1]

    def take(self, kind: str) -> bool:
        taken = self.at(kind)
        self._place += taken
        return taken

    def take_word(self, word: str) -> bool:
        taken = self.at_word(word)
        self._place += taken
        return taken

    def want(self, kind: str) -> str:
        if not self.at(kind):
            self.refuse(repr(kind))
        return self.next().value

    def skip_lines(self) -> Self:
        while self.take("newline"):
            pass
        return self

    def after_lines(self) -> str:
        ahead = 0
        while self.token(ahead).kind == "newline":
            ahead += 1
        return self.token(ahead).kind

    def refuse(self, wanted: str) -> None:
        token = self.token()
        raise BicepError(f"line {token.line}: {wanted} is missing before {token.value or token.kind!r}")

    def listed(self, close: str, item: Callable[[], None]) -> None:
        """Items parted by a comma or a new line; no new line after a comma."""
        self.skip_lines()
        while not self.take(close):
            item()
            if self.take(","):
                if self.at("newline", close):
                    self.refuse("an item behind the comma")
            elif self.at("newline"):
                self.skip_lines()
            elif not self.at(close):
                self.refuse("a comma or a new line")
