"""Console output that shows which invocation wrote a line.

Lines that a function logs or prints, from any thread or event loop, carry its name and invocation id in brackets, and
the level if it is not INFO; the host's own lines carry neither. All lines go to one stream, each with its UTC time in
brackets. Azure's tests of its Python worker remove everything up to the last bracket. As in Azure, lines that the Azure
SDK logs inside a function appear from INFO on: two for each request.
"""

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from azure_functions_runtime.utils.executor import invocation_id_cv

HOST_LOGGER = "local_cloud.function_host"
# The runtime logs each failed call without the function's name; the invoker logs it with the name.
_MUTED_LOGGER = "azure.functions"
_QUIET_LOGGERS = ("aiohttp", "asyncio")
# The real host is not written in Python: SDK lines outside of a function are this host's own.
_SDK_LOGGER = "azure."


class Console:
    """Sends logging, stdout and stderr to one stream and prefixes the lines of running functions."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._running: dict[str, str] = {}
        self._partial_lines: dict[str, str] = {}
        self._print_lock = threading.Lock()

    def install(self, *, verbose: bool) -> None:
        """Take over the root logger, sys.stdout and sys.stderr; `verbose` includes the host's debug records."""
        handler = _LineHandler(self)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
        logging.getLogger(HOST_LOGGER).setLevel(logging.DEBUG if verbose else logging.INFO)
        for name in _QUIET_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(_MUTED_LOGGER).setLevel(logging.CRITICAL)
        sys.stdout = sys.stderr = _PrintStream(self)

    @contextmanager
    def invocation(self, invocation_id: str, function_name: str) -> Iterator[None]:
        """Prefix the lines of this invocation with the function's name inside the `with` block."""
        self._running[invocation_id] = function_name
        try:
            yield
        finally:
            if rest := self._partial_lines.pop(invocation_id, ""):
                self.write_line(self._prefixed(rest, invocation_id))
            del self._running[invocation_id]

    def is_in_invocation(self) -> bool:
        """Return whether an invocation runs in this context."""
        return invocation_id_cv.get() in self._running

    def write_line(self, text: str) -> None:
        """Write a line (or several, for example a traceback) after the current time."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._stream.write(f"[{now}] {text}\n")
        self._stream.flush()

    def with_prefix(self, text: str, level: str) -> str:
        """Return `text` after the invocation that runs in this context, if any, and a level other than INFO."""
        return self._prefixed(text, invocation_id_cv.get(), "" if level == "INFO" else level)

    def write_printed(self, text: str) -> None:
        """Buffer printed text, which arrives in pieces, and write each line when it is complete."""
        key = invocation_id_cv.get() or ""
        with self._print_lock:
            *lines, rest = (self._partial_lines.pop(key, "") + text).split("\n")
            for line in lines:
                self.write_line(self._prefixed(line, key))
            if rest:
                self._partial_lines[key] = rest

    def _prefixed(self, text: str, invocation_id: str | None, level: str = "") -> str:
        name = self._running.get(invocation_id or "")
        parts = [*([f"Functions.{name}", str(invocation_id)] if name is not None else []), *([level] if level else [])]
        return f"[{' '.join(parts)}] {text}" if parts else text


class _LineHandler(logging.Handler):
    """Writes log records to the console: the host's as they are, others with level and prefix."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        is_sdk = record.name.startswith(_SDK_LOGGER)
        if is_sdk and record.levelno < logging.WARNING and not self._console.is_in_invocation():
            return
        text = self.format(record)
        if not record.name.startswith(HOST_LOGGER):
            text = self._console.with_prefix(text, record.levelname)
        self._console.write_line(text)


class _PrintStream(io.TextIOBase):
    """Replacement for sys.stdout and sys.stderr while the host runs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        self._console.write_printed(text)
        return len(text)

    def writable(self) -> bool:
        return True
