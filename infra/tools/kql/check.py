"""`python -m infra.tools.kql`: parse every Kusto query and resolve its tables and columns.

The work is done by `@kusto/language-service-next`, the language service of Azure's query editors, in Node.js
(`language_service.cjs`). It knows the tables of `tables.json`, so that a misspelt column is an error as well.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.tools.kql.queries import Query, all_queries

ROOT: Final = Path(__file__).resolve().parents[3]
TABLES: Final = Path(__file__).with_name("tables.json")
_SERVICE: Final = Path(__file__).with_name("language_service.cjs")
_TIMEOUT_S: Final = 120


class LanguageServiceError(Exception):
    """The language service cannot run; the message says why and what to do."""


def findings(queries: Sequence[Query]) -> list[str]:
    """Return the errors in the queries, one line each: `file:line:column: code message`.

    Raises LanguageServiceError if Node.js or the package is missing.
    """
    node = shutil.which("node")
    if node is None:
        raise LanguageServiceError("No node found. Install Node.js 20 or newer.")
    tables = json.loads(TABLES.read_text(encoding="utf-8"))
    request = json.dumps({"tables": tables, "queries": [query.text for query in queries]})
    answer = subprocess.run(
        [node, str(_SERVICE)],
        input=request,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    if answer.returncode != 0:
        raise LanguageServiceError(f"The language service failed; run `npm ci`. {answer.stderr.strip()}")
    return [
        f"{queries[error['query']].place(error['start'])}: {error['code']} {error['message']}"
        for error in json.loads(answer.stdout)
    ]


def main() -> int:
    """Run the check; return 1 if there are findings or no language service."""
    try:
        report = findings(all_queries(ROOT))
    except LanguageServiceError as error:
        report = [str(error)]
    sys.stderr.writelines(f"{line}\n" for line in report)
    return 1 if report else 0
