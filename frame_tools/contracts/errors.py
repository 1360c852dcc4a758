"""The errors that people and other programs meet, and the exit code of each.

Every error says what is wrong and what to do about it; the class says whose turn it is: the person's
(`InputError`), ours (`DamagedError`, `InternalError`), nobody's (`TemporaryError`: it may work soon).
The codes from 65 up follow BSD's sysexits.h, where one fits.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of all our commands; `meaning` is the sentence that a log or a report shows."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """Make the member `value` and keep its sentence on it."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "Done."
    USAGE = 2, "The command line was not understood."
    INPUT = 65, "The input can't be used; trying again will not help."
    DAMAGED = 66, "Something written earlier is not what its receipt or manifest says."
    MISSING = 69, "Something that was named is not there."
    INTERNAL = 70, "A mistake in this program."
    TEMPORARY = 75, "A passing trouble; try again."


class ImpastoError(Exception):
    """An error in words: `what` is wrong, and the `remedy`.

    `str()` gives both as one line. Raise one of the children.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return " ".join(f"{sentence(self.what)} {sentence(self.remedy)}".split())


class InputError(ImpastoError):
    """The person's input can't be used. Permanent."""

    exit_code = ExitCode.INPUT


class DamagedError(ImpastoError):
    """Something we wrote is not what its receipt or manifest says."""

    exit_code = ExitCode.DAMAGED


class MissingError(ImpastoError):
    """What is named is not there."""

    exit_code = ExitCode.MISSING


class InternalError(ImpastoError):
    """A promise between our own parts was broken."""

    exit_code = ExitCode.INTERNAL


class TemporaryError(ImpastoError):
    """A passing trouble (a throttled service, a lost connection): try again."""

    exit_code = ExitCode.TEMPORARY


def sentence(text: str) -> str:
    """`text` with a full stop, unless it already ends a sentence."""
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
