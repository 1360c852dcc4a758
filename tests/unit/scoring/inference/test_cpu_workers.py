"""CPU workers compute on one core each, without gradients, and return results in order."""

import threading

import pytest
import torch

from scoring.inference.cpu_workers import CpuWorkers, map_together


def test_worker_uses_one_core_without_gradients():
    settings = CpuWorkers(2).map(lambda _: (torch.get_num_threads(), torch.is_inference_mode_enabled()), range(4))
    assert settings == [(1, True)] * 4


def test_map_runs_in_parallel_and_keeps_order():
    together = threading.Barrier(3, timeout=20)
    assert CpuWorkers(3).map(lambda i: (together.wait(), i)[1], range(6)) == list(range(6))


def test_map_raises_the_first_error():
    with pytest.raises(ZeroDivisionError):
        CpuWorkers(2).map(lambda i: 1 // i, [1, 0, 1])


def test_calls_that_wait_for_each_other_all_run():
    together = threading.Barrier(5, timeout=20)
    settings = map_together(
        lambda i: (together.wait() >= 0, torch.get_num_threads(), torch.is_inference_mode_enabled(), i),
        range(5),
        give_up=together.abort,
    )
    assert settings == [(True, 1, True, i) for i in range(5)]


def test_an_error_ends_the_calls_that_wait_and_is_raised_itself():
    together = threading.Barrier(5, timeout=20)
    with pytest.raises(ZeroDivisionError):
        map_together(lambda i: 1 // i + together.wait(), range(5), give_up=together.abort)


def test_calls_end_if_there_are_no_threads_for_all(monkeypatch):
    together, start = threading.Barrier(5, timeout=20), threading.Thread.start
    started: list[threading.Thread] = []

    def start_two(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    gave_up = []

    def give_up():
        gave_up.append(together.broken)
        together.abort()

    with pytest.raises(RuntimeError, match="can't start"):
        map_together(lambda _: together.wait(), range(5), give_up=give_up)
    assert gave_up[0] is False, "before the calls stopped to wait by themselves"
