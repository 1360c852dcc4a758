"""`make demo` gives the variables of its command line to the command."""

import os
import subprocess

import pytest

from tests.architecture.modules import ROOT


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ([], []),
        (["VIDEO=my clip=b.mp4", "STYLE=a.jpg"], ['"$VIDEO"', '--style "$STYLE"']),
        (["STRENGTH=0.3", "PRESERVE_COLOR=luma"], ['--preserve-color="$PRESERVE_COLOR"', '--strength="$STRENGTH"']),
        (["STRENGHT=0.3"], ['--strenght="$STRENGHT"']),
        (["TORCH_INDEX=x", "WITH=--video-only"], ["--video-only"]),
    ],
)
def test_demo_variables_become_options(variables: list[str], expected: list[str]) -> None:
    argv = ["make", "--dry-run", "--old-file", "setup", "demo", *variables]
    # `make check` runs this test: with its MAKEFLAGS, MAKELEVEL and variables this would be a sub-make.
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    command = " ".join(done.stdout.replace("\\\n", " ").split())
    assert command.startswith(".venv/bin/python -m frame_tools demo")
    assert command.removeprefix(".venv/bin/python -m frame_tools demo").split() == " ".join(expected).split()
