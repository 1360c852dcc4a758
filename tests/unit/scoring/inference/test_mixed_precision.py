"""Half precision is used only if the first frame with content comes out as in float32."""

import pytest
import torch

from scoring.inference.mixed_precision import CheckedHalfPrecision


class RecordingNetwork:
    """A network that records the precision of each pass and adds an error in half precision."""

    def __init__(self, error):
        self.passes = []
        self.error = error

    def __call__(self, x):
        half = torch.is_autocast_enabled("cpu")
        self.passes.append("half" if half else "full")
        return x + self.error if half else x


STRIPES = torch.tensor([60.0, 120.0]).repeat(2, 3, 4, 2)


def test_half_precision_is_used_if_faithful():
    network = RecordingNetwork(0.5)
    forward = CheckedHalfPrecision(network, span=255)
    assert forward(STRIPES).shape == STRIPES.shape
    forward(STRIPES)
    assert network.passes == ["half", "full", "half", "half"]


@pytest.mark.parametrize("error", [5.0, float("nan")])
def test_half_precision_is_not_used_if_unfaithful(error):
    network = RecordingNetwork(error)
    forward = CheckedHalfPrecision(network, span=255)
    assert torch.equal(forward(STRIPES), STRIPES)
    forward(STRIPES)
    assert network.passes == ["half", "full", "full", "full"]


def test_non_finite_half_precision_is_repeated_in_float32():
    network = RecordingNetwork(0.0)
    forward = CheckedHalfPrecision(network, span=255)
    forward(STRIPES)
    network.error = float("inf")
    assert torch.equal(forward(STRIPES), STRIPES)


@pytest.mark.parametrize("error", [0.0, 50.0])
def test_blank_frame_does_not_decide(error):
    network = RecordingNetwork(error)
    forward = CheckedHalfPrecision(network, span=255)
    for level in (0.0, 255.0):
        forward(torch.full((2, 3, 4, 4), level))
    assert network.passes == ["full", "full"]
    forward(STRIPES)
    assert network.passes[2:4] == ["half", "full"]
