"""Flags and scorer names of earlier versions are still accepted on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from frame_tools.cli.main import app
from frame_tools.cli.old_flags import rename_old_flags
from frame_tools.contracts.errors import ExitCode


@pytest.mark.parametrize(
    ("args", "renamed"),
    [
        (["--even", "pad"], ["--odd-size", "pad"]),
        (["--even=pad"], ["--odd-size=pad"]),
        (["--keep-place"], ["--keep-location"]),
        (["--steady", "0.5", "video.mp4"], ["--temporal-smoothing", "0.5", "video.mp4"]),
        (["--video-only", "video.mp4"], ["--no-keep-frames", "video.mp4"]),
        (["--no-video-only"], ["--keep-frames"]),
        (["--scorer", "look"], ["--scorer", "describe"]),
        (["--scorer=look"], ["--scorer=describe"]),
        (["look", "--style", "look", "--scorer", "copy"], ["look", "--style", "look", "--scorer", "copy"]),
        (["--odd-size", "pad", "--", "even"], ["--odd-size", "pad", "--", "even"]),
        ([], []),
    ],
)
def test_rename_old_flags(args: list[str], renamed: list[str]) -> None:
    assert rename_old_flags(args) == renamed


def test_commands_accept_old_flags(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["join", str(tmp_path), "out.mp4", "--even", "round"])
    assert done.exit_code == ExitCode.INPUT
    assert "odd_size" in done.stderr
