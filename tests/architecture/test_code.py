"""Calls that look right and are not."""

import pytest

from tests.architecture.modules import MODULES, ROOT


@pytest.mark.parametrize("module", MODULES)
def test_digits_are_recognized_by_isdecimal(module: str) -> None:
    """`"²".isdigit()` is True, but `int("²")` raises ValueError."""
    assert ".isdigit(" not in (ROOT / module).read_text(encoding="utf-8")
