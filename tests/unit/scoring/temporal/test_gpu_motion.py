"""Flow in torch is at least as accurate as OpenCV's where motion is known, whatever the other pairs of a batch."""

import cv2
import numpy as np
import pytest
import torch

from scoring.opencv import to_gray
from scoring.temporal.flow import dis_flow, downscale, pixel_grid
from scoring.temporal.gpu.images import blur, laplacian
from scoring.temporal.gpu.images import downscale as downscale_tensors
from scoring.temporal.gpu.motion import estimate_motions, flow_images
from scoring.temporal.gpu.search import dense_flow, scaled
from scoring.temporal.measure import warp_error
from tests.support.moving_scenes import pan, passing, turning
from tests.support.temporal_smoothing import to_tensor


def scene(kind):
    """Return two frames, the exact flow from the second to the first, and where it is defined."""
    if kind == "passing":
        frames, lefts = passing(3)
        flow, defined = np.zeros((96, 240, 2), np.float32), np.ones((96, 240), np.uint8)
        flow[24:72, lefts[2] : lefts[2] + 48, 0] = lefts[1] - lefts[2]
        defined[24:72, lefts[1] : lefts[2]] = 0
        return *frames[1:], flow, defined
    if kind[0] == "turning":
        frames, flow = turning(angle=kind[1], zoom=kind[2])
    else:
        frames, flow = pan(2, (180, 240), kind), np.broadcast_to(np.float32(kind), (180, 240, 2))
    x, y = np.moveaxis(pixel_grid(range(180), 240) + flow, 2, 0)
    return *frames, flow, ((x >= 0) & (y >= 0) & (x <= 239) & (y <= 179)).astype(np.uint8)


@pytest.mark.parametrize(
    "kind", [(0, 0), (3, 1), (7, 2), ("turning", 2, 1.0), ("turning", -1, 0.97), "passing"], ids=str
)
def test_flow_is_as_accurate_as_opencvs(kind):
    before, frame, exact, defined = scene(kind)
    gray_before, gray = (downscale(to_gray(picture), 0.75) for picture in (before, frame))
    found = dense_flow(*(torch.from_numpy(image)[None, None].float() for image in (gray, gray_before)))
    found_by_opencv = torch.from_numpy(dis_flow(gray, gray_before, cv2.DISOPTICAL_FLOW_PRESET_FAST)).permute(2, 0, 1)[
        None
    ]
    size = frame.shape[:2]

    def errors(vectors):
        flow = scaled(vectors, *size)[0].permute(1, 2, 0).numpy()
        distances = np.linalg.norm(flow - exact, axis=2)[defined > 0]
        positions = (pixel_grid(range(size[0]), size[1]) + flow).astype(np.float32)
        return distances.mean(), warp_error(before, frame, positions, defined)

    assert np.all(np.array(errors(found)) <= np.array(errors(found_by_opencv)) * 1.1 + 1e-3)


def test_pairs_of_a_batch_do_not_affect_each_other():
    images = flow_images(to_tensor(*pan(5)))
    assert images is not None
    together, shares = estimate_motions(images)
    for place in range(4):
        alone, share = estimate_motions(images[place : place + 2])
        torch.testing.assert_close(together[place].backward, alone.backward, rtol=0, atol=1e-3)
        assert share.item() == pytest.approx(shares[place].item(), abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 31)])
def test_images_are_processed_as_by_opencv(size, noise):
    picture = noise(*size, 3)
    tensor = to_tensor(picture).float()
    small = (max(1, size[0] * 3 // 4), max(1, size[1] * 2 // 3))
    for result, expected in (
        (downscale_tensors(tensor, *small), cv2.resize(picture.astype(np.float32), small[::-1], interpolation=3)),
        (blur(tensor, 3), cv2.blur(picture.astype(np.float32), (3, 3))),
        *([(laplacian(tensor), cv2.Laplacian(picture, cv2.CV_32F))] if min(size) > 1 else []),
    ):
        assert np.allclose(result[0].permute(1, 2, 0).numpy().reshape(expected.shape), expected, atol=0.01)
