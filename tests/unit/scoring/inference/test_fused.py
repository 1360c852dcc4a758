"""Fused convolutions equal torch's own functions, with oneDNN and without it."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from scoring.inference import fused
from scoring.inference.fused import convolve_and_activate, convolve_and_add


@pytest.fixture(params=[True, False], ids=["oneDNN", "torch"], autouse=True)
def backend(request, monkeypatch):
    if request.param:
        assert fused.has_fused_convolution()
    else:
        monkeypatch.setattr(fused, "has_fused_convolution", lambda: False)


@pytest.fixture
def operands():
    generator = torch.Generator().manual_seed(0)
    x, kernel, bias = (torch.randn(shape, generator=generator) for shape in ((2, 6, 17, 23), (16, 6, 3, 5), (16,)))
    return x.contiguous(memory_format=torch.channels_last), kernel, bias


@pytest.mark.parametrize(("activation", "function"), [("relu", torch.relu), ("sigmoid", torch.sigmoid)])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolve_and_activate(operands, activation, function, stride):
    x, kernel, bias = operands
    with torch.inference_mode():
        actual = convolve_and_activate(x, kernel, bias, activation, stride=stride)
    torch.testing.assert_close(actual, function(F.conv2d(x, kernel, bias, stride)), atol=1e-5, rtol=0)
    assert actual.is_contiguous(memory_format=torch.channels_last)


def test_convolve_and_add(operands):
    x, kernel, bias = operands
    expected = F.conv2d(x, kernel, bias)
    before = torch.rand(expected.shape).contiguous(memory_format=torch.channels_last)
    total = before.clone()
    with torch.inference_mode():
        convolve_and_add(total, x, kernel, bias)
    torch.testing.assert_close(total, before + expected, atol=1e-5, rtol=0)
