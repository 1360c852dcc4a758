"""Parquet files, written by DuckDB: the optional part `parquet` of the installed package."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from frame_tools.contracts.errors import InputError

ColumnType = Literal["BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR"]
"""Types of DuckDB that columns have."""


def check_parquet() -> None:
    """Raise InputError if the package that writes Parquet is not installed."""
    if find_spec("duckdb") is None:
        raise InputError(
            "Parquet needs the package duckdb, which is not installed",
            "Install it: pip install 'impasto[parquet]'; or write .csv or .jsonl.",
        )


def write_parquet(target: Path, types: Mapping[str, ColumnType], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows, with a value or None for each column of `types`. Raises InputError without the package.

    DuckDB does not distinguish upper and lower case: the second of two such names gets a number.
    """
    check_parquet()
    import duckdb

    with tempfile.TemporaryDirectory(prefix="impasto-") as folder:
        # Through a file, because a million values one by one take minutes.
        lines = Path(folder) / "rows.jsonl"
        with lines.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps({f"c{number}": value for number, value in enumerate(row)}) + "\n")
        columns = ", ".join(f"'c{number}': '{kind}'" for number, kind in enumerate(types.values()))
        names = ", ".join(f"c{number} AS {_quoted(name)}" for number, name in enumerate(types))
        # Numbers and types of our own, and quoted names; paths are parameters.
        query = f"SELECT {names} FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}})"  # noqa: S608
        with duckdb.connect() as connection:
            connection.execute("SET preserve_insertion_order = true")
            connection.execute(f"COPY ({query}) TO ? (FORMAT parquet)", [str(lines), str(target)])


def _quoted(name: str) -> str:
    return '"' + (name or "_").replace('"', '""') + '"'
