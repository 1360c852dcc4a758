"""Where Kusto queries stand: `infra/bicep/queries`, which the templates load, and the pages of the documentation.

A page has queries in blocks marked `kusto`, parted by empty lines, and behind `--analytics-query` in quotation marks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUFFIX: Final = ".kql"
_BLOCK: Final = re.compile(r"^```kusto\n(.*?)^```", re.MULTILINE | re.DOTALL)
_OPTION: Final = re.compile(r"--analytics-query '([^']*)'")
_PARAGRAPH: Final = re.compile(r"[^\n]+(?:\n[^\n]+)*")


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query and where its text begins in a file: line and column, from 1."""

    path: Path
    line: int
    column: int
    text: str

    def place(self, offset: int) -> str:
        """Return `file:line:column` of a character of the text."""
        before = self.text[:offset].split("\n")
        column = len(before[-1]) + (self.column if len(before) == 1 else 1)
        return f"{self.path}:{self.line + len(before) - 1}:{column}"


def all_queries(root: Path) -> list[Query]:
    """Return the queries of the templates, of README.md and of the pages in docs."""
    files = sorted((root / "infra" / "bicep" / "queries").glob(f"*{SUFFIX}"))
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    return [query for path in (*files, *pages) for query in queries_in(path)]


def queries_in(path: Path) -> list[Query]:
    """Return the queries of a file of queries or of a page."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == SUFFIX:
        return [Query(path=path, line=1, column=1, text=text)]
    return [_at(path, text, start, end) for start, end in _spans(text)]


def _spans(page: str) -> Iterator[tuple[int, int]]:
    for block in _BLOCK.finditer(page):
        for paragraph in _PARAGRAPH.finditer(block[1]):
            yield block.start(1) + paragraph.start(), block.start(1) + paragraph.end()
    for option in _OPTION.finditer(page):
        yield option.span(1)


def _at(path: Path, page: str, start: int, end: int) -> Query:
    line_start = page.rfind("\n", 0, start) + 1
    return Query(path=path, line=page.count("\n", 0, start) + 1, column=start - line_start + 1, text=page[start:end])
