"""Evaluate Azure Batch autoscale formulas without Azure: the subset of the language that the pool's formula uses.

Supported are + - * / comparisons ! && || ?: and max, min, avg, sum, len; the methods of `values.Series`; and the
variables passed to `evaluate`. Both branches of ?: are evaluated. Anything else raises FormulaError.
https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from local_cloud.batch_service.autoscale.values import FormulaError, Interval, Series, Value, number, numbers

MAX_BYTES: Final = 8192
MAX_STATEMENTS: Final = 100
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
    """Replace each __NAME__ by its number, as batch.bicep does; raises FormulaError if a name remains."""
    for name, value in values.items():
        text = text.replace(f"__{name}__", str(value))
    if unfilled := sorted(set(re.findall(r"__\w+?__", text))):
        raise FormulaError(f"no number was given for {', '.join(unfilled)}")
    return text


def tokens_of(text: str) -> list[str]:
    """Return the formula's tokens without comments; raises FormulaError for text that the service would reject."""
    if len(text.encode()) > MAX_BYTES:
        raise FormulaError(f"the formula has more than {MAX_BYTES} bytes")
    tokens, position, text = [], 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise FormulaError(f"unexpected text {text[position : position + 10]!r}")
        position = match.end()
        if match[2]:
            tokens.append(match[2])
    if tokens.count(";") > MAX_STATEMENTS:
        raise FormulaError(f"the formula has more than {MAX_STATEMENTS} statements")
    return tokens


def evaluate(text: str, variables: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values of all names after the last statement. Targets are truncated to integers, as the service does.

    Raises FormulaError, or its subclass TooFewSamplesError where the service would keep the current targets.
    """
    return _Evaluation(tokens_of(text), variables).run()


class _Evaluation:
    """Recursive descent parser that evaluates while it parses."""

    def __init__(self, tokens: Sequence[str], variables: Mapping[str, Value]) -> None:
        self._tokens = tokens
        self._position = 0
        self._variables = variables
        self._names: dict[str, Value] = {**UNITS, **variables}

    def run(self) -> dict[str, Value]:
        while self._peek():
            name = self._next()
            if isinstance(self._variables.get(name), Series):
                raise FormulaError(f"{name} is read-only")
            self._expect("=")
            value = self._ternary()
            self._names[name] = self._target(name, value) if name.startswith("$Target") else value
            if self._peek():
                self._expect(";")
        return self._names

    @staticmethod
    def _target(name: str, value: Value) -> float:
        count = number(value)
        if math.isnan(count):
            raise FormulaError(f"{name} has no value, because a function was applied to an empty sample")
        return float(int(count))

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise FormulaError("the formula ends within a statement")
        self._position += 1
        return token

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            raise FormulaError(f"expected {token!r} before {self._peek()!r}")
        self._position += 1

    def _ternary(self) -> Value:
        condition = self._binary(0)
        if self._peek() != "?":
            return condition
        self._expect("?")
        yes = self._ternary()
        self._expect(":")
        no = self._ternary()
        return yes if number(condition) else no

    def _binary(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while (sign := self._peek()) in _LEVELS[level]:
            self._expect(sign)
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
            self._expect(".")
            method = self._next()
            if not isinstance(value, Series):
                raise FormulaError(f"{method} was called on a value without samples")
            value = value.call(method, self._arguments())
        return value

    def _primary(self) -> Value:
        symbol = self._next()
        if symbol == "(":
            value = self._ternary()
            self._expect(")")
            return value
        if symbol[0].isdecimal():
            return float(symbol)
        if symbol in _FUNCTIONS:
            values = numbers(self._arguments())
            return float(_FUNCTIONS[symbol](values)) if values or symbol == "len" else math.nan
        if symbol in self._names:
            return self._names[symbol]
        if symbol in DEALLOCATION:
            return symbol
        raise FormulaError(f"unknown name {symbol!r}")

    def _arguments(self) -> list[Value]:
        self._expect("(")
        arguments: list[Value] = []
        while self._peek() != ")":
            arguments.append(self._ternary())
            if self._peek() != ")":
                self._expect(",")
        self._expect(")")
        return arguments
