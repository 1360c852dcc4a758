"""Number of cores, shared failures, and the end of thread pools."""

import os
import subprocess
import sys
import threading

import pytest

from scoring.thread_pools import PoolGroup, available_cores

COUNT = "from scoring.thread_pools import available_cores; print(available_cores())"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can restrict a process to some cores")
def test_available_cores_follows_the_affinity():
    core = min(os.sched_getaffinity(0))
    command = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}}); {COUNT}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"
    assert available_cores() == len(os.sched_getaffinity(0))


def test_available_cores_without_affinity_is_the_cpu_count(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert available_cores() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


def test_result_raises_the_first_error_of_any_call():
    started, release = threading.Event(), threading.Event()

    def fail():
        assert started.wait(20)
        raise KeyError("first")

    with PoolGroup() as pools:
        pool = pools.start_pool("test", 2)
        pools.submit(pool, fail)
        blocked = pools.submit(pool, release.wait, 20)
        started.set()
        with pytest.raises(KeyError, match="first"):
            pools.result(blocked)
        assert not blocked.done()
        release.set()


def test_no_thread_outlives_the_group():
    with PoolGroup() as pools:
        thread = pools.submit(pools.start_pool("test", 1), threading.current_thread).result(20)
        assert thread.is_alive()
    assert not thread.is_alive()
