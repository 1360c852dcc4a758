"""The index of a video: which key frame a task begins at, and when tasks would decode too much."""

import json
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from frame_tools.contracts.batch_borders import even_borders
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.video_index import MAX_REPEATED, OBSTACLES, VideoIndex

INDEX = VideoIndex(origin=-5, keys=(0, 30, 60))


@pytest.mark.parametrize(
    ("frame", "lead", "key"), [(0, 0, 0), (29, 0, 0), (30, 0, 30), (30, 1, 0), (31, 1, 30), (99, 0, 60), (0, 1, 0)]
)
def test_decoding_begins_at_the_key_before(frame: int, lead: int, key: int) -> None:
    assert INDEX.model_copy(update={"lead": lead}).key_before(frame) == key


def test_frames_before_batches_are_counted() -> None:
    assert INDEX.repeated_frames((0, 25, 50, 75, 90)) == 25 + 20 + 15
    assert VideoIndex(origin=0, keys=(0,), obstacle="keys").repeated_frames((0, 25, 50, 75, 90)) == 150


@pytest.mark.parametrize(("batches", "is_decodable"), [(2 * MAX_REPEATED + 1, True), (2 * MAX_REPEATED + 2, False)])
def test_without_keys_few_batches_are_decodable(batches: int, is_decodable: bool) -> None:
    index = VideoIndex(origin=0, keys=(0,), obstacle="format")
    assert index.is_decodable_by(even_borders(100 * batches, 100)) is is_decodable


@pytest.mark.parametrize(
    "fields",
    [
        {"keys": (1, 2)},
        {"keys": (0, 2, 2)},
        {"keys": ()},
        {"keys": (0,)},
        {"keys": (0, 1), "obstacle": "keys"},
        {"keys": (0, 1), "has_jumps": True},
        {"keys": (0, 1), "lead": 2},
        {"keys": (0, 1), "version": 2},
    ],
)
def test_index_that_contradicts_itself_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VideoIndex(**{"origin": 0} | fields)


def test_key_after_the_last_frame_is_refused() -> None:
    manifest = Manifest.plain(10, Fraction(25), width=64, height=48)
    data = json.loads(manifest.dumps()) | {"index": {"version": 1, "origin": 0, "keys": [0, 10]}}
    with pytest.raises(InputError, match="index names frame 10 of 10"):
        Manifest.parse_input(json.dumps(data))


def test_every_obstacle_is_explained() -> None:
    assert all(not text.endswith(".") and text[0].islower() for text in OBSTACLES.values())
