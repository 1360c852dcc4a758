"""Lanes compute on one core each, without gradients, and give results in order."""

import threading

import pytest
import torch

from scoring.inference.cpu_workers import CpuWorkers
from scoring.thread_pools import available_cores


def test_a_lane_uses_one_core_and_no_gradients():
    seen = CpuWorkers(2).map(lambda _: (torch.get_num_threads(), torch.is_inference_mode_enabled()), range(4))
    assert seen == [(1, True)] * 4


def test_lanes_run_side_by_side_and_answer_in_order():
    together = threading.Barrier(3, timeout=20)
    assert CpuWorkers(3).map(lambda i: (together.wait(), i)[1], range(6)) == list(range(6))


def test_the_first_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        CpuWorkers(2).map(lambda i: 1 // i, [1, 0, 1])


def test_there_is_a_core():
    assert available_cores() >= 1
