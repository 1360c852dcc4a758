"""Error codes of the service: HTTP status, message and body (Microsoft's page "Batch Status and Error Codes").

The format is that of recorded responses: `code` in PascalCase; `message.value` ends with request id and time; `values`
is present only if it is not empty.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from local_cloud.batch_service.contracts.serialization import format_time, now

_ELEMENT = "Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"

STATUS_AND_MESSAGE: Mapping[str, tuple[int, str]] = {
    "InvalidPropertyValue": (400, "The value provided for one of the properties in the request body is invalid."),
    "MissingRequiredProperty": (400, "A required property was not specified in the request body."),
    "UnsupportedProperty": (400, "One of the properties specified in the request body is not supported."),
    "InvalidRequestBody": (400, "The specified request body is not syntactically valid."),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "MissingRequiredQueryParameter": (400, "A query parameter that's mandatory for this request is not specified."),
    "UnsupportedRequestVersion": (400, "The specified api version is not supported."),
    "AuthenticationFailed": (
        403,
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly.",
    ),
    "JobNotFound": (404, "The specified job does not exist."),
    "TaskNotFound": (404, "The specified task does not exist."),
    "PoolNotFound": (404, "The specified pool does not exist."),
    "NodeNotFound": (404, "The specified node does not exist."),
    "FileNotFound": (404, "The specified file does not exist."),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support the specified HTTP verb."),
    "JobExists": (409, "The specified job already exists."),
    "JobBeingDeleted": (409, "The specified job is being deleted."),
    "JobBeingTerminated": (409, "The specified job is being terminated."),
    "JobCompleted": (409, "The specified job is already in a completed state."),
    "JobDisabled": (409, "The specified job is already in a disabled state."),
    "TaskExists": (409, "The specified task already exists."),
    "TaskCompleted": (409, "The specified task is already in a completed state."),
    "TaskNotCompleted": (409, "The specified task is not in a completed state."),
    "TaskSucceeded": (409, "The specified task has completed successfully and cannot be reactivated."),
    "TaskFilesUnavailable": (409, "The files of the specified task are unavailable."),
    "ActiveJobAndScheduleQuotaReached": (
        409,
        "The active job and job schedule quota for the account has been reached.",
    ),
    "PoolQuotaReached": (409, "The pool quota for the account has been reached."),
    "PoolExists": (409, "The specified pool already exists."),
    "PoolBeingResized": (409, "The specified pool is being resized."),
    "PoolBeingDeleted": (409, "The specified pool is being deleted."),
    "OperationInvalidForCurrentState": (
        409,
        "The specified operation is not valid for the current state of the resource.",
    ),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
    "TooManyRequests": (429, "Too many requests have been received. Please retry after some time."),
    "InternalError": (500, "Server encountered an internal error. Please try again after some time."),
    "NotImplemented": (501, "The requested operation is not implemented."),
    "ServerBusy": (503, "Server is currently unable to receive requests. Please retry your request."),
}


class BatchError(Exception):
    """An error response; `code` is a key of `STATUS_AND_MESSAGE`, `values` go into the body."""

    def __init__(self, code: str, *, values: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.values = dict(values or {})

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS_AND_MESSAGE[self.code][0]


def error_body(code: str, request_id: str, *, values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the error object as in an item of addtaskcollection and, after `odata.metadata`, in a response."""
    message_text = STATUS_AND_MESSAGE[code][1] if code in STATUS_AND_MESSAGE else "An error injected by a test."
    message = f"{message_text}\nRequestId:{request_id}\nTime:{format_time(now())}"
    body: dict[str, Any] = {"code": code, "message": {"lang": "en-US", "value": message}}
    if values:
        body["values"] = [{"key": key, "value": value} for key, value in values.items()]
    return body


def error_response(error: BatchError, request_id: str, *, base_url: str) -> dict[str, Any]:
    """Return the complete body of an error response."""
    metadata = {"odata.metadata": f"{base_url}/$metadata#{_ELEMENT}"}
    return metadata | error_body(error.code, request_id, values=error.values)


def from_validation(problems: Sequence[Mapping[str, Any]]) -> BatchError:
    """Return the error for the first item of pydantic's `ValidationError.errors()`."""
    problem = problems[0]
    name = ".".join(str(part) for part in problem["loc"]) or "(body)"
    if problem["type"] == "missing":
        return BatchError("MissingRequiredProperty", values={"PropertyName": name})
    if problem["type"] == "extra_forbidden":
        return BatchError(
            "InvalidRequestBody", values={"Reason": f"The property '{name}' does not exist on this type."}
        )
    values = {"PropertyName": name, "PropertyValue": str(problem["input"])[:200], "Reason": str(problem["msg"])}
    return BatchError("InvalidPropertyValue", values=values)
