"""Log lines that carry the run: one JSON object a line, text on a terminal; for the app and the node alike.

The correlation id is the run's id (a redone run has its own). In the app it is set around each piece of work on a run
(`about_run`), on a node once for the whole task, which does nothing else (`start`). Azure's host takes the app's lines
from the root logger's handlers, so there only the form of our own records is changed (`on_root`).
"""

import json
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TextIO, TypeVar

_run: ContextVar[str] = ContextVar("correlation_id", default="")
OURS: Final = ("orchestration", "frame_tools", "scoring")
CORRELATION_ID: Final = "IMPASTO_CORRELATION_ID"
"""The environment variable that brings the id to a task."""

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


def with_run_context(work: Callable[Concatenate[A, str, P], R]) -> Callable[Concatenate[A, str, P], R]:
    """Have all lines that `work(app, run_id, …)` logs in its thread carry the run's id."""

    @wraps(work)
    def carried(app: A, run_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        token = _run.set(run_id)
        try:
            return work(app, run_id, *args, **kwargs)
        finally:
            _run.reset(token)

    return carried


def fields(**values: object) -> dict[str, Any]:
    """Return the `extra` of a log call that puts `values` into the line's JSON object."""
    return {"fields": values}


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, correlation_id, the record's own fields, trace.

    `constant` fields stand in every line; they give way to what the record says.
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
        if run_id := _run.get():
            line["correlation_id"] = run_id
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class OursAsJson(logging.Formatter):
    """Our records as JSON lines, all others as `other` would have them."""

    def __init__(self, other: logging.Formatter) -> None:
        super().__init__()
        self._other, self._json = other, JsonLines()

    def format(self, record: logging.LogRecord) -> str:
        """Return the record in its own form."""
        ours = record.name.partition(".")[0] in OURS
        return (self._json if ours else self._other).format(record)


def configure_host_logging() -> None:
    """Format our records on all root handlers that do not write to a terminal; log the Azure SDK from WARNING up.

    The Python worker sets the root logger to INFO, where the SDK logs two lines per request: enough for sampling in
    Application Insights to drop the app's own lines.
    """
    logging.getLogger("azure").setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        stream = getattr(handler, "stream", None)
        if not isinstance(handler.formatter, OursAsJson) and not (stream and _is_terminal(stream)):
            handler.setFormatter(OursAsJson(handler.formatter or logging.Formatter()))


def configure_task_logging(stream: TextIO, *, correlation_id: str, step: int | str) -> None:
    """Set up a task's logging: everything from INFO up to `stream`, Azure's own lines from WARNING up."""
    handler = logging.StreamHandler(stream)
    if _is_terminal(stream):
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {correlation_id} {step} %(message)s"))
    else:
        handler.setFormatter(JsonLines({"correlation_id": correlation_id, "step": step}))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("azure").setLevel(logging.WARNING)


def _is_terminal(stream: Any) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())
