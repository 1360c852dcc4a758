"""The check of Kusto queries names syntax errors, unknown tables and unknown columns with their place."""

import shutil
import subprocess
from pathlib import Path

import pytest

from infra.tools.kql import check
from infra.tools.kql.check import LanguageServiceError, findings
from infra.tools.kql.queries import Query, all_queries, queries_in
from tests.infra.deployments import REPOSITORY

PAGE = """# Page

```kusto
AppTraces
| where Message has "x"

AppTraces | where Texts has "x"
```

```sh
az monitor log-analytics query -w $WORKSPACE --analytics-query 'AppTraces | pick true' -o table
```
"""


def page(folder: Path, text: str = PAGE) -> Path:
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_queries_of_a_page_are_found(tmp_path: Path) -> None:
    queries = queries_in(page(tmp_path))
    assert [(query.line, query.column) for query in queries] == [(4, 1), (7, 1), (11, 65)]
    assert [query.text.split()[0] for query in queries] == ["AppTraces"] * 3


def test_errors_are_named_with_their_place(tmp_path: Path) -> None:
    path = page(tmp_path)
    file = tmp_path / "broken.kql"
    file.write_text("AppTraces\n| summarize count( by Message\n\n", encoding="utf-8")
    found = findings([*queries_in(path), *queries_in(file)])
    places = {line.partition(": ")[0] for line in found}
    assert f"{path}:7:19" in places
    assert f"{path}:11:77" in places
    assert any(place.startswith(f"{file}:2:") for place in places)
    assert not any(place.startswith((f"{path}:4:", f"{path}:5:")) for place in places)
    assert any("Texts" in line for line in found)


BROKEN = [
    "AppTrace | count",
    "AppTraces | where TimeGenerated > ago(1d) | project Texts",
    "AppMetrics | summarize sum(Total) by Name",
    "AppTraces | where",
    "AppTraces | where Message == 'a",
    "AppTraces | extend a = parse_jso(Message)",
    "AppTraces | count\nAppTraces | count",
]


def test_every_broken_query_is_an_error() -> None:
    queries = [Query(path=Path(f"{i}.kql"), line=1, column=1, text=text) for i, text in enumerate(BROKEN)]
    assert {line.partition(".kql:")[0] for line in findings(queries)} == {str(i) for i in range(len(BROKEN))}


def test_all_queries_are_correct() -> None:
    queries = all_queries(REPOSITORY)
    assert {query.path.suffix for query in queries} == {".md", ".kql"}
    assert findings(queries) == []


def test_check_is_a_part_of_make_check() -> None:
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (prerequisites,) = [line for line in text.splitlines() if line.startswith("check:")]
    assert "kql" in prerequisites.split()


def test_command_prints_the_findings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(check, "findings", lambda _queries: ["a.kql:3:1: KS204 no such table"])
    assert check.main() == 1
    assert capsys.readouterr().err == "a.kql:3:1: KS204 no such table\n"


@pytest.mark.parametrize("missing", ["node", "package"])
def test_missing_language_service_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if missing == "node":
        monkeypatch.setattr(shutil, "which", lambda _name: None)
    else:
        failed = subprocess.CompletedProcess([], 1, "", "Cannot find module")
        monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: failed)
    with pytest.raises(LanguageServiceError):
        findings([])
    assert check.main() == 1
    assert {"node": "Node.js", "package": "npm ci"}[missing] in capsys.readouterr().err
