"""The installable package: version, commands, type information and license files."""

import ast
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from frame_tools.contracts.version import IMPASTO_VERSION

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_package_version_is_the_code_version() -> None:
    command = [sys.executable, "-m", "hatchling", "metadata", "version"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == IMPASTO_VERSION


@pytest.mark.parametrize("command", ["impasto", "impasto-node"])
def test_command_has_an_entry_point(command: str) -> None:
    module, _, function = PROJECT["project"]["scripts"][command].partition(":")
    specification = importlib.util.find_spec(module)
    assert specification
    assert specification.origin
    tree = ast.parse(Path(specification.origin).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_packages_are_typed() -> None:
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert [package for package in packages if not (ROOT / package / "py.typed").is_file()] == []


def test_license_files_exist() -> None:
    assert [name for name in PROJECT["project"]["license-files"] if not (ROOT / name).is_file()] == []


def test_changelog_names_the_version() -> None:
    assert f"## [{IMPASTO_VERSION}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
