"""The start time of the process, and the start-up time of a task that is derived from it."""

import os
import subprocess
import sys
import time

import pytest

from scoring import process_start

IMPORT_SECONDS = 0.6
SLOW_IMPORT = f"""
import sys, time

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            time.sleep({IMPORT_SECONDS})

sys.meta_path.insert(0, Slow())
from scoring import cli
from scoring.tasks import score

score.open_scoring = lambda task, weights, started: print(time.monotonic() - started)
cli.perform_batches = lambda task, batches, open_scoring: open_scoring()
cli.Task.from_environment = lambda environ, run, step: None
sys.argv = ["scoring", "run", "--run", "clip-0123456789", "--batch", "0"]
cli.main()
"""


def test_start_up_time_includes_slow_imports():
    done = subprocess.run([sys.executable, "-c", SLOW_IMPORT], capture_output=True, text=True, check=True)
    assert float(done.stdout.splitlines()[-1]) >= IMPORT_SECONDS


def test_process_start_lies_before_this_test_session():
    assert process_start.process_start() <= process_start._IMPORTED <= time.monotonic()


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_process_start_falls_back_to_the_import_time(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(process_start, "_START_TIME_FIELD", 10_000)
    assert process_start.process_start() == process_start._IMPORTED


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say when a process started")
def test_a_forked_process_started_after_the_import(monkeypatch):
    monkeypatch.setattr(process_start, "_IMPORTED", 0.0)
    monkeypatch.setattr(process_start, "_IMPORTED_BY", -1)
    assert process_start.process_start() > 0.0


def test_threads_of_torch_do_not_spin() -> None:
    """The library reads the variable when it is loaded, so it must be set before torch is imported."""
    code = "import os, sys, scoring.cli; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert answer.stdout.split() == ["PASSIVE", "False"]
