"""What the command line tells the host, and the exit codes that it answers with."""

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the host's process."""

    STOPPED = 0
    """The host was asked to stop and did."""
    PORT_IN_USE = 2
    """Another process listens on the port; also the code for invalid arguments."""
    NOT_LOADED = 3
    """host.json or the settings cannot be used; with --strict, also the app or one of its functions."""


@dataclass(frozen=True)
class HostOptions:
    """Command-line options of the host."""

    enable_auth: bool = False
    duplicate_seed: int | None = None
    cors_origins: str = ""
    """Origins separated by commas; empty means those of local.settings.json."""
    strict: bool = False
    """Whether a function that cannot be started is an error; the real host disables it and runs the others."""
    storage_hints: bool = False
    """Whether to receive hints of the storage emulator about writes (`storage/hints.py`)."""
