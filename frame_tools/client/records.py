"""A run's records as a table: JSON lines become CSV, one row for each frame."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

CSV_SUFFIX: Final = ".csv"


def records_to_csv(lines: bytes) -> bytes:
    """Return records, one JSON object a line, as CSV (UTF-8) with a column for each key, in order of first use.

    Values in nested objects get columns like "box.width"; lists are written as JSON, and missing values are empty.
    """
    rows = [dict(_flat(json.loads(line))) for line in lines.splitlines() if line.strip()]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield the columns and values of a record."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | bool):
            yield f"{prefix}{name}", json.dumps(value, ensure_ascii=False)
        else:
            yield f"{prefix}{name}", "" if value is None else value
