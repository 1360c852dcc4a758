"""Naming rules: identifiers that say nothing about what they hold are banned, and spelling is American."""

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.architecture.modules import MODULES, ROOT, TESTS

BANNED = {
    "words": "text, fields, options, or what they are",
    "said": "payload, parsed, text",
    "told": "messages, events, calls",
    "made": "the noun of the thing",
    "wish": "request",
    "wishes": "options",
    "wanted": "expected, required",
    "look_at": "inspect",
    "looked": "the noun of the result",
    "in_words": "describe, label",
    "strays": "dead_letters",
    "offspring": "child_runs",
    "mischief": "faults",
    "set_aside": "quarantine, invalidate",
    "steadier": "smoother",
    "pace": "throughput",
}
"""Identifier -> what to use instead."""

BANNED_IN_PRODUCT = dict.fromkeys(("one", "found", "there", "known", "told", "given", "more"), "the noun of the thing")
"""Names of local variables that say nothing; short tests may use them."""

BRITISH = ("colour", "grey", "normalis", "behaviour", "centre", "optimis", "serialis", "initialis", "modelled")


def identifiers(source: str) -> Iterator[tuple[str, int]]:
    """Yield (identifier, line) of every name that the source defines: functions, classes, arguments, targets."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno
            case _:
                pass


def banned(source: str, names: Mapping[str, str] = BANNED) -> list[str]:
    return [
        f"line {line}: {name} (use: {names[name.strip('_').casefold()]})"
        for name, line in identifiers(source)
        if name.strip("_").casefold() in names
    ]


def british(source: str) -> list[str]:
    return [
        f"line {line}: {name}"
        for name, line in identifiers(source)
        if any(spelling in name.casefold() for spelling in BRITISH)
    ]


@pytest.mark.parametrize("name", [*MODULES, *TESTS])
def test_identifiers_are_descriptive(name: str) -> None:
    assert banned((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", MODULES)
def test_local_names_are_nouns(name: str) -> None:
    assert banned((ROOT / name).read_text(encoding="utf-8"), BANNED_IN_PRODUCT) == []


@pytest.mark.parametrize("name", [*MODULES, *TESTS])
def test_identifiers_use_american_spelling(name: str) -> None:
    assert british((ROOT / name).read_text(encoding="utf-8")) == []


def test_rules_see_every_kind_of_definition() -> None:
    source = "def said(words, *, told): pass\nclass Wish: pass\nmade = 1\nfor looked in x: pass\nimport a as offspring"
    assert len(banned(source)) == 7
    assert british("colour_map = 1\nx.colour = 2") == ["line 1: colour_map"]
