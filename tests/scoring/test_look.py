"""The scorer `look`: what it says of pictures that are easy to describe, and that it says it every time alike."""

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
def look(weights):
    return FrameDescriber(load_networks(weights, torch.device("cpu")).predictor, torch.device("cpu"))


@pytest.fixture
def describe(look):
    return look.open(RUN, look.prepare(RUN))


def moments(count, first=0):
    return tuple(FramePosition(i, i / 25) for i in range(first, first + count))


def plain(colour, height=40, width=60):
    return np.full((1, height, width, 3), colour, np.uint8)


def test_every_frame_gets_one_record_of_json(look, describe, noise):
    records = describe(noise(3, 40, 60, 3), moments(3, first=7))
    assert [record["frame"] for record in records] == [7, 8, 9]
    assert [record["seconds"] for record in records] == [0.28, 0.32, 0.36]
    assert all(len(record["vector"]) == 100 for record in records)
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert list(records[0]) == ["frame", "seconds", "brightness", "sharpness", "colors", "distance", "vector"]
    assert look.makes == "records"
    assert look.in_order


def test_brightness_is_that_of_luma(describe):
    for colour, brightness in (((0, 0, 0), 0), ((255, 255, 255), 1), ((0, 255, 0), 0.5882), ((255, 0, 0), 0.298)):
        assert describe(plain(colour), moments(1))[0]["brightness"] == pytest.approx(brightness, abs=1e-4)


def test_colours_come_with_their_shares_the_most_frequent_first(describe):
    frame = plain((200, 30, 40), 64, 64)
    frame[:, :, :16] = (10, 220, 90)
    first, second = describe(frame, moments(1))[0]["colors"]
    assert first == {"rgb": "#c81e28", "share": 0.75}
    assert second == {"rgb": "#0adc5a", "share": 0.25}


@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_shares_are_those_of_at_most_five_colours_of_a_frame_of_any_size(look, height, width, seed):
    frame = np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), np.uint8)
    colors = look.open(RUN, {})(frame, moments(1))[0]["colors"]
    normalized_weights = [color["share"] for color in colors]
    assert 1 <= len(normalized_weights) <= 5
    assert sum(normalized_weights) == pytest.approx(1, abs=1e-3)
    assert normalized_weights == sorted(normalized_weights, reverse=True)


def test_a_blurred_frame_is_less_sharp_and_a_larger_one_is_not_sharper(describe, noise):
    sharp = cv2.resize(noise(60, 80, 3), (640, 480), interpolation=cv2.INTER_CUBIC)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    doubled = cv2.resize(sharp, (1280, 960), interpolation=cv2.INTER_CUBIC)
    a, b = (record["sharpness"] for record in describe(np.stack([sharp, blurred]), moments(2)))
    c = describe(doubled[None], moments(1))[0]["sharpness"]
    assert b < a / 4
    assert c == pytest.approx(a, rel=0.15)
    assert describe(plain((9, 9, 9)), moments(1))[0]["sharpness"] == 0


def test_distance_is_to_the_frame_before_and_nowhere_else(look, noise):
    frames = np.concatenate([noise(1, 40, 60, 3)] * 2 + [plain((250, 120, 10))] * 2)
    describe = look.open(RUN, {})
    distances = [describe(frames[i : i + 1], moments(1, first=i))[0]["distance"] for i in range(4)]
    assert distances[0] is None
    assert distances[1] == distances[3] == 0
    assert distances[2] > 1
    vectors = [describe(frames[i : i + 1], moments(1, first=9))[0]["vector"] for i in (1, 2)]
    assert distances[2] == pytest.approx(np.linalg.norm(np.subtract(*vectors)), abs=1e-3)


def test_distance_is_unknown_behind_a_gap(describe, noise):
    frames = noise(1, 40, 60, 3)
    describe(frames, moments(1, first=4))
    assert describe(frames, moments(1, first=6))[0]["distance"] is None
    assert describe(frames, moments(1, first=7))[0]["distance"] == 0
    assert describe(frames, moments(1, first=7))[0]["distance"] is None


def test_the_edges_of_a_frame_count(describe, noise):
    frames = np.repeat(noise(1, 40, 120, 3), 2, axis=0)
    frames[1, :, :20] = frames[1, :, -20:] = 0
    assert describe(frames, moments(2))[1]["distance"] > 0


def test_records_do_not_depend_on_batches_or_cores(look, noise, monkeypatch):
    frames = noise(5, 90, 120, 3)
    told = []
    for cores, together in ((1, 1), (3, 5), (2, 2)):
        monkeypatch.setattr(device, "available_cores", lambda cores=cores: cores)
        again = FrameDescriber(look._predictor, torch.device("cpu"))
        assert again.frames_per_forward == cores
        describe = again.open(RUN, {})
        parts = [describe(frames[i : i + together], moments(5)[i : i + together]) for i in range(0, 5, together)]
        told.append([record for part in parts for record in part])
    assert told[0] == told[1] == told[2]


def test_vectors_are_the_painting_predictors(look, describe):
    square = np.random.default_rng(2).integers(0, 256, (256, 256, 3), np.uint8)
    x = torch.from_numpy(square[None]).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        wanted = look._predictor(x)[0].cpu().numpy()
    np.testing.assert_allclose(describe(square[None], moments(1))[0]["vector"], wanted, atol=1e-3)


def test_frames_of_another_kind_are_refused(describe):
    with pytest.raises(InternalError, match=r"uint8 \(B, H, W, 3\)"):
        describe(np.zeros((1, 8, 8, 3)), moments(1))
