"""Calls that run at the same time in one process stay within half of an instance's memory, whatever their input."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.memory_limit import CASES

PROJECT = Path(__file__).parents[3]
ADDED_MIB = 860
"""Beside the 140 MB of an idle process: 1 GB of the instance's 2."""


@pytest.mark.parametrize("case", CASES)
def test_concurrent_calls_stay_within_their_memory(case: str) -> None:
    command = [sys.executable, "-m", "tests.support.memory_limit", str(ADDED_MIB), case]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
