"""The folded network of a CPU paints what the network paints with the same statistics."""

import gc
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scoring.scorers.any_painting.conditional_norm import KERNEL_PARAMETERS, NORM_CHANNELS, StyleCondition
from scoring.scorers.any_painting.convert import load_published_networks
from scoring.scorers.any_painting.folded_network import FoldedNetwork, FoldedNetworks

MAX_ERROR = 0.01 / 255
"""A hundredth of a gray level."""

quarter_sides = st.integers(2, 12)


@pytest.fixture(scope="module")
def network():
    return load_published_networks().transformer


@pytest.fixture(scope="module")
def condition(network):
    """Return a tuned style, whose kernels have offsets, with the statistics of a picture."""
    generator = torch.Generator().manual_seed(1)
    offsets = 0.02 * torch.randn(KERNEL_PARAMETERS, generator=generator)
    style = network.style(torch.randn(100, generator=generator))
    style = style + torch.cat([torch.zeros(2 * NORM_CHANNELS), offsets])
    with torch.inference_mode():
        return StyleCondition(style, network.measure(random(1, 3, 64, 96), style))


def random(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@given(quarter_sides, quarter_sides, st.integers(1, 2), st.sampled_from([torch.contiguous_format, torch.channels_last]))
def test_folded_network_equals_the_network(network, condition, height, width, batch, layout):
    frames = random(batch, 3, 4 * height, 4 * width).contiguous(memory_format=layout)
    with torch.inference_mode():
        painted = FoldedNetwork(network, condition)(frames)
        torch.testing.assert_close(painted, network(frames, condition), atol=MAX_ERROR, rtol=0)


def test_folded_network_equals_the_network_without_onednn(network, condition, monkeypatch):
    monkeypatch.setattr("scoring.inference.fused.has_fused_convolution", lambda: False)
    frames = random(1, 3, 40, 56)
    with torch.inference_mode():
        painted = FoldedNetwork(network, condition)(frames)
        torch.testing.assert_close(painted, network(frames, condition), atol=MAX_ERROR, rtol=0)


def test_a_condition_is_folded_once_and_forgotten_with_it(network, condition):
    networks = FoldedNetworks(network)
    passing = StyleCondition(condition.style, condition.statistics)
    folded = weakref.ref(networks(passing))
    assert networks(passing) is folded()
    assert networks(condition) is not folded()
    del passing
    gc.collect()
    assert folded() is None
