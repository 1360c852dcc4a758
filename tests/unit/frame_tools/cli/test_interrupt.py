"""Ctrl-C while a run is followed: the run goes on, and a second Ctrl-C cancels it."""

import pytest
import typer

from frame_tools.cli.interrupt import following
from frame_tools.client.connection import Connection
from frame_tools.contracts.errors import ExitCode
from tests.support.cli import RUN
from tests.support.prepared_server import prepared_server


def press_ctrl_c(connection: Connection, *run_ids: str, again: bool = False) -> None:
    def sleep(_seconds: float) -> None:
        if again:
            raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as caught, following(connection, lambda: run_ids, sleep=sleep):
        raise KeyboardInterrupt
    assert caught.value.exit_code == ExitCode.INTERRUPTED


def unreachable() -> Connection:
    return Connection(source="test", settings={}, url="http://127.0.0.1:9/api")


def test_first_ctrl_c_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    press_ctrl_c(unreachable(), RUN)
    text = capsys.readouterr().err
    assert f"impasto watch {RUN}" in text
    assert f"impasto cancel {RUN}" in text
    assert "Traceback" not in text


def test_second_ctrl_c_cancels_every_run() -> None:
    other = "other-0123456789"
    with prepared_server((200, {"status": "cancelled"})) as server:
        press_ctrl_c(Connection(source="test", settings={}, url=server.url), RUN, other, again=True)
    assert [request.path for request in server.requests] == [f"/api/runs/{RUN}/cancel", f"/api/runs/{other}/cancel"]


def test_run_that_cannot_be_cancelled_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    press_ctrl_c(unreachable(), RUN, again=True)
    assert f"{RUN} could not be cancelled" in capsys.readouterr().err


def test_ctrl_c_before_the_start_needs_no_cloud(capsys: pytest.CaptureFixture[str]) -> None:
    press_ctrl_c(unreachable(), again=True)
    assert "impasto cancel" not in capsys.readouterr().err
