"""Small tensors are faster on one thread, and the machine may have other work."""

from collections.abc import Iterator

import pytest

pytest.importorskip("torch", reason="the scoring tests run in the scorer's environment")

import torch


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
