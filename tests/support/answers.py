"""Check of every answer that a test gets from the HTTP interface against its OpenAPI document."""

import functools
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jsonschema

from orchestration.api.openapi import openapi_document


@functools.cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document, in which objects have no other properties than those that it names."""
    described = openapi_document()
    for schema in described["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return described


@functools.cache
def operations() -> Mapping[str, tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of each operation, by its id."""
    return {
        description["operationId"]: (method, path, description)
        for path, methods in document()["paths"].items()
        for method, description in methods.items()
    }


def operation_of(method: str, url: str) -> str | None:
    """Return the id of the operation that a request calls; None if there is none."""
    for name, (its_method, path, _) in operations().items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
        if method.lower() == its_method and re.fullmatch(f"{pattern}/?", urlsplit(url).path):
            return name
    return None


def check_answer(operation: str, status: int, content_type: str, body: bytes) -> None:
    """Assert that the OpenAPI document describes an answer: its status, media type and body."""
    described = operations()[operation][2]["responses"].get(str(status))
    assert described is not None, f"{operation} answers {status}, which is not documented"
    if "content" not in described:
        assert body == b"", f"{operation} answers {status} with a body, which is not documented"
        return
    ((media_type, content),) = described["content"].items()
    # The worker names the character set of text only; JSON has but one.
    assert content_type.replace(" ", "").lower() in (media_type, f"{media_type};charset=utf-8")
    schema = {**content["schema"], "components": document()["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(body))
