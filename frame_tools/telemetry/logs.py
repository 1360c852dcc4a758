"""Structured logging for the app and the node: one JSON object per line, plain text on a terminal.

Lines about a run carry its id as the correlation id. In the app the id is set around each piece of work on a run
(`with_run_context`), on a node once for the whole task (`configure_task_logging`). Azure's host takes the app's lines
from the handlers of the root logger, so there only the formatters change (`configure_host_logging`).
"""

import json
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TextIO, TypeVar

_run_id: ContextVar[str] = ContextVar("correlation_id", default="")
OWN_LOGGERS: Final = ("orchestration", "frame_tools", "scoring")
SDK_LOGGER: Final = "azure"
"""The Azure SDK logs two lines at INFO for each request; only its warnings are logged."""
CORRELATION_ID: Final = "IMPASTO_CORRELATION_ID"
"""Environment variable that carries the correlation id to a task."""

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


def with_run_context(work: Callable[Concatenate[A, str, P], R]) -> Callable[Concatenate[A, str, P], R]:
    """Make all lines that `work(app, run_id, ...)` logs in its thread carry the run's id."""

    @wraps(work)
    def wrapper(app: A, run_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        token = _run_id.set(run_id)
        try:
            return work(app, run_id, *args, **kwargs)
        finally:
            _run_id.reset(token)

    return wrapper


def log_fields(**values: object) -> dict[str, Any]:
    """Return the `extra` of a log call that adds `values` to the line's JSON object."""
    return {"fields": values}


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: time, level, logger, message, its own fields, correlation_id, trace.

    `constant` fields are part of every line; the record's own fields override them.
    """

    def __init__(self, constant: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._constant = dict(constant or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._constant,
            **getattr(record, "fields", {}),
        }
        if run_id := _run_id.get():
            line["correlation_id"] = run_id
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class OwnRecordsAsJson(logging.Formatter):
    """Formats records of Impasto's loggers as JSON and all others with the formatter `other`."""

    def __init__(self, other: logging.Formatter) -> None:
        super().__init__()
        self._other, self._json = other, JsonFormatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the formatted record."""
        is_own = record.name.partition(".")[0] in OWN_LOGGERS
        return (self._json if is_own else self._other).format(record)


def configure_host_logging() -> None:
    """Format Impasto's records as JSON on all root handlers but terminals; log the Azure SDK from WARNING.

    The Python worker sets the root logger to INFO, where the SDK logs two lines per request: enough for sampling in
    Application Insights to drop the app's own lines.
    """
    logging.getLogger(SDK_LOGGER).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        stream = getattr(handler, "stream", None)
        if not isinstance(handler.formatter, OwnRecordsAsJson) and not (stream and _is_terminal(stream)):
            handler.setFormatter(OwnRecordsAsJson(handler.formatter or logging.Formatter()))


def configure_task_logging(stream: TextIO, *, correlation_id: str, step: int | str) -> None:
    """Set up a task's logging: everything from INFO to `stream`, the Azure SDK from WARNING."""
    handler = logging.StreamHandler(stream)
    if _is_terminal(stream):
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {correlation_id} {step} %(message)s"))
    else:
        handler.setFormatter(JsonFormatter({"correlation_id": correlation_id, "step": step}))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger(SDK_LOGGER).setLevel(logging.WARNING)


def _is_terminal(stream: Any) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())
