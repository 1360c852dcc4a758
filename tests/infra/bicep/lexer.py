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
    found: list[Token] = []
    place = 0
    depths: list[int] = []  # braces open inside each ${ that is open

    def piece(start: int, first: bool) -> int:
        match = _PIECE.match(text, start)
        if not match:
            raise BicepError(f"line {line_at(start)}: a string does not end")
        value = re.sub(r"\\.", lambda m: escape(m[0], start), match[1])
        ends = match[2] == "'"
        if not ends and first:
            depths.append(0)
        if ends and not first:
            depths.pop()
        kind = {(True, True): "string", (True, False): "open", (False, True): "close", (False, False): "middle"}
        found.append(Token(kind[first, ends], value, line_at(start)))
        return match.end()

    def escape(pair: str, start: int) -> str:
        if pair not in _ESCAPES:
            raise BicepError(f"line {line_at(start)}: unknown escape {pair}")
        return _ESCAPES[pair]

    def line_at(position: int) -> int:
        return text.count("\n", 0, position) + 1

    while place < len(text):
        if match := _SKIPPED.match(text, place):
            place = match.end()
        elif text.startswith("'''", place):
            end = text.index("'''", place + 3)
            found.append(Token("string", text[place + 3 : end], line_at(place)))
            place = end + 3
        elif text[place] == "'":
            place = piece(place + 1, first=True)
        elif text[place] == "}" and depths and depths[-1] == 0:
            place = piece(place + 1, first=False)
        elif match := _PLAIN.match(text, place):
            found.append(Token(str(match.lastgroup), match[0], line_at(place)))
            place = match.end()
        elif match := _SIGN.match(text, place):
            if depths:
                depths[-1] += {"{": 1, "}": -1}.get(match[0], 0)
            found.append(Token(match[0], match[0], line_at(place)))
            place = match.end()
        else:
            raise BicepError(f"line {line_at(place)}: {text[place]!r} can't be read")
    return [*found, Token("end", "", line_at(place))]
