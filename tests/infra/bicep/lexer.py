"""Bicep text to tokens. A string with ${...} becomes `open`, the tokens inside, `middle` ..., `close`."""

import re
from dataclasses import dataclass


class BicepError(Exception):
    """The text is not the Bicep that is known here."""


@dataclass(frozen=True)
class Token:
    kind: str
    """name, number, string, open, middle, close, newline, end, or the sign itself."""
    value: str
    line: int


_SKIPPED = re.compile(r"[ \t]+|//[^\n]*|/\*.*?\*/|#disable-next-line [^\n]*", re.DOTALL)
_PLAIN = re.compile(r"(?P<newline>\r?\n)|(?P<name>[A-Za-z_]\w*)|(?P<number>\d+)")
_SIGN = re.compile(r"\?\?|::|=>|==|!=|=~|!~|<=|>=|&&|\|\||[@{}()\[\],.?:=+\-*/%!<>|]")
_PIECE = re.compile(r"((?:[^'\\\n$]|\\.|\$(?!\{))*)('|\$\{)")
_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\\\": "\\", "\\'": "'", "\\$": "$"}


def tokens_of(text: str) -> list[Token]:
    """Return the tokens, the last of kind `end`."""
    return _Lexer(text).run()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._tokens: list[Token] = []
        self._depths: list[int] = []
        """Braces open inside each ${ that is open."""

    def run(self) -> list[Token]:
        while self._place < len(self._text):
            self._step()
        self._add("end", "")
        return self._tokens

    def _add(self, kind: str, value: str) -> None:
        self._tokens.append(Token(kind, value, self._text.count("\n", 0, self._place) + 1))

    def _refuse(self, what: str) -> BicepError:
        line = self._text.count("\n", 0, self._place) + 1
        return BicepError(f"line {line}: {what}")

    def _step(self) -> None:
        sign = self._text[self._place]
        if match := _SKIPPED.match(self._text, self._place):
            self._place = match.end()
        elif sign == "'":
            self._piece(first=True)
        elif sign == "}" and self._depths and self._depths[-1] == 0:
            self._piece(first=False)
        elif match := _PLAIN.match(self._text, self._place):
            self._add(str(match.lastgroup), match[0])
            self._place = match.end()
        elif match := _SIGN.match(self._text, self._place):
            if self._depths:
                self._depths[-1] += {"{": 1, "}": -1}.get(match[0], 0)
            self._add(match[0], match[0])
            self._place = match.end()
        else:
            raise self._refuse(f"{sign!r} can't be read")

    def _piece(self, *, first: bool) -> None:
        """Read from ' or } to the next ' or ${."""
        match = _PIECE.match(self._text, self._place + 1)
        if not match:
            raise self._refuse("a string does not end")
        ends = match[2] == "'"
        if first and not ends:
            self._depths.append(0)
        if ends and not first:
            self._depths.pop()
        kind = {(True, True): "string", (True, False): "open", (False, True): "close", (False, False): "middle"}
        self._add(kind[first, ends], re.sub(r"\\.", self._unescaped, match[1]))
        self._place = match.end()

    def _unescaped(self, pair: re.Match[str]) -> str:
        if pair[0] not in _ESCAPES:
            raise self._refuse(f"unknown escape {pair[0]}")
        return _ESCAPES[pair[0]]
