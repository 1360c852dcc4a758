"""The documentation names only files that exist."""

import re

import pytest

from tests.architecture.modules import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "local_cloud" / "README.md"]
PATH = re.compile(r"`((?:frame_tools|orchestration|scoring|local_cloud|tests|infra|benchmarks|samples|docs)/[\w./-]+)`")
MADE_ON_USE = ("scoring/weights",)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page):
    named = {path.rstrip("/") for path in PATH.findall(page.read_text(encoding="utf-8"))}
    assert [path for path in sorted(named) if path not in MADE_ON_USE and not (ROOT / path).exists()] == []
