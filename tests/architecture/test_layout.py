"""Layout rules: every module says its job, every package says it in one line, and folders stay small enough to read."""

import ast
from pathlib import PurePosixPath

import pytest

from tests.architecture.modules import MODULES, ROOT


@pytest.mark.parametrize("name", MODULES)
def test_module_has_docstring(name: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8"))), f"{name} has no docstring"


@pytest.mark.parametrize("name", [name for name in MODULES if name.endswith("/__init__.py")])
def test_package_docstring_starts_with_one_sentence(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8"))) or ""
    assert docstring.partition("\n")[0].endswith((".", ":")), f"{name}: {docstring[:80]!r}"


@pytest.mark.parametrize("folder", sorted({str(PurePosixPath(name).parent) for name in MODULES}))
def test_python_folder_is_a_package(folder: str) -> None:
    assert folder in {".", "samples", "samples/scorers"} or (ROOT / folder / "__init__.py").is_file(), (
        f"{folder} has no __init__.py"
    )


def test_modules_are_found() -> None:
    assert len(MODULES) > 200
