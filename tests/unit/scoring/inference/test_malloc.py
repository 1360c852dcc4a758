"""Freed memory is reused without page faults."""

import os
import subprocess
import sys

import pytest

COUNT = """
import resource, sys, threading
import numpy as np
from scoring.inference.malloc import keep_freed_memory
for _ in range(sys.argv.count("keep")):
    keep_freed_memory()

def work():
    for _ in range(40):
        np.empty(64 * 2**20, np.uint8).fill(1)

thread = threading.Thread(target=work)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def faults(*arguments):
    """Return the number of page faults of a process that allocates and frees large blocks."""
    command = [sys.executable, "-c", COUNT, *arguments]
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}  # large pages would hide the small ones that torch gets
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library only")
@pytest.mark.parametrize("calls", [1, 2])
def test_kept_memory_causes_no_page_faults(calls):
    assert faults(*["keep"] * calls) * 3 < faults()
