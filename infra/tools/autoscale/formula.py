"""Azure Batch autoscale formulas, evaluated without Azure: the part of the language that a pool's formula needs.

Known are + - * / comparisons ! && || ?: and max, min, avg, sum, len; the methods of `values.Series`; the variables that
`evaluate` is given. Both branches of ?: are evaluated. Anything else is a FormulaError, never a guess.
https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from infra.tools.autoscale.values import FormulaError, Interval, Series, Value, number, numbers

MOST_BYTES: Final = 8192
MOST_STATEMENTS: Final = 100
DEALLOCATION: Final = ("requeue", "terminate", "taskcompletion", "retaineddata")
UNITS: Final[Mapping[str, Value]] = {
    "TimeInterval_Second": Interval(1),
    "TimeInterval_Minute": Interval(60),
    "TimeInterval_Hour": Interval(3600),
}
_TOKEN = re.compile(r"\s*(?:(//[^\n]*)|(\d+(?:\.\d+)?|\$?[A-Za-z_]\w*|&&|\|\||[<>=!]=|[-+*/<>?:(),.;=!]))")
_LEVELS: Final[Sequence[Mapping[str, Callable[[float, float], float]]]] = (
    {"||": lambda x, y: float(bool(x) or bool(y))},
    {"&&": lambda x, y: float(bool(x) and bool(y))},
    {"==": operator.eq, "!=": operator.ne},
    {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv},
)
_FUNCTIONS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "max": max,
    "min": min,
    "avg": lambda values: math.fsum(values) / len(values),
    "sum": math.fsum,
    "len": len,
}


def fill(text: str, values: Mapping[str, int]) -> str:
    """Put a number for each __NAME__, as batch.bicep does; raises FormulaError for one that is left."""
    for name, value in values.items():
        text = text.replace(f"__{name}__", str(value))
    if left := sorted(set(re.findall(r"__\w+?__", text))):
        raise FormulaError(f"no number is given for {', '.join(left)}")
    return text


def tokens_of(text: str) -> list[str]:
    """Return the formula's tokens without comments; raises FormulaError for what the service refuses to read."""
    if len(text.encode()) > MOST_BYTES:
        raise FormulaError(f"the formula has more than {MOST_BYTES} bytes")
    found, place, text = [], 0, text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match:
            raise FormulaError(f"{text[place : place + 10]!r} can't be read")
        place = match.end()
        if match[2]:
            found.append(match[2])
    if found.count(";") > MOST_STATEMENTS:
        raise FormulaError(f"the formula has more than {MOST_STATEMENTS} statements")
    return found


def evaluate(text: str, variables: Mapping[str, Value]) -> dict[str, Value]:
    """Return all names after the last statement. Targets are whole numbers: the service cuts decimals off.

    Raises FormulaError, and its kind TooFewSamplesError where the service would leave everything as it is.
    """
    return _Evaluation(tokens_of(text), variables).run()


class _Evaluation:
    """Recursive descent over the tokens; values are computed on the way."""

    def __init__(self, tokens: Sequence[str], variables: Mapping[str, Value]) -> None:
        self._tokens = tokens
        self._place = 0
        self._given = variables
        self._names: dict[str, Value] = {**UNITS, **variables}

    def run(self) -> dict[str, Value]:
        while self._peek():
            name = self._next()
            if isinstance(self._given.get(name), Series):
                raise FormulaError(f"{name} can only be read")
            self._want("=")
            value = self._ternary()
            self._names[name] = self._target(name, value) if name.startswith("$Target") else value
            if self._peek():
                self._want(";")
        return self._names

    @staticmethod
    def _target(name: str, value: Value) -> float:
        count = number(value)
        if math.isnan(count):
            raise FormulaError(f"{name} has no value: something was taken of no samples at all")
        return float(int(count))

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise FormulaError("the formula ends in the middle of a statement")
        self._place += 1
        return token

    def _want(self, token: str) -> None:
        if self._peek() != token:
            raise FormulaError(f"{token!r} is missing before {self._peek()!r}")
        self._place += 1

    def _ternary(self) -> Value:
        condition = self._binary(0)
        if self._peek() != "?":
            return condition
        self._want("?")
        yes = self._ternary()
        self._want(":")
        no = self._ternary()
        return yes if number(condition) else no

    def _binary(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while (sign := self._peek()) in _LEVELS[level]:
            self._want(sign)
            x, y = number(left), number(self._binary(level + 1))
            if sign == "/" and y == 0:
                raise FormulaError("division by zero")
            result = float(_LEVELS[level][sign](x, y))
            is_interval = sign in "+-*/" and (isinstance(x, Interval) or isinstance(y, Interval))
            left = Interval(result) if is_interval else result
        return left

    def _unary(self) -> Value:
        if self._peek() in ("-", "!"):
            sign, operand = self._next(), number(self._unary())
            return -operand if sign == "-" else float(not operand)
        value = self._primary()
        while self._peek() == ".":
            self._want(".")
            method = self._next()
            if not isinstance(value, Series):
                raise FormulaError(f"{method} of something that has no samples")
            value = value.call(method, self._arguments())
        return value

    def _primary(self) -> Value:
        word = self._next()
        if word == "(":
            value = self._ternary()
            self._want(")")
            return value
        if word[0].isdigit():
            return float(word)
        if word in _FUNCTIONS:
            values = numbers(self._arguments())
            return float(_FUNCTIONS[word](values)) if values or word == "len" else math.nan
        if word in self._names:
            return self._names[word]
        if word in DEALLOCATION:
            return word
        raise FormulaError(f"{word!r} is not known")

    def _arguments(self) -> list[Value]:
        self._want("(")
        found: list[Value] = []
        while self._peek() != ")":
            found.append(self._ternary())
            if self._peek() != ")":
                self._want(",")
        self._want(")")
        return found
