"""Smoothing in torch equals smoothing in OpenCV for the same motion, up to rounding."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from scoring.temporal import smooth
from scoring.temporal.flow import MotionField
from scoring.temporal.gpu import smoother as in_torch
from scoring.temporal.gpu.motion import estimate_motions, flow_images
from tests.support.moving_scenes import flickering, pan
from tests.support.temporal_smoothing import OPENCV, TORCH, estimate_motion_in_torch, to_motions, to_picture, to_tensor


def psnr(a, b):
    return 10 * np.log10(255**2 / max(1e-12, np.square(a.astype(float) - b).mean()))


def motion_of(height, width, seed, longest=3.0):
    """Return random motion and confidence on a common grid of half the size."""
    random = np.random.default_rng(seed)
    grid = -(-height // 2), -(-width // 2)
    backward = random.uniform(-longest, longest, (*grid, 2)).astype(np.float32)
    looks = random.integers(0, 256, (2, *grid), np.uint8)
    return MotionField(backward, random.uniform(0, 1, grid).astype(np.float32), *looks)


def test_smoothed_frames_are_equal():
    frames = pan(12, size=(96, 150))
    scored = flickering(frames)
    smoothers = OPENCV.smoother(0.7), TORCH.smoother(0.7)
    for index, picture in enumerate(scored):
        motion = estimate_motion_in_torch(frames[index - 1], frames[index]) if index else None
        first, second = (smoother.smooth(picture, motion, index) for smoother in smoothers)
        assert psnr(first, second) > 45  # OpenCV samples at multiples of 1/32 pixel, anchor frames in whole levels


@given(st.integers(16, 75), st.integers(16, 75), st.integers(0, 99), st.floats(0.05, 0.9))
def test_each_step_is_equal(height, width, seed, weight):
    random = np.random.default_rng(seed)
    scored = random.integers(0, 256, (height, width, 3), np.uint8)
    before = random.uniform(0, 255, (height, width, 3)).astype(np.float32)
    motion = motion_of(height, width, seed)
    motions, tensor = to_motions(motion), to_tensor(scored)
    moving = smooth.moving_share(motion, scored)
    moving_tensor = in_torch.moving_share(motions, tensor)
    assert np.abs(moving_tensor[0, 0].numpy() - moving).max() < 1e-4
    feedback = smooth.feedback_weights(moving, motion, weight, 0.8)
    weights = in_torch.feedback_weights(moving_tensor, motions, weight, 0.8)
    assert np.abs(weights[0, 0].numpy() - feedback).max() < 1e-4
    blended = smooth.average(scored, before, motion, feedback)
    mixed = in_torch.average(tensor, to_tensor(before), motions, torch.from_numpy(feedback)[None, None])
    assert psnr(blended, to_picture(mixed)) > 45  # OpenCV samples at multiples of 1/32 pixel
    amount = smooth.sharpening_amount(blended, scored)
    share = in_torch.sharpening_amount(to_tensor(blended), tensor)
    assert np.abs(share[0, 0].numpy() - amount).max() < 2e-3
    sharpened = in_torch.sharpen(to_tensor(blended), torch.from_numpy(amount)[None, None])
    assert np.abs(to_picture(sharpened).astype(int) - smooth.sharpen(blended, amount)).max() <= 1


def test_all_tensors_are_on_the_device():
    """On the device "meta" an operation between it and the CPU fails, as it does between a GPU and the CPU."""
    meta = torch.device("meta")
    pictures = torch.zeros(4, 90, 120, 3, dtype=torch.uint8, device=meta).permute(0, 3, 1, 2)
    images = flow_images(pictures)
    assert images is not None
    motions, shares = estimate_motions(images)
    assert (motions.backward.shape, shares.shape) == ((3, 2, 34, 45), (3,))
    smoother = in_torch.TensorSmoother(0.7, meta)
    for place in range(4):
        smoothed = smoother.smooth(pictures[place : place + 1], motions[place - 1] if place else None, place)
        assert (smoothed.shape, smoothed.dtype, smoothed.device) == ((1, 3, 90, 120), torch.uint8, meta)
