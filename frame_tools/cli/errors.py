"""Error handling of all command lines: one line on stderr with cause and remedy, and a documented exit code."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from azure.core.exceptions import AzureError, ClientAuthenticationError

from frame_tools.contracts.errors import ErrorCode, ImpastoError, InputError, NextStep, TemporaryError

_MAX_MESSAGE_LENGTH = 300
_ACCESS_DENIED = (401, 403)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def report_errors() -> Iterator[None]:
    """Report Impasto's errors and those of storage and files in one line and exit; defects keep their traceback."""
    try:
        yield
    except (ImpastoError, AzureError, OSError) as error:
        reported = to_impasto_error(error)
        if reported is None:
            raise
        sys.stderr.write(f"{reported}\n")
        raise typer.Exit(reported.exit_code) from None


def to_impasto_error(error: Exception) -> ImpastoError | None:
    """Return the error as an ImpastoError with cause and remedy, or None if it is a defect."""
    if isinstance(error, ImpastoError):
        return error
    if isinstance(error, AzureError):
        return _from_storage(error)
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return TemporaryError(
            f"The disk is full ({error.strerror})",
            "Free some space and try again; if Batch tasks end like this again, choose a VM size with a larger disk",
            code=ErrorCode.DISK_FULL,
            next_step=NextStep.RETRY_LATER,
        )
    if isinstance(error, OSError) and error.filename is not None:
        return InputError(f"{error.filename} can't be used ({error.strerror})", "Use another path.")
    return None


def _from_storage(error: AzureError) -> ImpastoError:
    message = str(error.message).split("\n", 1)[0][:_MAX_MESSAGE_LENGTH]
    if isinstance(error, ClientAuthenticationError) or getattr(error, "status_code", None) in _ACCESS_DENIED:
        return InputError(
            f"Storage access denied: {message}", "Check the key, the signature, or your role on the account."
        )
    return TemporaryError(f"Storage error: {message}", "Check that storage is reachable and that the URL is right.")
