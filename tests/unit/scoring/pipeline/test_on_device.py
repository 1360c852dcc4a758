"""The path of a GPU, on torch's CPU device: it delivers what the CPU's path does, and handles faults alike."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from frame_tools.contracts.errors import InputError, TemporaryError
from frame_tools.media.images import read_rgb
from scoring.image_codec import encode_png
from scoring.pipeline import stages
from scoring.pipeline.frame_guard import BLACK, BLANK, NON_FINITE, Guard
from scoring.pipeline.on_device import DeviceScoring
from scoring.pipeline.pipeline import score_frames
from scoring.pipeline.types import Outputs, SourceFrame, Stages
from scoring.temporal.flow import FlowEstimator
from scoring.temporal.gpu.smoother import TensorSmoother
from scoring.temporal.smooth import TemporalSmoother
from scoring.types import FramePosition, NonFiniteOutputError, Picture, Score, TensorScore
from tests.support.moving_scenes import pan, wide_picture
from tests.support.scoring_tasks import planned_with_painting, receipt_of, score

CPU = torch.device("cpu")
FAULTS = {"black": 0.0, "flat": 128.0, "nan": float("nan")}


class Negative:
    """Returns the negative. The frames in `faults` go wrong in half precision, those in `lasting` in any."""

    device = CPU

    def __init__(self, faults=None, lasting=None):
        self.faults, self.lasting = {**(faults or {}), **(lasting or {})}, lasting or {}
        self.full_precision_calls = []

    def score_tensors(self, frames, positions, *, full_precision=False):
        out = 255 - frames.permute(0, 3, 1, 2).float()
        for place, position in enumerate(positions):
            fault = (self.lasting if full_precision else self.faults).get(position.index)
            if fault is not None:
                out[place] = FAULTS[fault]
        if full_precision:
            self.full_precision_calls.append([position.index for position in positions])
        return out

    def __call__(self, pictures, positions, *, full_precision=False):
        out = self.score_tensors(torch.from_numpy(pictures), positions, full_precision=full_precision)
        for place in range(len(out)):
            if not out[place].isfinite().all():
                raise NonFiniteOutputError(place, "no numbers", "")
        return out.permute(0, 2, 3, 1).numpy().round().astype(np.uint8)

    def score_full_precision(self, pictures, positions):
        return self(pictures, positions, full_precision=True)


def source(frames):
    for index, frame in enumerate(frames):
        position = FramePosition(index, index / 25)
        yield SourceFrame(position=position, name=f"{index}", fetch=partial(encode_png, frame))


def delivered(frames, score, *, on_device, policy="original", weight=0.0, cuts=(), batch=3):
    """Return the pictures that one of the two paths delivers, and the bad frames it reports."""
    guard = Guard(score, policy)
    pictures: list[Picture] = []
    smoother = None
    if weight:
        smoother = TensorSmoother(weight, CPU) if on_device else TemporalSmoother(weight)
    smooth = stages._smooth_stage(guard, smoother, stages.ONE_BATCH)
    call: Score | DeviceScoring = guard
    steps: Stages[Any] = Stages()
    if on_device:
        call = DeviceScoring(score, guard, smooth, with_motion=weight > 0, cuts=cuts)
    else:
        steps = Stages(estimate_motion=FlowEstimator(cuts) if weight else None, smooth=smooth)
    outputs = Outputs(sink=lambda *_: None, encode=lambda *_: b"", segment=lambda frame: pictures.append(frame.picture))
    score_frames(source(frames), call, outputs, stages=steps, frames_per_forward=batch)
    return pictures, guard.bad_frames(0, len(frames))


def psnr(a, b):
    return 10 * np.log10(255**2 / max(1e-12, np.square(np.asarray(a, float) - np.asarray(b, float)).mean()))


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_without_smoothing_both_paths_deliver_the_same(batch):
    frames = pan(7)
    pictures, bad = delivered(frames, Negative(), on_device=True, batch=batch)
    assert np.array_equal(pictures, delivered(frames, Negative(), on_device=False)[0])
    assert bad == ()


def test_smoothed_pictures_do_not_depend_on_the_batches():
    frames = pan(9)
    whole, _ = delivered(frames, Negative(), on_device=True, weight=0.7, batch=9)
    parts, _ = delivered(frames, Negative(), on_device=True, weight=0.7, batch=2)
    assert psnr(whole, parts) > 50
    assert psnr(whole, delivered(frames, Negative(), on_device=False, weight=0.7)[0]) > 30
    assert np.array_equal(whole[0], 255 - frames[0]), "the first frame of a scene is not smoothed"
    assert not np.array_equal(whole[5], 255 - frames[5])


@pytest.mark.parametrize("cuts", [(4,), ()])
def test_a_cut_restarts_smoothing(cuts):
    size = (180, 240)
    frames = [*pan(4, size), *(pan(3, size) if cuts else pan(3, size, seed=6))]
    pictures, _ = delivered(frames, Negative(), on_device=True, weight=0.7, cuts=cuts)
    assert np.array_equal(pictures[4], 255 - frames[4])
    assert not np.array_equal(pictures[5], 255 - frames[5])


def test_frames_of_another_size_restart_smoothing():
    frames = [*pan(3), *pan(3, size=(60, 80))]
    pictures, _ = delivered(frames, Negative(), on_device=True, weight=0.7)
    assert [picture.shape for picture in pictures] == [frame.shape for frame in frames]
    assert np.array_equal(pictures[3], 255 - frames[3])


@pytest.mark.parametrize("policy", ["original", "previous"])
@pytest.mark.parametrize("weight", [0.0, 0.7])
@pytest.mark.parametrize("fault", ["black", "flat", "nan"])
def test_faults_are_handled_as_on_a_cpu(policy, weight, fault):
    frames, lasting = pan(6), {1: fault, 4: fault}
    results = [
        delivered(frames, Negative(lasting=lasting), on_device=on_device, policy=policy, weight=weight)
        for on_device in (True, False)
    ]
    (pictures, bad), (expected, bad_on_cpu) = results
    assert bad == bad_on_cpu
    assert [frame.what for frame in bad] == [{"black": BLACK, "flat": BLANK, "nan": NON_FINITE}[fault]] * 2
    assert psnr(pictures, expected) > (30 if weight else 120)


def test_fault_in_half_precision_is_corrected():
    frames, score = pan(4), Negative({1: "black", 2: "nan"})
    pictures, bad = delivered(frames, score, on_device=True, batch=4)
    assert np.array_equal(pictures, [255 - frame for frame in frames])
    assert [(frame.index, frame.done) for frame in bad] == []
    assert score.full_precision_calls == [[0, 1, 2, 3]], "a batch with NaN is repeated as a whole"
    pictures, bad = delivered(frames, Negative({1: "black"}), on_device=True, batch=4)
    assert np.array_equal(pictures, [255 - frame for frame in frames])
    assert [(frame.index, frame.done) for frame in bad] == [(1, "retried")]


def test_first_fault_in_order_ends_the_task():
    with pytest.raises(InputError, match="Frame 2 "):
        delivered(pan(6), Negative(lasting={5: "flat", 2: "black"}), on_device=True, policy="fail")


def test_plain_result_of_plain_input_is_no_fault():
    frames = [np.full((48, 64, 3), 120, np.uint8)] * 3
    assert delivered(frames, Negative(), on_device=True)[1] == ()


def test_lack_of_memory_for_smoothing_is_temporary(monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TensorSmoother, "smooth", fail)
    with pytest.raises(TemporaryError, match="memory"):
        delivered(pan(3), Negative(), on_device=True, weight=0.5)


def test_small_frames_are_not_smoothed():
    frames = [wide_picture(12, 40, seed) for seed in range(3)]
    pictures, _ = delivered(frames, Negative(), on_device=True, weight=0.7)
    assert np.array_equal(pictures, [255 - frame for frame in frames])


def task_pictures(weights, **options):
    storage = planned_with_painting(**options)
    score(storage, weights=weights)
    names = [file.name for file in receipt_of(storage).frames]
    return receipt_of(storage), [np.asarray(read_rgb(storage.work.need(name).data)) for name in names]


@pytest.mark.parametrize("smoothing", [0.0, 0.6])
def test_whole_task(weights, monkeypatch, smoothing):
    receipt, expected = task_pictures(weights, temporal_smoothing=0)
    monkeypatch.setattr(stages, "is_gpu", lambda device: device == CPU)
    on_device, pictures = task_pictures(weights, temporal_smoothing=smoothing)
    assert np.array_equal(pictures, expected) == (smoothing == 0)
    assert (on_device.segment.sha256 == receipt.segment.sha256) == (smoothing == 0)
    assert on_device.bad_frames == ()
    again, _ = task_pictures(weights, temporal_smoothing=smoothing)
    assert again.segment.sha256 == on_device.segment.sha256


def test_scorers_offer_tensors(scorer, score):
    assert isinstance(score, TensorScore)
    assert not stages.is_gpu(score.device)
