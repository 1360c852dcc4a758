"""The OpenAPI document of the HTTP interface, made of the operations and their models."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from frame_tools.contracts.answers import Problem
from frame_tools.contracts.version import IMPASTO_VERSION
from orchestration.api.operations import OPERATIONS, Operation
from orchestration.api.replies import JSON, PROBLEM_JSON

_REFERENCE: Final = "#/components/schemas/{model}"
_DESCRIPTION: Final = """Paint videos in the style of paintings: start runs, follow them, and fetch their results.

A function key goes into the header x-functions-key; a local app needs none. Errors are problem documents (RFC 9457)
that say what is wrong, what to do (remedy), and for programs the kind of error (code) and the next step."""
_PROBLEMS: Final = {
    HTTPStatus.BAD_REQUEST: "The request is invalid",
    HTTPStatus.UNAUTHORIZED: "The function key is missing or wrong; the answer has no body",
    HTTPStatus.NOT_FOUND: "There is no such run or preview",
    HTTPStatus.CONFLICT: "Stored documents of the run or preview are damaged",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The app failed; its log has the correlation id",
    HTTPStatus.SERVICE_UNAVAILABLE: "A service does not answer; the same request may succeed later",
}

_ANY_OBJECT: Final = {"description": "This document", "content": {JSON: {"schema": {"type": "object"}}}}


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Impasto", "version": IMPASTO_VERSION, "description": _DESCRIPTION},
        "security": [{"function_key": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"function_key": {"type": "apiKey", "in": "header", "name": "x-functions-key"}},
        },
    }


def _paths() -> dict[str, dict[str, Any]]:
    own = {"operationId": "get_openapi", "summary": "Return this document", "responses": {"200": _ANY_OBJECT}}
    paths: dict[str, dict[str, Any]] = {"/api/openapi.json": {"get": own}}
    for operation in OPERATIONS.values():
        paths.setdefault(f"/{operation.path}", {})[operation.method.lower()] = _describe(operation)
    return paths


def _describe(operation: Operation) -> dict[str, Any]:
    answer = {"description": operation.summary, "content": {JSON: {"schema": _reference(operation.answer)}}}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation)],
        "responses": {str(operation.status.value): answer, **_problems(operation)},
    }
    if operation.body is not None:
        schema = {"anyOf": [_reference(operation.body), *operation.other_bodies]}
        content = {"schema": schema if operation.other_bodies else _reference(operation.body)}
        described["requestBody"] = {"required": not operation.other_bodies, "content": {JSON: content}}
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}
        for name, pattern in operation.path_parameters.items()
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = operation.query.model_json_schema()
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": field.pop("description", ""),
            "schema": _without_null(field),
            **({"style": "form", "explode": False} if "array" in str(field) else {}),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _without_null(field: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an optional parameter: a query has no null, it leaves the parameter out."""
    kept = {name: value for name, value in field.items() if name not in ("title", "anyOf")}
    if kept.get("default", ...) is None:
        del kept["default"]
    alternatives = [each for each in field.get("anyOf", ()) if each != {"type": "null"}]
    return kept | (alternatives[0] if alternatives else {})


def _problems(operation: Operation) -> dict[str, Any]:
    content = {"content": {PROBLEM_JSON: {"schema": _reference(Problem)}}}
    without_id = () if operation.path_parameters else (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
    return {
        str(status.value): {"description": text, **({} if status == HTTPStatus.UNAUTHORIZED else content)}
        for status, text in _PROBLEMS.items()
        if status not in without_id
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    """Return the schemas of all answers and bodies, and of what is nested in them."""
    used: dict[type[BaseModel], JsonSchemaMode] = {Problem: "serialization"}
    for operation in OPERATIONS.values():
        used[operation.answer] = "serialization"
        if operation.body is not None:
            used[operation.body] = "validation"
    _, document = models_json_schema(list(used.items()), ref_template=_REFERENCE)
    return dict(document.get("$defs", {}))
