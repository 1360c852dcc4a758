"""The errors that people and other programs meet.

Every error has a sentence that says what is wrong and one that says what to do about it, for people, and an exit
code, an error code and a next step, for programs. Nothing decides on the sentences. The class says who has to act:
the user (`InputError`, `MissingError`), the developers (`DamagedError`, `InternalError`), or nobody, because the
operation may succeed when it is repeated (`TemporaryError`).
"""

from enum import IntEnum, StrEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of all commands; those from 65 up follow BSD's sysexits.h. `meaning` is for logs and reports."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """Return the member for `value`, with its meaning as an attribute."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "Done."
    USAGE = 2, "The command line is invalid."
    INPUT = 65, "The input is invalid; trying again does not help."
    DAMAGED = 66, "Stored data does not match its receipt or manifest."
    MISSING = 69, "A file, blob or run does not exist."
    INTERNAL = 70, "There is a defect in this program."
    TEMPORARY = 75, "A temporary failure; try again."
    INTERRUPTED = 130, "Ctrl-C was pressed."


class ErrorCode(StrEnum):
    """What kind of error it is: stable, for programs. Stored in documents and returned over HTTP."""

    INVALID_INPUT = "invalid_input"
    DAMAGED_DATA = "damaged_data"
    NOT_FOUND = "not_found"
    INTERNAL_ERROR = "internal_error"
    INPUT_CHANGED = "input_changed"
    TEMPORARY_FAILURE = "temporary_failure"
    VERSION_SKEW = "version_skew"
    UNHANDLED_EXCEPTION = "unhandled_exception"
    TASK_FAILED = "task_failed"
    TASK_NOT_CREATED = "task_not_created"
    POOL_UNUSABLE = "pool_unusable"
    RUN_NOT_STARTED = "run_not_started"
    RUN_NOT_COMPLETED = "run_not_completed"
    RUN_TIMED_OUT = "run_timed_out"
    DISK_FULL = "disk_full"


class NextStep(StrEnum):
    """What has to happen before the work can continue."""

    FIX_INPUT = "fix_input"
    """The user corrects the named input and repeats the request."""
    RESUBMIT = "resubmit"
    """The cause is removed, then the run is resubmitted; the remedy says so."""
    START_NEW_RUN = "start_new_run"
    """The run cannot continue: the trigger file has to be uploaded again; the remedy says so."""
    RETRY_LATER = "retry_later"
    """The same request may succeed later."""
    ASK_OPERATOR = "ask_operator"
    """The operator has to change the deployment."""
    REPORT_BUG = "report_bug"
    """The developers have to fix the program."""

    @property
    def names_way_on(self) -> bool:
        """Whether the remedy of such an error already says how the run continues."""
        return self in (NextStep.RESUBMIT, NextStep.START_NEW_RUN)


class ImpastoError(Exception):
    """An error with a cause (`what`) and a `remedy` for people, and `code` and `next_step` for programs.

    `str()` gives cause and remedy as one line. Raise one of the subclasses. They set the default code and next step;
    the raising code gives more precise ones.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    code: ErrorCode = ErrorCode.INTERNAL_ERROR
    next_step: NextStep = NextStep.REPORT_BUG

    def __init__(
        self, what: str, remedy: str, *, code: ErrorCode | None = None, next_step: NextStep | None = None
    ) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy
        if code is not None:
            self.code = code
        if next_step is not None:
            self.next_step = next_step

    def __str__(self) -> str:
        return " ".join(f"{sentence(self.what)} {sentence(self.remedy)}".split())


class InputError(ImpastoError):
    """The user's input is invalid. Permanent."""

    exit_code = ExitCode.INPUT
    code = ErrorCode.INVALID_INPUT
    next_step = NextStep.FIX_INPUT


class DamagedError(ImpastoError):
    """Data that Impasto stored does not match its receipt or manifest."""

    exit_code = ExitCode.DAMAGED
    code = ErrorCode.DAMAGED_DATA
    next_step = NextStep.START_NEW_RUN


class MissingError(ImpastoError):
    """A named file, blob or run does not exist."""

    exit_code = ExitCode.MISSING
    code = ErrorCode.NOT_FOUND
    next_step = NextStep.FIX_INPUT


class InternalError(ImpastoError):
    """A contract between Impasto's own parts is violated."""

    exit_code = ExitCode.INTERNAL
    code = ErrorCode.INTERNAL_ERROR
    next_step = NextStep.REPORT_BUG


class ProgramError(InternalError):
    """An operator's program raised. It may pass: a step fails for good when it raises the same error twice."""


class TemporaryError(ImpastoError):
    """A temporary failure (a throttled service, a lost connection): the operation may succeed when repeated."""

    exit_code = ExitCode.TEMPORARY
    code = ErrorCode.TEMPORARY_FAILURE
    next_step = NextStep.RETRY_LATER


class VersionSkewError(TemporaryError):
    """Another version of Impasto wrote a document in a form that this one does not know.

    It is temporary: the work continues once the Function App and the node image have the same version.
    """

    code = ErrorCode.VERSION_SKEW
    next_step = NextStep.ASK_OPERATOR


def sentence(text: str) -> str:
    """Return `text` with a full stop unless it already ends with a punctuation mark."""
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
