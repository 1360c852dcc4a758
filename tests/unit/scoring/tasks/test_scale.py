"""Programs that enlarge their frames: every product of a run has the size of its frames times the scale."""

import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from frame_tools.assembly import assemble_output
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, PlannedMask
from frame_tools.media.images import read_rgb
from frame_tools.media.segment import coded_size
from scoring.image_codec import decode, decode_with_alpha, encode_png
from tests.support.scaled_runs import planned_with_scale
from tests.support.scoring_tasks import BORDERS, RUN, receipt_of, score

NAMES = RunPaths(RUN)
FLICKERING = b'''"""Repeat pixels, and make every second frame brighter."""

import numpy as np


class Flickering:
    def score(self, frames, positions):
        large = frames.repeat(2, 1).repeat(2, 2) // 2
        odd = np.array([position.index % 2 for position in positions], np.uint8)
        return large + 60 * odd[:, None, None, None]


def load(context):
    return Flickering()
'''


def painted(storage, index=0):
    """Return a painted frame as an array."""
    return decode(storage.work.need(NAMES.painted_frame(f"{index + 1:06d}.png")).data, "frame")


def original(storage, index=0):
    return decode(storage.input.need(f"clip/frames/{index + 1:06d}.png").data, "frame")


def enlarged(picture, scale=2):
    return picture.repeat(scale, 0).repeat(scale, 1)


def video_of(storage):
    """Score both batches, join them, and return the frames of the video."""
    for batch in (0, 1):
        score(storage, batch)
    name = assemble_output(storage, RUN)
    with av.open(io.BytesIO(storage.output.need(name).data)) as video:
        return [frame.to_image() for frame in video.decode(video=0)]


@settings(max_examples=12)
@given(
    width=st.integers(2, 41),
    height=st.integers(2, 41),
    scale=st.integers(1, 4),
    odd_size=st.sampled_from(["pad", "exact"]),
)
def test_video_and_frames_have_the_size_of_the_input_times_the_scale(width, height, scale, odd_size):
    storage = planned_with_scale(scale, frame_size=(width, height), odd_size=odd_size)
    frames = video_of(storage)
    assert [frame.size for frame in frames] == [coded_size(width * scale, height * scale, odd_size)] * BORDERS[-1]
    for batch in (0, 1):
        for file in receipt_of(storage, batch).frames:
            assert read_rgb(storage.work.need(file.name).data).size == (width * scale, height * scale)
    sizes = {Image.open(io.BytesIO(storage.work.need(NAMES.pair(0, side)).data)).size for side in ("before", "after")}
    assert sizes == {(width * scale, height * scale)}, "the page lays one over the other"


def test_result_of_the_program_is_delivered_unchanged():
    storage = planned_with_scale(3, image_format="png", frame_size=(33, 21))
    score(storage)
    assert np.array_equal(painted(storage), enlarged(original(storage), 3))


def test_same_frames_give_the_same_bytes():
    first, second = planned_with_scale(strength=0.5), planned_with_scale(strength=0.5)
    for storage in (first, second):
        score(storage)
    assert first.work.contents == second.work.contents


@pytest.mark.parametrize("options", [{"strength": 0.5}, {"preserve_color": "luma"}, {"preserve_color": "statistics"}])
def test_result_is_blended_with_the_enlarged_input(options):
    """The result of NEAREST looks like the enlarged input, so blending it with the input changes edges only."""
    storage = planned_with_scale(image_format="png", **options)
    score(storage)
    result, expected = painted(storage), enlarged(original(storage))
    assert result.shape == expected.shape
    assert np.abs(result.astype(int) - expected).mean() < 12


def test_strength_zero_returns_the_enlarged_input():
    storage = planned_with_scale(image_format="png", arguments={"invert": True}, strength=0)
    score(storage)
    assert np.abs(painted(storage).astype(int) - enlarged(original(storage))).mean() < 12


@pytest.mark.parametrize("mask_size", [(64, 48), (128, 96), (20, 15)])
def test_mask_of_any_size_is_scaled(mask_size):
    """The left half is painted (inverted), the right half stays."""
    mask = Image.new("L", mask_size)
    mask.paste(255, (0, 0, mask_size[0] // 2, mask_size[1]))
    planned_mask = PlannedMask(blob=BlobRef(container="input", name="clip/masks/"), kind="folder", suffix=".png")
    storage = planned_with_scale(image_format="png", arguments={"invert": True}, mask=planned_mask)
    file = io.BytesIO()
    mask.save(file, "PNG")
    for number in range(1, 6):
        storage.input.write(f"clip/masks/{number:06d}.png", file.getvalue())
    score(storage)
    result, expected = painted(storage).astype(int), enlarged(original(storage)).astype(int)
    assert np.array_equal(result[:, :56], 255 - expected[:, :56])
    assert np.abs(result[:, 72:] - expected[:, 72:]).mean() < 12


def test_transparency_is_enlarged():
    storage = planned_with_scale(image_format="png")
    picture, alpha = np.full((48, 64, 3), 200, np.uint8), np.zeros((48, 64), np.uint8)
    alpha[:, 32:] = 255
    for number in range(1, 6):
        storage.input.write(f"clip/frames/{number:06d}.png", encode_png(picture, alpha))
    score(storage)
    stored = decode_with_alpha(storage.work.need(receipt_of(storage).frames[0].name).data, "frame")
    assert stored.alpha is not None
    assert stored.alpha.shape == (96, 128)
    assert (stored.alpha[:, :62].max(), stored.alpha[:, 66:].min()) == (0, 255)


def test_temporal_smoothing_works_at_the_delivered_size():
    changes = []
    for weight in (0, 0.7):
        storage = planned_with_scale(image_format="png", text=FLICKERING, temporal_smoothing=weight)
        still = storage.input.need("clip/frames/000001.png").data
        for index in range(BORDERS[-1]):
            storage.input.write(f"clip/frames/{index + 1:06d}.png", still)
        score(storage)
        before, frame = (painted(storage, index).astype(int) for index in (1, 2))
        assert frame.shape == (96, 128, 3)
        changes.append(np.abs(frame - before).mean())
    assert changes[1] < 0.7 * changes[0]


def test_scored_at_a_smaller_size_is_delivered_at_the_full_one():
    storage = planned_with_scale(image_format="png", frame_size=(81, 61), size=24)
    score(storage)
    assert painted(storage).shape == (122, 162, 3)
    assert np.abs(painted(storage).astype(int) - enlarged(original(storage))).mean() < 20


def test_program_of_another_scale_is_refused_with_both_sizes():
    storage = planned_with_scale(2, arguments={"scale": 3})
    with pytest.raises(InputError, match=r"\(1, 144, 192, 3\), not uint8 \(1, 96, 128, 3\)"):
        score(storage)
