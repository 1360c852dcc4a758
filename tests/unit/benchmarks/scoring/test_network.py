"""The benchmark of the network compares two forms that paint the same picture."""

import argparse

import pytest

from benchmarks.network import _size, compare
from benchmarks.scoring.clip import Size


def test_comparison(weights):
    result = compare(Size(48, 32), 1, weights)
    assert result.levels < 0.01
    assert min(result.network_ms, result.folded_ms, result.ratio) > 0
    assert any("convolution" in name for name, _ in result.operators)


def test_sizes_that_the_network_does_not_take():
    assert _size("640x360") == Size(640, 360)
    with pytest.raises(argparse.ArgumentTypeError, match="642x360"):
        _size("642x360")
