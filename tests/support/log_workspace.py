"""A Log Analytics workspace in memory: the tables of the Kusto check in DuckDB, and Kusto queries on their rows."""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb_kql

from frame_tools.telemetry.logs import JsonFormatter
from frame_tools.telemetry.metrics import Metric
from infra.tools.kql.check import TABLES

_TYPES = {
    "string": "VARCHAR",
    "dynamic": "JSON",
    "datetime": "TIMESTAMP",
    "real": "DOUBLE",
    "int": "INTEGER",
    "bool": "BOOLEAN",
}


class LogWorkspace:
    """Tables with the columns that Azure documents; `columns` adds some, as Azure does for resource logs."""

    def __init__(self, **columns: Iterable[str]) -> None:
        self._connection = duckdb_kql.connect()
        self._generated = datetime.now(UTC).replace(tzinfo=None)
        for table, documented in json.loads(TABLES.read_text(encoding="utf-8")).items():
            added = dict.fromkeys(columns.get(table, ()), "string")
            definition = ", ".join(f'"{name}" {_TYPES[kind]}' for name, kind in (documented | added).items())
            self._connection.execute(f"CREATE TABLE {table} ({definition})")

    def add(self, table: str, **row: Any) -> None:
        """Add a row; a mapping becomes a dynamic value. All rows have the same time, so they share every bin."""
        values = {"TimeGenerated": self._generated, **row}
        texts = [json.dumps(value) if isinstance(value, dict) else value for value in values.values()]
        names = ", ".join(f'"{name}"' for name in values)
        places = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", texts)  # noqa: S608

    def add_log_record(self, record: logging.LogRecord) -> None:
        """Add a log record of the app as the Functions host forwards it: the formatted line as message."""
        properties = {"Category": "Function.finish_batch.User", "LogLevel": record.levelname}
        self.add("AppTraces", Message=JsonFormatter().format(record), Properties=properties)

    def add_metric(self, metric: str, value: float, count: int, attributes: Mapping[str, str]) -> None:
        """Add a metric value as Application Insights stores what OpenTelemetry exports."""
        self.add(
            "AppMetrics", Name=metric, Sum=value, Min=value, Max=value, ItemCount=count, Properties=dict(attributes)
        )

    def query(self, text: str) -> list[dict[str, Any]]:
        """Return the rows of a query. All columns of `columns` exist, so `column_ifexists` is the column itself."""
        text = re.sub(r'column_ifexists\("(\w+)", ("[^"]*")\)', r"coalesce(\1, \2)", text)
        result = duckdb_kql.query(self._connection, text)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


class RecordedMetrics:
    """A destination of metrics that writes them to a workspace."""

    def __init__(self, workspace: LogWorkspace) -> None:
        self._workspace = workspace

    def record(self, metric: Metric, value: float, **attributes: str) -> None:
        self._workspace.add_metric(metric.name, value, 1, attributes)
