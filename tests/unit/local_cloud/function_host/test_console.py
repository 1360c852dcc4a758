"""Prefixes of the console, and the Azure SDK's log lines."""

import io
import logging
from collections.abc import Iterator

import pytest
from azure_functions_runtime.utils.executor import invocation_id_cv

from local_cloud.function_host.console import Console, _LineHandler


@pytest.fixture
def in_invocation() -> Iterator[None]:
    token = invocation_id_cv.set("id-1")
    yield
    invocation_id_cv.reset(token)


def console_and_logger(monkeypatch: pytest.MonkeyPatch) -> tuple[Console, io.StringIO, logging.Logger]:
    stream = io.StringIO()
    console = Console(stream)
    logger = logging.getLogger("azure.core.test")
    monkeypatch.setattr(logger, "handlers", [_LineHandler(console)])
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.INFO)
    return console, stream, logger


def test_sdk_lines_of_function_are_written(in_invocation: None, monkeypatch: pytest.MonkeyPatch) -> None:
    console, stream, logger = console_and_logger(monkeypatch)
    with console.invocation("id-1", "f"):
        logger.info("Request URL")
    assert "[Functions.f id-1] Request URL" in stream.getvalue()


def test_sdk_lines_of_host_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    _, stream, logger = console_and_logger(monkeypatch)
    logger.info("Request URL")
    logger.warning("retry")
    assert "Request URL" not in stream.getvalue()
    assert "[WARNING] retry" in stream.getvalue()
