"""Flags and scorer names of earlier versions, which scripts still use."""

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

from frame_tools.contracts.options import RENAMED_OPTIONS
from frame_tools.contracts.scorers import RENAMED_SCORERS


class CommandGroup(TyperGroup):
    """The command line; it accepts the names that options and scorers had in earlier versions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line with old names replaced."""
        return super().parse_args(ctx, rename_old_flags(args))


def rename_old_flags(args: Sequence[str]) -> list[str]:
    """Return a command line with the flags and scorers of earlier versions replaced: `--even pad`, `--steady=0`."""
    flags = {f"--{old.replace('_', '-')}": f"--{new.replace('_', '-')}" for old, new in RENAMED_OPTIONS.items()}
    renamed: list[str] = []
    for arg in args:
        flag, equals, value = arg.partition("=")
        if renamed and renamed[-1] == "--scorer":
            renamed.append(RENAMED_SCORERS.get(arg, arg))
        elif flag == "--scorer":
            renamed.append(f"{flag}{equals}{RENAMED_SCORERS.get(value, value)}")
        else:
            renamed.append(f"{flags.get(flag, flag)}{equals}{value}")
    return renamed
