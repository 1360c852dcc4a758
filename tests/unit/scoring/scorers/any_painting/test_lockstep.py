"""Pictures that are measured in lockstep have the statistics of one pass with all of them, on any number of cores."""

import pytest
import torch

from scoring.scorers.any_painting.conditional_norm import StatisticsRecorder, joint_moments
from scoring.scorers.any_painting.convert import load_published_networks
from scoring.scorers.any_painting.lockstep import record_in_lockstep


@pytest.fixture(scope="module")
def transformer():
    return load_published_networks().transformer


@pytest.fixture(scope="module")
def style(transformer):
    return transformer.style(torch.randn(100, generator=torch.Generator().manual_seed(1)))


@pytest.fixture(scope="module")
def pictures():
    """Five pictures of different contrast."""
    random = torch.rand(5, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    contrasts = torch.tensor([1.0, 0.2, 0.5, 0.01, 0.8]).view(5, 1, 1, 1)
    return (random * contrasts).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_statistics_are_those_of_one_pass(transformer, style, pictures, share):
    together, apart = (StatisticsRecorder(style, reference_share=share) for _ in range(2))
    transformer(pictures, together)
    record_in_lockstep(transformer, pictures.split(1), apart)
    torch.testing.assert_close(apart.recorded, together.recorded, atol=1e-4, rtol=1e-4)
    assert apart.own_contrast == pytest.approx(together.own_contrast, rel=1e-4)


def test_the_number_of_cores_changes_no_bit(transformer, style, pictures):
    def recorded(threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            recorder = StatisticsRecorder(style, reference_share=0.1)
            record_in_lockstep(transformer, pictures.split(1), recorder)
        finally:
            torch.set_num_threads(before)
        return recorder.recorded

    assert torch.equal(recorded(1), recorded(3))


def test_a_picture_that_cannot_be_measured_fails_instead_of_the_others_waiting(transformer, style, pictures):
    broken = [*pictures.split(1), torch.zeros(1, 4, 48, 64)]
    with pytest.raises(RuntimeError, match="channels"):
        record_in_lockstep(transformer, broken, StatisticsRecorder(style))


def test_moments_are_exact_where_the_mean_is_large():
    values = torch.randn(2, 3 * 4, 50, 60, generator=torch.Generator().manual_seed(0)) * 0.5 + 100
    mean, variance = joint_moments(values.contiguous(memory_format=torch.channels_last), 4)
    exact = values.double().unflatten(1, (3, 4))
    torch.testing.assert_close(mean.double(), exact.mean((0, 2, 3, 4)), atol=0, rtol=1e-6)
    torch.testing.assert_close(variance.double(), exact.var((0, 2, 3, 4), correction=0), atol=0, rtol=1e-4)
