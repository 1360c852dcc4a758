"""Tracebacks of an operator's program that show its own lines only, not Impasto's or a library's."""

import linecache
import traceback


def register_source(file: str, data: bytes) -> None:
    """Let tracebacks show the lines of a program that is executed from memory under the name `file`."""
    text = data.decode("utf-8", "replace")
    linecache.cache[file] = (len(data), None, text.splitlines(keepends=True), file)


def own_traceback(error: BaseException, file: str) -> str:
    """Return the traceback of an error with the entries of the program `file` only, and type and message."""
    entries = [entry for entry in traceback.extract_tb(error.__traceback__) if entry.filename == file]
    lines = traceback.format_list(entries) + traceback.format_exception_only(error)
    return "".join(lines).rstrip()
