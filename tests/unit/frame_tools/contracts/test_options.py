"""The one schema: what fits together is taken and reads back, what does not is answered with the right words."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.trigger import Trigger, all_option_specs, parse_trigger
from frame_tools.contracts.trigger_values import normalized_weights

GOOD: dict[str, dict[str, Any]] = {
    "one style": {"style": "a.jpg"},
    "a mix": {"style": {"a.jpg": 0.7, "b.jpg": 0.3}},
    "whole numbers as weights": {"style": {"a.jpg": 2, "b.safetensors": 1}},
    "keys after a style": {"style": "a.jpg", "key_styles": [{"at": 4.5, "style": "b.jpg"}]},
    "keys alone": {"key_styles": [{"at": 0, "style": "a.jpg"}, {"at": 1, "style": {"b.jpg": 1, "a.jpg": 3}}]},
    "tuned": {"scorer": "tuned", "style": "a.safetensors", "mask": "masks"},
    "tuned in the run": {"style": {"a.jpg": 1, "b.safetensors": 1}, "tune": True},
    "johnson": {"scorer": "johnson", "style": "mosaic.pth", "size": 480},
    "gatys": {"scorer": "gatys", "style": "a.jpg", "arguments": {"steps": 200}, "seed": 7},
    "script": {"scorer": "script", "program": "x", "arguments": {"a": 1, "b": True, "c": 1.5, "d": "1"}},
    "model": {"scorer": "model", "program": "cartoon-2.1"},
    "describe": {"scorer": "describe", "video": "clip.mp4"},
    "copy with a style, which it passes over": {"scorer": "copy", "style": "a.jpg"},
    "every number at its end": {
        "style": "a",
        "strength": 0,
        "temporal_smoothing": 0.9,
        "calm": 1,
        "strokes": 10,
        "frames_per_batch": 2000,
    },
}


def load(fields: dict[str, Any]) -> Trigger:
    return parse_trigger(json.dumps(fields).encode())


@pytest.mark.parametrize("fields", GOOD.values(), ids=GOOD)
def test_consistent_options_round_trip(fields: dict[str, Any]) -> None:
    trigger = load(fields)
    assert parse_trigger(trigger.dumps()) == trigger
    payload = json.loads(trigger.dumps())
    assert {word: payload[word] for word in fields} == fields


def test_arguments_keep_their_types() -> None:
    kept = load(GOOD["script"]).arguments
    assert [(value, type(value)) for value in kept.values()] == [(1, int), (True, bool), (1.5, float), ("1", str)]


@pytest.mark.parametrize(
    ("fields", "payload"),
    [
        ({"scorer": "tunned"}, ["did you mean 'tuned'", "gatys, model, script"]),
        ({"scorer": "oil"}, ["any, tuned"]),
        ({"style": "a", "calm": 1.5}, ["calm", "1"]),
        ({"style": "a", "calm": 0.5, "statistics": "frame"}, ["calm", "statistics shared"]),
        ({"scorer": "copy", "calm": 0.5}, ["'copy'", "any and tuned"]),
        ({"scorer": "tuned", "style": "a.safetensors", "tune": True}, ["'tuned'", "only any"]),
        ({"style": "a.safetensors", "tune": True}, ["not 0", "tuned already"]),
        ({"style": dict.fromkeys(("a", "b", "c", "d", "e"), 1), "tune": True}, ["1 to 4", "not 5"]),
        ({"style": "a", "tune": 1}, ["tune", "true"]),
        ({"style": "a", "preserve_color": "lume"}, ["preserve_color", "did you mean 'luma'", "'statistics'"]),
        ({"style": "a", "statistics": "share"}, ["did you mean 'shared'"]),
        ({"style": "a", "bad_frame": "orginal"}, ["did you mean 'original'", "'previous'"]),
        ({"style": "a", "odd_size": True}, ["odd_size", "'pad'"]),
        ({"style": "a", "stroke": 2}, ["did you mean 'strokes'"]),
        ({"style": "a", "size": 480, "strokes": 1}, ["size or strokes"]),
        ({"style": "a", "size": 15}, ["size", "16"]),
        ({"style": "a", "strokes": 0}, ["strokes", "0.1"]),
        ({"style": "a", "strokes": True}, ["strokes", "0.1"]),
        ({"style": "a", "strokes": "brod"}, ["strokes", "did you mean 'broad'"]),
        ({"style": "a", "temporal_smoothing": 0.91}, ["temporal_smoothing", "0.9"]),
        ({"style": "a", "temporal_smoothing": math.nan}, ["temporal_smoothing"]),
        ({"style": "a", "strength": math.inf}, ["strength"]),
        ({"style": "a", "seed": -1}, ["seed"]),
        ({"style": "a", "seed": 2**31}, ["seed"]),
        ({"scorer": "script"}, ["program is missing"]),
        ({"scorer": "copy", "program": "x"}, ["runs no program", "model and script"]),
        ({"scorer": "script", "program": "../x"}, ["program"]),
        ({"scorer": "script", "program": "x", "arguments": {"a b": 1}}, ["arguments.a b"]),
        ({"scorer": "script", "program": "x", "arguments": {"a": [1]}}, ["arguments.a: must be true"]),
        ({"scorer": "script", "program": "x", "arguments": {"a": "é" * 1001}}, ["arguments.a: must be", "1000"]),
        ({"scorer": "script", "program": "x", "arguments": {"a": None}}, ["arguments.a: must be"]),
        ({"scorer": "script", "program": "x", "arguments": {"a": math.nan}}, ["arguments.a"]),
        ({"scorer": "script", "program": "x", "arguments": {f"a{i}": i for i in range(33)}}, ["arguments", "32"]),
        ({"style": "a", "arguments": {"x": 1}}, ["no arguments, not 'x'"]),
        ({"scorer": "gatys", "style": "a", "arguments": {"step": 1}}, ["arguments steps", "did you mean 'steps'"]),
        ({"scorer": "tuned"}, ["style is missing", "a tuned style"]),
        ({"scorer": "johnson"}, ["style is missing", "a checkpoint"]),
        ({"scorer": "johnson", "style": {"a": 1, "b": 1}}, ["one style, not 2"]),
        ({"scorer": "gatys", "style": "a", "key_styles": [{"at": 1, "style": "b"}]}, ["one style, not 2"]),
        ({"style": {f"{i}.jpg": 1 for i in range(17)}}, ["17", "16"]),
        ({"style": {}}, ["style", "file name"]),
        ({"style": ["a.jpg"]}, ["style", "file name"]),
        ({"style": {"../a": 1}}, ["style", "'/'"]),
        ({"style": {"a": 0}}, ["weight of 'a'", "over 0"]),
        ({"style": {"a": -1}}, ["weight of 'a'"]),
        ({"style": {"a": True}}, ["weight of 'a'"]),
        ({"style": {"a": "1"}}, ["weight of 'a'"]),
        ({"style": {"a": math.nan}}, ["weight of 'a'"]),
        ({"style": {"a": 1001}}, ["weight of 'a'", "1000"]),
        ({"style": "a", "key_styles": [{"at": 0, "style": "b"}]}, ["at 0", "not both"]),
        ({"style": "a", "key_styles": [{"at": -1, "style": "b"}]}, ["key_styles.0.at"]),
        ({"style": "a", "key_styles": [{"at": math.inf, "style": "b"}]}, ["key_styles.0.at"]),
        ({"style": "a", "key_styles": [{"at": 1, "style": "../b"}]}, ["key_styles.0.style", "'/'"]),
        ({"key_styles": [{"at": 1, "style": "b"}, {"at": 1, "style": "c"}]}, ["key_styles", "increase"]),
        ({"key_styles": [{"at": 2, "style": "b"}, {"at": 1, "style": "c"}]}, ["key_styles", "increase"]),
        ({"key_styles": [{"at": i, "style": "b"} for i in range(101)]}, ["key_styles", "100"]),
        ({"key_styles": [{"when": 1, "style": "b"}]}, ["'key_styles.0.when'", "at, style"]),
        ({"scorer": "describe", "mask": "m"}, ["makes no pictures"]),
        ({"style": "a", "mask": "m/x"}, ["mask", "'/'"]),
    ],
)
def test_invalid_options_name_the_valid_ones(fields: dict[str, Any], payload: list[str]) -> None:
    with pytest.raises(InputError) as raised:
        load(fields)
    for part in payload:
        assert part in str(raised.value)
    assert len(str(raised.value)) < 700


FILES = st.sampled_from(["a.jpg", "b.png", "c d.safetensors", "e=1.jpg"])
STYLES = FILES | st.dictionaries(FILES, st.floats(0.001, 1000), min_size=1)


@given(STYLES)
def test_normalized_weights_sum_to_one(style: str | dict[str, float]) -> None:
    parts = normalized_weights(style)
    assert sum(parts.values()) == pytest.approx(1)
    if isinstance(style, dict):
        first = next(iter(style))
        for name, weight in style.items():
            assert parts[name] / parts[first] == pytest.approx(weight / style[first])


@given(STYLES, st.lists(st.floats(0.001, 1e6), unique=True, max_size=5), st.data())
def test_keyframes_round_trip(style: Any, times: list[float], data: st.DataObject) -> None:
    keys = [{"at": at, "style": data.draw(STYLES)} for at in sorted(times)]
    trigger = load({"style": style, "key_styles": keys})
    assert parse_trigger(trigger.dumps()) == trigger
    assert [key.at for key in trigger.keyframes] == [0, *sorted(times)]
    mentioned = {name for one in (style, *(key["style"] for key in keys)) for name in normalized_weights(one)}
    assert set(trigger.style_files) == mentioned
    assert len(trigger.style_files) == len(mentioned)


def test_option_examples_are_valid() -> None:
    fitting: dict[str, dict[str, Any]] = {
        "scorer": {"style": "a.safetensors"},
        "program": {"scorer": "script"},
        "arguments": {"scorer": "script", "program": "x"},
        "key_styles": {"style": "a.jpg"},
        "rate": {"scorer": "copy"},
        "source": {"video": "v.mp4"},
        "index": {"video": "v.mp4"},
    }
    for word in all_option_specs():
        assert len(word.meaning) > 20, word.name
        assert word.form, word.name
        fields = {"style": "a.jpg"} | fitting.get(word.name, {}) | {word.name: word.example}
        if SCORERS[fields.get("scorer", "any")].needs_style is False:
            fields.pop("style")
        trigger = load(fields)
        assert json.loads(trigger.dumps())[word.name] == word.example
        assert word.example != word.default


def test_scorers_accept_styles_or_programs() -> None:
    for spec in SCORERS.values():
        assert not spec.mixes or spec.styles
        assert not (spec.program and spec.styles)
        assert (spec.makes is None) == spec.program
    assert {name for name, spec in SCORERS.items() if spec.makes == "records"} == {"describe"}
    assert Options().scorer == "any"
