"""Large blocks that are freed and taken again cost no page faults."""

import os
import subprocess
import sys

import pytest

from scoring.inference.allocator import keep_freed_memory

COUNT = """
import resource, sys, threading
import numpy as np
from scoring.inference.allocator import keep_freed_memory

if "keep" in sys.argv:
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
    command = [sys.executable, "-c", COUNT, *arguments]
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}  # large pages would hide the small ones that torch gets
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library only")
def test_kept_memory_is_not_faulted_in_again():
    assert faults("keep") * 3 < faults()


def test_calling_it_twice_is_harmless():
    keep_freed_memory()
    keep_freed_memory()
