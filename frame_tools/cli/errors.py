"""What every command line of ours does with an error: one line on stderr with the remedy, and a named exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from azure.core.exceptions import AzureError, ClientAuthenticationError

from frame_tools.contracts.errors import ExitCode, ImpastoError, InputError, TemporaryError


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn our own errors and storage's into words; anything else is a defect and keeps its trace."""
    try:
        yield
    except (ImpastoError, AzureError, OSError) as error:
        said = in_words(error)
        if said is None:
            raise
        _end(said)


def in_words(error: Exception) -> ImpastoError | None:
    """Return the error as one of ours, None for a defect."""
    if isinstance(error, ImpastoError):
        return error
    if isinstance(error, AzureError):
        return _of_storage(error)
    if isinstance(error, OSError) and error.filename is not None:
        return InputError(f"{error.filename} can't be used ({error.strerror})", "Give another path")
    return None


def _of_storage(error: AzureError) -> ImpastoError:
    first_line = str(error.message).split("\n", 1)[0][:300]
    if isinstance(error, ClientAuthenticationError) or getattr(error, "status_code", None) in (401, 403):
        return InputError(
            f"Storage refuses us: {first_line}", "Check the key, the signature, or your role on the account"
        )
    return TemporaryError(f"Storage does not answer as it should: {first_line}", "Is it up, and is the URL right?")


def _end(error: ImpastoError) -> None:
    sys.stderr.write(f"{error}\n")
    code: ExitCode = error.exit_code
    raise typer.Exit(code) from None
