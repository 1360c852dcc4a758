"""The documentation names only files that exist."""

import re

import pytest

from tests.architecture.modules import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "local_cloud" / "README.md"]
PATH = re.compile(r"`((?:frame_tools|orchestration|scoring|local_cloud|tests|infra|benchmarks|samples|docs)/[\w./-]+)`")
MADE_ON_USE = ("scoring/weights", "scoring/requirements-extra.txt")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page):
    named = {path.rstrip("/") for path in PATH.findall(page.read_text(encoding="utf-8"))}
    assert [path for path in sorted(named) if path not in MADE_ON_USE and not (ROOT / path).exists()] == []


def test_readme_follows_the_conventions_of_samples():
    """Front matter and headings by which galleries of samples find their way."""
    _, front, text = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    keys = re.findall(r"^(\w+):", front, re.MULTILINE)
    assert keys == ["page_type", "name", "description", "urlFragment", "languages", "products"]
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    places = [headings.index(name) for name in ("Prerequisites and downloads", "Usage", "Deploy", "Clean up")]
    assert places == sorted(places)
