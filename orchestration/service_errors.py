"""Errors of Azure's services as errors of Impasto: which of them pass by themselves, and how they are described."""

from typing import Final

from azure.core.exceptions import AzureError, ClientAuthenticationError

from frame_tools.contracts.errors import ErrorCode, ImpastoError, InternalError, NextStep, TemporaryError

_ACCESS_DENIED: Final = (401, 403)
_PASSING_CLIENT_ERRORS: Final = (404, 408, 409, 412, 429)
"""Answers below 500 that depend on the moment: of missing or busy resources, quotas and request rates."""
_MAX_MESSAGE_CHARS: Final = 200


def service_error(error: AzureError, service: str) -> ImpastoError:
    """Return the error of a request to a service: temporary, unless the service will always refuse the request."""
    status = getattr(error, "status_code", None)
    if isinstance(error, ClientAuthenticationError) or status in _ACCESS_DENIED:
        return TemporaryError(
            f"{service} denied the Function App access{_details(error)}",
            "Check the app's role assignments and the network rules; the run then continues",
            next_step=NextStep.ASK_OPERATOR,
        )
    if status is not None and 400 <= status < 500 and status not in _PASSING_CLIENT_ERRORS:
        return InternalError(
            f"{service} rejected a request as invalid{_details(error)}",
            "This is a bug in the program: report it with the log of the Function App",
        )
    answer = "did not answer" if status is None else "cannot serve requests now"
    return TemporaryError(f"{service} {answer}{_details(error)}", "Wait: it is tried again until it succeeds")


def describe_error(error: Exception) -> ImpastoError:
    """Return any error as an error of Impasto; of an unexpected one only the type, because it may contain secrets."""
    if isinstance(error, ImpastoError):
        return error
    if isinstance(error, AzureError):
        return service_error(error, "Azure Storage")
    return InternalError(
        f"The Function App failed with an unexpected {type(error).__name__}",
        "Search the log of the Function App for the run id",
        code=ErrorCode.UNHANDLED_EXCEPTION,
    )


def is_passing(error: Exception) -> bool:
    """Return whether the cause of an error is expected to end by itself or by the operator's action."""
    return isinstance(describe_error(error), TemporaryError) or isinstance(error, OSError)


def _details(error: AzureError) -> str:
    """Return status and code of the answer and what it says, for people; empty without an answer."""
    status = getattr(error, "status_code", None)
    if status is None:
        return f" ({type(error).__name__})"
    body = getattr(error, "error", None)
    code = getattr(error, "error_code", None) or getattr(body, "code", None)
    message = str(getattr(body, "message", "") or "").split("\n", 1)[0][:_MAX_MESSAGE_CHARS]
    parts = [f"HTTP {status}", str(getattr(code, "value", code) or ""), message]
    return f" ({': '.join(part for part in parts if part)})"
