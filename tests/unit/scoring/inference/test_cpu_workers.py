"""CPU workers compute on one core each, without gradients, and return results in order."""

import threading

import pytest
import torch

from scoring.inference.cpu_workers import CpuWorkers


def test_worker_uses_one_core_without_gradients():
    settings = CpuWorkers(2).map(lambda _: (torch.get_num_threads(), torch.is_inference_mode_enabled()), range(4))
    assert settings == [(1, True)] * 4


def test_map_runs_in_parallel_and_keeps_order():
    together = threading.Barrier(3, timeout=20)
    assert CpuWorkers(3).map(lambda i: (together.wait(), i)[1], range(6)) == list(range(6))


def test_map_raises_the_first_error():
    with pytest.raises(ZeroDivisionError):
        CpuWorkers(2).map(lambda i: 1 // i, [1, 0, 1])
