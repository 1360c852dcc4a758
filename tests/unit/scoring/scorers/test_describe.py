"""The frame describer measures simple pictures as expected, and deterministically."""

import json

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InternalError
from frame_tools.contracts.options import Options
from scoring.inference import device
from scoring.scorers.any_painting.weights import load_networks
from scoring.scorers.describe import FrameDescriber
from scoring.types import FramePosition, RunInputs

RUN = RunInputs(options=Options(), sample=list)


@pytest.fixture(scope="module")
def describer(weights):
    return FrameDescriber(load_networks(weights, torch.device("cpu")).predictor, torch.device("cpu"))


@pytest.fixture
def describe(describer):
    return describer.open(RUN, describer.prepare(RUN))


def positions(count, first=0):
    return tuple(FramePosition(i, i / 25) for i in range(first, first + count))


def plain(color, height=40, width=60):
    return np.full((1, height, width, 3), color, np.uint8)


def test_each_frame_has_one_json_record(describer, describe, noise):
    records = describe(noise(3, 40, 60, 3), positions(3, first=7))
    assert [record["frame"] for record in records] == [7, 8, 9]
    assert [record["seconds"] for record in records] == [0.28, 0.32, 0.36]
    assert all(len(record["vector"]) == 100 for record in records)
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert list(records[0]) == ["frame", "seconds", "brightness", "sharpness", "colors", "distance", "vector"]
    assert describer.makes == "records"
    assert describer.in_order


def test_brightness_is_mean_luma(describe):
    for color, brightness in (((0, 0, 0), 0), ((255, 255, 255), 1), ((0, 255, 0), 0.5882), ((255, 0, 0), 0.298)):
        assert describe(plain(color), positions(1))[0]["brightness"] == pytest.approx(brightness, abs=1e-4)


def test_colors_are_sorted_by_share(describe):
    frame = plain((200, 30, 40), 64, 64)
    frame[:, :, :16] = (10, 220, 90)
    first, second = describe(frame, positions(1))[0]["colors"]
    assert first == {"rgb": "#c81e28", "share": 0.75}
    assert second == {"rgb": "#0adc5a", "share": 0.25}


@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_colors_of_any_frame_have_shares_that_sum_to_one(describer, height, width, seed):
    frame = np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), np.uint8)
    colors = describer.open(RUN, {})(frame, positions(1))[0]["colors"]
    shares = [color["share"] for color in colors]
    assert 1 <= len(shares) <= 5
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert shares == sorted(shares, reverse=True)


def test_sharpness_depends_on_blur_but_not_on_size(describe, noise):
    sharp = cv2.resize(noise(60, 80, 3), (640, 480), interpolation=cv2.INTER_CUBIC)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    doubled = cv2.resize(sharp, (1280, 960), interpolation=cv2.INTER_CUBIC)
    a, b = (record["sharpness"] for record in describe(np.stack([sharp, blurred]), positions(2)))
    c = describe(doubled[None], positions(1))[0]["sharpness"]
    assert b < a / 4
    assert c == pytest.approx(a, rel=0.15)
    assert describe(plain((9, 9, 9)), positions(1))[0]["sharpness"] == 0


def test_distance_is_to_the_previous_frame(describer, noise):
    frames = np.concatenate([noise(1, 40, 60, 3)] * 2 + [plain((250, 120, 10))] * 2)
    describe = describer.open(RUN, {})
    distances = [describe(frames[i : i + 1], positions(1, first=i))[0]["distance"] for i in range(4)]
    assert distances[0] is None
    assert distances[1] == distances[3] == 0
    assert distances[2] > 1
    vectors = [describe(frames[i : i + 1], positions(1, first=9))[0]["vector"] for i in (1, 2)]
    assert distances[2] == pytest.approx(np.linalg.norm(np.subtract(*vectors)), abs=1e-3)


def test_distance_is_null_after_a_gap(describe, noise):
    frames = noise(1, 40, 60, 3)
    describe(frames, positions(1, first=4))
    assert describe(frames, positions(1, first=6))[0]["distance"] is None
    assert describe(frames, positions(1, first=7))[0]["distance"] == 0
    assert describe(frames, positions(1, first=7))[0]["distance"] is None


def test_vector_covers_the_edges_of_the_frame(describe, noise):
    frames = np.repeat(noise(1, 40, 120, 3), 2, axis=0)
    frames[1, :, :20] = frames[1, :, -20:] = 0
    assert describe(frames, positions(2))[1]["distance"] > 0


def test_records_do_not_depend_on_batches_or_cores(describer, noise, monkeypatch):
    frames = noise(5, 90, 120, 3)
    results = []
    for cores, batch_size in ((1, 1), (3, 5), (2, 2)):
        monkeypatch.setattr(device, "available_cores", lambda cores=cores: cores)
        other = FrameDescriber(describer._predictor, torch.device("cpu"))
        assert other.frames_per_forward == cores
        describe = other.open(RUN, {})
        parts = [
            describe(frames[i : i + batch_size], positions(5)[i : i + batch_size]) for i in range(0, 5, batch_size)
        ]
        results.append([record for part in parts for record in part])
    assert results[0] == results[1] == results[2]


def test_vector_is_that_of_the_painting_predictor(describer, describe):
    square = np.random.default_rng(2).integers(0, 256, (256, 256, 3), np.uint8)
    x = torch.from_numpy(square[None]).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        expected = describer._predictor(x)[0].cpu().numpy()
    np.testing.assert_allclose(describe(square[None], positions(1))[0]["vector"], expected, atol=1e-3)


def test_frames_of_another_dtype_are_rejected(describe):
    with pytest.raises(InternalError, match=r"uint8 \(B, H, W, 3\)"):
        describe(np.zeros((1, 8, 8, 3)), positions(1))
