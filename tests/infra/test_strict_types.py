"""The JSON schemas of trigger files and bodies, and the parsers, accept the same values of each field."""

import json
from typing import Any, Final

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from frame_tools.contracts import calls
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import RENAMED_OPTIONS
from frame_tools.contracts.trigger import Trigger, parse_trigger
from infra.tools.trigger_schema import schema
from orchestration.api.openapi import openapi_document
from orchestration.handlers.resubmit import ResubmitRequest, parse_resubmit_request

NUMBERS: Final = st.integers(-5, 10_000) | st.sampled_from((2**31, 1.0, 96.0, 0.5, 0.9, 0.1, 29.97, 1e3, -0.5, 1e300))
TEXTS: Final = st.text(max_size=12) | st.sampled_from(
    (
        "0.5",
        "true",
        "1",
        "",
        "25",
        "30000/1001",
        "luma",
        "fine",
        "any",
        "look",
        "a.jpg",
        "../a.jpg",
        "mp4",
        "a\n",
        "all",
    )
)
SCALARS: Final = st.none() | st.booleans() | NUMBERS | TEXTS
NAMED: Final = st.dictionaries(TEXTS, SCALARS, max_size=3)
KEYFRAMES: Final = st.lists(st.fixed_dictionaries({"at": SCALARS, "style": SCALARS | NAMED}), max_size=2)
FILES: Final = st.lists(st.fixed_dictionaries({"name": TEXTS, "size": SCALARS}), max_size=2)
VALUES: Final = SCALARS | st.lists(SCALARS, max_size=2) | NAMED | KEYFRAMES | FILES
EXAMPLES: Final = 150


def as_python(described: Any) -> Any:
    """Return a schema for Python's regular expressions, whose $ also matches before a line end."""
    return json.loads(json.dumps(described).replace('$"', '\\\\Z"'))


TRIGGER_FILE: Final = as_python(schema())
COMPONENTS: Final = as_python(openapi_document()["components"])
BODIES: Final[tuple[type[BaseModel], ...]] = (calls.StartRun, calls.UploadFile, calls.UploadRequest, ResubmitRequest)
FIELDS: Final = [(Trigger, TRIGGER_FILE, name) for name in TRIGGER_FILE["properties"]] + [
    (model, {**COMPONENTS["schemas"][model.__name__], "components": COMPONENTS}, name)
    for model in BODIES
    for name in model.model_fields
    if (model, name) not in ((calls.StartRun, "options"), (ResubmitRequest, "options"))
]


def field_errors(model: type[BaseModel], name: str, value: object) -> list[str]:
    """Return what the parser says about one field, whatever it says about the absence of others."""
    try:
        model.model_validate_json(json.dumps({name: value}))
    except ValidationError as error:
        own = (name, RENAMED_OPTIONS.get(name, name))
        return [each["msg"] for each in error.errors(include_url=False) if each["loc"][:1] and each["loc"][0] in own]
    return []


def is_beyond_schemas(name: str, value: object) -> bool:
    """Return whether no schema can say it: a fraction's size, or that two names in a list are the same."""
    return (name == "rate" and isinstance(value, str)) or name == "files"


@pytest.mark.parametrize(
    ("model", "described", "name"), FIELDS, ids=lambda each: getattr(each, "__name__", str(each)[:20])
)
def test_schema_and_parser_accept_the_same_values(model: type[BaseModel], described: Any, name: str) -> None:
    alone = {key: value for key, value in described.items() if key in ("$defs", "components")}
    validator = jsonschema.Draft202012Validator({**alone, **described["properties"][name]})

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)
    @given(VALUES)
    def agree(value: object) -> None:
        errors = field_errors(model, name, value)
        if validator.is_valid(value):
            assert not errors or is_beyond_schemas(name, value), (value, errors)
        else:
            assert errors, value

    agree()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("strength", "0.5", "strength is a number from 0 to 1, not '0.5'"),
        ("strength", True, "strength is a number from 0 to 1, not true"),
        ("seed", "7", "seed is a whole number from 0 to 2147483647, not '7'"),
        ("seed", False, "not false"),
        ("keep_frames", 1, "keep_frames is true or false, not 1"),
        ("keep_location", "yes", "keep_location is true or false, not 'yes'"),
        ("label", 3, "label is a text, not 3"),
        ("key_styles", "a.jpg", "key_styles is a list, not 'a.jpg'"),
        ("preserve_color", True, "'luma' or 'statistics', not true"),
        ("version", True, "not true"),
    ],
)
def test_wrong_type_is_named_with_the_valid_values(field: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_trigger(json.dumps({"style": "a.jpg", field: value}).encode())
    assert message in caught.value.what


def test_posted_options_have_the_same_types() -> None:
    body = {"name": "a", "options": {"style": "a.jpg", "strength": "0.5"}}
    with pytest.raises(InputError, match="strength"):
        calls.parse_body(calls.StartRun, json.dumps(body).encode())


@pytest.mark.parametrize("which", [[True], ["0"], [0.5], True, 3])
def test_resubmission_takes_numbers_of_batches_only(which: object) -> None:
    with pytest.raises(InputError):
        parse_resubmit_request(json.dumps({"which": which}).encode())


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert parse_trigger(b'{"style": "a.jpg", "seed": 7.0}').seed == 7
    assert parse_resubmit_request(b'{"which": [0.0, 3]}').which == [0, 3]


def test_unknown_status_is_named_with_the_valid_ones() -> None:
    with pytest.raises(InputError, match=r"must be one of waiting, .*not 'finish' \(did you mean 'finished'\?\)"):
        calls.parse_query(calls.RunsQuery, {"status": "scoring,finish"})
