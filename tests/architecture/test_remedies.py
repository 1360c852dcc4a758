"""Every combination of error code and next step that Impasto can report has a test that follows its remedy."""

import ast
import itertools
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Final

import pytest

from frame_tools.contracts import errors
from frame_tools.contracts.errors import ErrorCode, ImpastoError, NextStep
from tests.architecture.modules import MODULES, ROOT
from tests.support.remedy_cases import REMEDIES

Kind = tuple[ErrorCode, NextStep]

REPORTING: Final = (
    "function_app.py",
    "frame_tools/cli/errors.py",
    "frame_tools/assembly.py",
    *(f"frame_tools/{package}/" for package in ("contracts", "costs", "media", "storage")),
    "orchestration/",
    *(f"scoring/{package}/" for package in ("tasks", "pipeline", "postprocess", "inference", "temporal", "scorers")),
)
PRODUCT: Final = [name for name in MODULES if name.startswith(REPORTING)]
"""Modules whose errors a run or an HTTP answer can report; the command line reports its own to its own user."""

DEFAULTS: Final = {
    name: (each.code, each.next_step)
    for name, each in vars(errors).items()
    if isinstance(each, type) and issubclass(each, ImpastoError) and each is not ImpastoError
}
"""Class of errors -> its code and next step, unless the code that raises it gives others."""


def members(node: ast.expr | None, enumeration: type[ErrorCode] | type[NextStep]) -> list[str]:
    """Return the names of the members in an expression like NextStep.RESUBMIT, or a choice of them."""
    return [
        each.attr
        for each in ast.walk(node or ast.Constant(None))
        if isinstance(each, ast.Attribute) and ast.unparse(each.value) == enumeration.__name__
    ]


def classes(tree: ast.Module) -> dict[str, Kind]:
    """Return the kinds of a module's own error classes."""
    kinds: dict[str, Kind] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                if isinstance(base, ast.Name) and base.id in DEFAULTS:
                    calls = (each for each in ast.walk(node) if isinstance(each, ast.Call))
                    steps = [step for call in calls for step in steps_of(call)]
                    code, default = DEFAULTS[base.id]
                    kinds[node.name] = (code, NextStep[steps[0]] if steps else default)
    return kinds


def steps_of(call: ast.Call) -> list[str]:
    """Return the next steps that a call names."""
    return [step for each in call.keywords if each.arg == "next_step" for step in members(each.value, NextStep)]


def reported(source: str) -> Iterator[tuple[Kind, int]]:
    """Yield the kinds of errors that a module creates, each with its line: raised ones and recorded ones."""
    tree = ast.parse(source)
    known_classes = DEFAULTS | classes(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        fault = keywords.get("fault", node.func)
        default = known_classes.get(fault.id) if isinstance(fault, ast.Name) else None
        codes = [ErrorCode[name] for name in members(keywords.get("code"), ErrorCode)]
        steps = [NextStep[name] for name in steps_of(node)]
        if default is not None:
            codes, steps = codes or [default[0]], steps or [default[1]]
        for kind in itertools.product(codes, steps):
            yield kind, node.lineno


@cache
def kinds() -> dict[Kind, list[str]]:
    """Return every kind of error with the places that create it."""
    places: dict[Kind, list[str]] = defaultdict(list)
    for name in PRODUCT:
        for kind, line in reported((ROOT / name).read_text(encoding="utf-8")):
            places[kind].append(f"{name}:{line}")
    return places


def test_every_kind_of_error_has_a_remedy_test() -> None:
    missing = {
        f"{code.name}, {step.name}": places[:3]
        for (code, step), places in kinds().items()
        if (code, step) not in REMEDIES
    }
    assert missing == {}, "add a case to tests/support/remedy_cases.py that follows the remedy"


def test_every_remedy_test_is_of_an_error_that_exists() -> None:
    assert [kind for kind in REMEDIES if kind not in kinds()] == []


def test_every_error_code_is_reported() -> None:
    assert set(ErrorCode) - {code for code, _ in kinds()} == set()


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("raise InputError('a', 'b')", (ErrorCode.INVALID_INPUT, NextStep.FIX_INPUT)),
        ("raise DamagedError('a', 'b', next_step=NextStep.RESUBMIT)", (ErrorCode.DAMAGED_DATA, NextStep.RESUBMIT)),
        ("class E(InputError): pass\nraise E('a', 'b')", (ErrorCode.INVALID_INPUT, NextStep.FIX_INPUT)),
        (
            "end(code=ErrorCode.RUN_TIMED_OUT, next_step=NextStep.RESUBMIT)",
            (ErrorCode.RUN_TIMED_OUT, NextStep.RESUBMIT),
        ),
    ],
)
def test_rule_sees_every_form(source: str, kind: Kind) -> None:
    assert [each for each, _ in reported(source)] == [kind]
