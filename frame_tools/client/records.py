"""A run's records as a table: JSON lines become CSV or Parquet, one row for each frame.

Both tables have the same columns, one for each key, in order of first use. Values in nested objects get columns like
"box.width"; lists are JSON text. Parquet has types: whole numbers, numbers, true and false, else text.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frame_tools.client.output_path import RecordsFormat
from frame_tools.client.parquet import ColumnType, check_parquet, write_parquet

_MAX_INTEGER: Final = 2**63 - 1
_MAX_EXACT_FLOAT: Final = 2**53


@dataclass(frozen=True)
class Table:
    """Columns and rows; a value that a record does not have is None, and so is null."""

    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]

    def column(self, name: str) -> list[Any]:
        """Return the values of a column that are not None."""
        return [row[name] for row in self.rows if row.get(name) is not None]


def check_records_format(chosen: RecordsFormat) -> None:
    """Raise InputError if the package that writes the format is not installed."""
    if chosen == "parquet":
        check_parquet()


def write_records(lines: bytes, target: Path, chosen: RecordsFormat) -> None:
    """Write records, one JSON object a line, to `target`. Raises InputError if the format's package is missing."""
    _WRITERS[chosen](lines, target)


def records_to_csv(lines: bytes) -> bytes:
    """Return records as CSV (UTF-8): true and false in lower case, missing values and null empty."""
    table = read_table(lines)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_csv_value(row.get(name)) for name in table.columns] for row in table.rows)
    return out.getvalue().encode()


def records_to_parquet(lines: bytes, target: Path) -> None:
    """Write records as Parquet. A column of numbers and other values is text, as in CSV."""
    table = read_table(lines)
    types = {name: column_type(table.column(name)) for name in table.columns}
    rows = (
        [_typed(row.get(name), types[name]) for name in table.columns]
        for row in table.rows
    )  # fmt: skip
    write_parquet(target, types, rows)


def read_table(lines: bytes) -> Table:
    """Return the records as a table."""
    rows = [dict(_flat(json.loads(line))) for line in lines.splitlines() if line.strip()]
    return Table(list(dict.fromkeys(name for row in rows for name in row)), rows)


def column_type(values: Sequence[Any]) -> ColumnType:
    """Return the narrowest type that holds all values exactly; text for none."""
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "BOOLEAN"
    largest = max((abs(value) for value in values if type(value) is int), default=0)
    if kinds == {int} and largest <= _MAX_INTEGER:
        return "BIGINT"
    is_number = bool(kinds) and kinds <= {int, float}
    return "DOUBLE" if is_number and largest <= _MAX_EXACT_FLOAT else "VARCHAR"


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield the columns and values of a record; lists become JSON text."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def _csv_value(value: Any) -> Any:
    return "" if value is None else _text(value)


def _typed(value: Any, kind: ColumnType) -> Any:
    return _text(value) if kind == "VARCHAR" and value is not None else value


def _text(value: Any) -> str:
    """Return a value as text, as JSON writes it except for strings."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _write_lines(lines: bytes, target: Path) -> None:
    target.write_bytes(lines)


def _write_csv(lines: bytes, target: Path) -> None:
    target.write_bytes(records_to_csv(lines))


_WRITERS: Final[Mapping[RecordsFormat, Callable[[bytes, Path], None]]] = {
    "jsonl": _write_lines,
    "csv": _write_csv,
    "parquet": records_to_parquet,
}
