"""HTTP responses as values: answers as JSON, errors as problem documents (RFC 9457)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

from azure.core.exceptions import AzureError

from frame_tools.contracts.answers import Answer, Problem
from frame_tools.contracts.errors import (
    DamagedError,
    ErrorCode,
    ImpastoError,
    InputError,
    MissingError,
    NextStep,
    TemporaryError,
)
from orchestration.service_errors import service_error

_log = logging.getLogger(__name__)

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"
STATUSES: Final[tuple[tuple[type[ImpastoError], HTTPStatus], ...]] = (
    (InputError, HTTPStatus.BAD_REQUEST),
    (MissingError, HTTPStatus.NOT_FOUND),
    (DamagedError, HTTPStatus.CONFLICT),
    (TemporaryError, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The status of each kind of error; every other one is the app's fault."""
A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A response: status, media type and body."""

    status: int
    media_type: str
    body: str


def answer_with(model: type[A], fields: Mapping[str, Any] | A, *, status: int) -> Reply:
    """Return an answer of the operation's model; fields that are not set are left out."""
    answer = fields if isinstance(fields, model) else model.model_validate(fields)
    return Reply(status=status, media_type=JSON, body=answer.model_dump_json(exclude_unset=True, by_alias=True))


def problem_for(error: Exception, *, operation: str, correlation_id: str) -> Reply:
    """Return the problem document for an error that a handler raised.

    Only errors for people show their sentences. Of every other one the caller gets the correlation id, and the log the
    details.
    """
    if isinstance(error, AzureError):
        _log.warning("%s failed: %s", operation, error)
        described = service_error(error, "Azure Storage")
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        if isinstance(described, TemporaryError):
            status = HTTPStatus.SERVICE_UNAVAILABLE
        return _problem(described, status)
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return _problem(error, status)
    _log.error("%s failed; correlation id %s", operation, correlation_id, exc_info=error)
    return _reply(
        Problem(
            type="about:blank",
            title=HTTPStatus.INTERNAL_SERVER_ERROR.phrase,
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
            detail="The request failed because of an internal error",
            remedy=f"Search the Function App log for the correlation id {correlation_id}",
            code=ErrorCode.INTERNAL_ERROR,
            next_step=NextStep.REPORT_BUG,
            correlation_id=correlation_id,
        )
    )


def _problem(error: ImpastoError, status: HTTPStatus) -> Reply:
    return _reply(
        Problem(
            type="about:blank",
            title=status.phrase,
            status=status,
            detail=error.what,
            remedy=error.remedy,
            code=error.code,
            next_step=error.next_step,
            correlation_id=None,
        )
    )


def _reply(problem: Problem) -> Reply:
    return Reply(status=problem.status, media_type=PROBLEM_JSON, body=problem.model_dump_json())
