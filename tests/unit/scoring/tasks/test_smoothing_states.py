"""States of temporal smoothing are stored whole, and what is no state is not taken for one."""

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


class OneBlob:
    """A container with one blob, of any name."""

    def __init__(self, data):
        self.data = data

    def read(self, _name, *, limit):
        return self if len(self.data) <= limit else None


class Storage:
    """Storage whose work container has one blob."""

    def __init__(self, data):
        self.work = OneBlob(data)


def loaded(data):
    return smoothing_states._load(
        Storage(data), StoredFile(name="state", size=len(data), sha256=sha256_of(data), etag="1")
    )


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
    state = loaded(smoothing_states.encode_state(smoother.end_batch()))
    assert [anchor.share.any() for anchor in state.anchors] == [True, True]
    resumed = TemporalSmoother(0.7)
    resumed.resume(state)
    for step in steps:
        assert np.array_equal(smoother.smooth(*step), resumed.smooth(*step))


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values.pop("before"),
        lambda values: values.pop("anchors.1.share"),
        lambda values: values.update(before=values["before"].astype(np.float32)),
        lambda values: values.update({"anchors.0.luma": values["anchors.0.luma"].astype(np.int16)}),
    ],
)
def test_what_is_no_state_is_not_taken_for_one(smoothed, damage):
    values = safetensors.numpy.load(smoothing_states.encode_state(smoothed[0].end_batch()))
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
    state = smoother.end_batch()
    assert len(state.anchors) == 2
    data = smoothing_states.encode_state(state)
    assert data is not None
    assert len(data) > 64 * 2**20
