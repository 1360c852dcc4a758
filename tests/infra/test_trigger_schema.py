"""docs/trigger.schema.json is current, and accepts what the app accepts."""

import json
from typing import Any

import jsonschema
import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.trigger import all_option_specs, parse_trigger
from infra.tools.trigger_schema import SCHEMA, schema, text


def test_schema_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == text(), "run: python -m infra.tools.trigger_schema"


def is_valid(trigger: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft202012Validator(schema()).is_valid(trigger))


def test_every_option_is_described_with_a_valid_example() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    for option in all_option_specs():
        described = schema()["properties"][option.name]
        assert described["description"] == option.meaning
        assert is_valid({option.name: option.example}), option.name


@pytest.mark.parametrize(
    "trigger",
    [
        {"$schema": "https://example.org/trigger.schema.json", "scorer": "copy"},
        {"$schema": "trigger.schema.json", "style": "monet.jpg", "version": 1},
        {"style": {"a.jpg": 0.7, "b.jpg": 1}, "strength": 0.5},
        {"style": "a.jpg", "key_styles": [{"at": 4.5, "style": "b.jpg"}], "rate": "30000/1001"},
        {"scorer": "script", "program": "edges", "arguments": {"levels": 4, "on": True, "name": "x"}},
    ],
)
def test_valid_trigger_files_pass_schema_and_app(trigger: dict[str, Any]) -> None:
    assert is_valid(trigger)
    assert "$schema" not in json.loads(parse_trigger(json.dumps(trigger).encode()).dumps())


@pytest.mark.parametrize(
    "trigger",
    [
        {"scorer": "copy", "strenght": 1},
        {"scorer": "copy", "strength": 2},
        {"scorer": "copy", "video": 7},
        {"scorer": "copy", "style": 7},
        {"scorer": "copy", "$schema": 7},
        {"scorer": "copy", "arguments": {"a": []}},
    ],
)
def test_invalid_trigger_files_fail_schema_and_app(trigger: dict[str, Any]) -> None:
    assert not is_valid(trigger)
    with pytest.raises(InputError):
        parse_trigger(json.dumps(trigger).encode())
