"""Binding expressions and blob path patterns."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.function_host.config.expressions import ExpressionError, PathPattern, expand, resolve_settings


@pytest.mark.parametrize(
    ("path", "name", "captures"),
    [
        ("in/{name}.txt", "a.txt", {"name": "a"}),
        ("in/{name}.txt", "a/b.txt", {"name": "a/b"}),  # a capture takes slashes too
        ("in/{name}.txt", "a.TXT", None),
        ("in/{name}.txt", "a.txt.gz", None),
        ("in/{folder}/{name}", "a/b/c", {"folder": "a/b", "name": "c"}),  # the first takes all it can
        ("in/{{x}}-{y}", "{x}-1", {"y": "1"}),
        ("in/a+b", "a+b", {}),
        ("in", "anything/at.all", {}),
        ("in/{name}", "line\nbreak", {"name": "line\nbreak"}),
    ],
)
def test_path_patterns(path: str, name: str, captures: dict[str, str] | None) -> None:
    pattern = PathPattern.parse(path)
    assert pattern.container == "in"
    assert pattern.captures(name) == captures


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1), st.text())
def test_expanded_path_is_captured(folder: str, name: str) -> None:
    template = "{folder}/x/{name}"
    captures = PathPattern.parse("in/" + template).captures(expand(template, {"Folder": folder, "NAME": name}))
    assert captures is not None
    assert f"{captures['folder']}/x/{captures['name']}" == f"{folder}/x/{name}"


@pytest.mark.parametrize("path", ["{container}/x", "", "/"])
def test_path_needs_literal_container(path: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(repr(path))):
        PathPattern.parse(path)


def test_unresolvable_expression_names_value() -> None:
    with pytest.raises(ExpressionError, match="setting X"):
        resolve_settings("a-%X%", {})
    with pytest.raises(ExpressionError, match=r"\{y\}.*list, x"):
        expand("{x}/{y}", {"x": 1, "list": []})
    assert expand("{rand-guid}", {}) != expand("{rand-guid}", {})
