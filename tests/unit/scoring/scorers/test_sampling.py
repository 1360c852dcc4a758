"""The sample frames for a run's statistics are limited in size and evenly spread."""

import numpy as np

from scoring.scorers.sampling import SAMPLE_PIXELS, subsample


def test_large_sample_is_reduced_evenly():
    small = [np.zeros((4, 4, 3), np.uint8)] * 8
    assert len(subsample(small)) == 8
    large = [np.broadcast_to(np.uint8(i), (2160, 3840, 3)) for i in range(8)]
    chosen = subsample(large)
    assert sum(frame.shape[0] * frame.shape[1] for frame in chosen) <= SAMPLE_PIXELS
    assert [int(frame[0, 0, 0]) for frame in chosen] == [2, 6]
    assert len(subsample([np.broadcast_to(np.uint8(0), (8000, 8000, 3))])) == 1
