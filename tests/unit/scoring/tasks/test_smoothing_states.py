"""States of temporal smoothing are stored whole, and what is no state is not taken for one."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from frame_tools.contracts.receipt import StoredFile
from frame_tools.storage.blobs import sha256_of
from scoring.tasks import smoothing_states
from scoring.temporal.smooth import TemporalSmoother
from tests.support.moving_scenes import flickering, pan
from tests.support.temporal_smoothing import OPENCV
from tests.unit.scoring.temporal.test_smooth import motions_of


def encoded(smoother):
    state = smoother.end_batch()
    assert state is not None
    return smoothing_states.encode_state(state)


class OneBlob:
    """A container with one blob, of any name."""

    def __init__(self, data):
        self.data = data

    def read(self, _name, *, limit):
        return self if len(self.data) <= limit else None


def loaded(data):
    storage: Any = SimpleNamespace(work=OneBlob(data))
    stored = StoredFile(name="state", size=len(data), sha256=sha256_of(data), etag="1")
    return smoothing_states._load(storage, stored)


@pytest.fixture
def smoothed():
    """Return a smoother after seven frames, and the frames, motions and indices that come next."""
    frames = pan(12)
    steps = list(zip(flickering(frames), motions_of(OPENCV, frames), range(12), strict=True))
    smoother = TemporalSmoother(0.7)
    for step in steps[:7]:
        smoother.smooth(*step)
    return smoother, steps[7:]


def test_stored_state_continues_with_the_same_pictures(smoothed):
    smoother, steps = smoothed
    state = loaded(encoded(smoother))
    assert [anchor.share.any() for anchor in state.anchors] == [True, True]
    resumed = TemporalSmoother(0.7)
    resumed.resume(state)
    for step in steps:
        assert np.array_equal(smoother.smooth(*step), resumed.smooth(*step))


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values.pop("before"),
        lambda values: values.pop("anchors"),  # as in a version without anchor frames
        lambda values: values.pop("anchors.1.share"),
        lambda values: values.update(before=values["before"].astype(np.float32)),
        lambda values: values.update({"anchors.0.luma": values["anchors.0.luma"].astype(np.int16)}),
    ],
)
def test_what_is_no_state_is_not_taken_for_one(smoothed, damage):
    values = safetensors.numpy.load(encoded(smoothed[0]))
    assert loaded(safetensors.numpy.save(values)) is not None
    damage(values)
    assert loaded(safetensors.numpy.save(values)) is None


def test_largest_frames_have_a_state():
    picture = np.zeros((2160, 3840, 3), np.uint8)
    before = np.zeros((270, 480), np.uint8)
    motion = OPENCV.estimate_motion(picture, picture)
    assert motion is not None
    assert motion.confidence.shape == before.shape
    smoother = TemporalSmoother(0.7)
    for index in range(4, 6):
        smoother.smooth(picture, motion if index > 4 else None, index)
    data = encoded(smoother)
    assert data is not None
    assert len(data) > 64 * 2**20
    assert len(loaded(data).anchors) == 2
