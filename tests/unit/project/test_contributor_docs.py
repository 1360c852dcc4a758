"""Pages for contributors name files, commands and make targets that exist."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "THIRD_PARTY.md")
MADE_BY_SETUP = (".venv", ".venv-scoring", "node_modules")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page(name))]
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).is_file()] == []


@pytest.mark.parametrize("name", PAGES)
def test_named_paths_exist(name: str) -> None:
    named = re.findall(r"`([\w.-]+/[\w./-]*|[\w.-]+\.(?:py|md|txt|toml|yml|yaml|http))`", page(name))
    missing = [path for path in named if not path.startswith(MADE_BY_SETUP) and not any(ROOT.glob(path.rstrip("/")))]
    assert missing == []


@pytest.mark.parametrize("name", PAGES)
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", page("Makefile")))
    code = re.findall(r"`(make [^`]+)`", page(name)) + re.findall(r"(?m)^make .+", page(name))
    assert {call.split()[1] for call in code} <= targets


def test_named_modules_exist() -> None:
    modules = re.findall(r"python -m ([\w.]+)", page("CONTRIBUTING.md"))
    assert modules
    assert [module for module in modules if not importlib.util.find_spec(module)] == []
