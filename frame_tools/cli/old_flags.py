"""Flags and scorer names of earlier versions, which scripts still use."""

from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperGroup

from frame_tools.contracts.options import INVERTED_OPTIONS, RENAMED_OPTIONS
from frame_tools.contracts.scorers import RENAMED_SCORERS


class CommandGroup(TyperGroup):
    """The command line; it accepts the names that options and scorers had in earlier versions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line with old names replaced."""
        return super().parse_args(ctx, rename_old_flags(args))


def rename_old_flags(args: Sequence[str]) -> list[str]:
    """Return a command line with the flags and scorers of earlier versions replaced: `--even pad`, `--steady=0`."""
    flags = dict(_renamed_flags())
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


def _renamed_flags() -> Iterator[tuple[str, str]]:
    """Yield the flags of earlier versions and today's."""
    for old_name, new_name in RENAMED_OPTIONS.items():
        old, new = old_name.replace("_", "-"), new_name.replace("_", "-")
        is_inverted = old_name in INVERTED_OPTIONS
        yield f"--{old}", f"--no-{new}" if is_inverted else f"--{new}"
        if is_inverted:
            yield f"--no-{old}", f"--{new}"
