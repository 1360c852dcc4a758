"""`make demo` gives the variables of its command line to the command; packages of one's own make a new environment."""

import os
import shutil
import subprocess
from pathlib import Path

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


FAKE_PYTHON = """#!/bin/sh
echo "$@" >> "$CALLS"
if [ "$1 $2" = "-m venv" ]; then mkdir -p .venv-scoring/bin && cp "$0" .venv-scoring/bin/python; fi
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the files that the scorer's environment is made of, and a Python that writes down its calls."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements-dev.txt", "requirements-torch.txt", "requirements-weights.txt"):
        (tmp_path / "scoring" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "scoring" / name).touch()
    folder = tmp_path / "scoring" / "scorers" / "any_painting"
    folder.mkdir(parents=True)
    for name in ("convert.py", "transformer.safetensors"):
        (folder / name).touch()
    (tmp_path / "python").write_text(FAKE_PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def calls_of_make(clone: Path) -> list[str]:
    """Return what `make` called to bring the scorer's environment up to date."""
    calls = clone / "calls"
    calls.write_text("")
    environment = {"PATH": os.environ["PATH"], "CALLS": str(calls)}
    argv = ["make", ".venv-scoring/.ready", f"SCORER_PYTHON={clone / 'python'}"]
    subprocess.run(argv, cwd=clone, env=environment, capture_output=True, text=True, check=True)
    return calls.read_text().splitlines()


def test_packages_of_ones_own_make_a_new_environment_when_they_change(clone: Path) -> None:
    extra = clone / "scoring" / "requirements-extra.txt"
    first = calls_of_make(clone)
    assert first[0] == "-m venv .venv-scoring"
    assert not any("requirements-extra" in call for call in first)
    assert calls_of_make(clone) == []

    for text in ("timm==1.0.0\n", "timm==1.0.1\n"):
        extra.write_text(text)
        changed = calls_of_make(clone)
        assert changed[0] == "-m venv --clear .venv-scoring", "a package that was removed must not stay"
        assert any(
            call.endswith("--constraint .local/locked.txt -r scoring/requirements-extra.txt") for call in changed
        )
        assert calls_of_make(clone) == []

    extra.unlink()
    removed = calls_of_make(clone)
    assert removed[0] == "-m venv --clear .venv-scoring"
    assert not any("requirements-extra" in call for call in removed)
    assert calls_of_make(clone) == []
