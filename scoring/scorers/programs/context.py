"""The context that a script gets when it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from frame_tools.contracts.options import Argument


@dataclass(frozen=True, kw_only=True)
class ProgramContext:
    """The argument of a script's `load`; the same in all tasks of a run, except for the folder and maybe the device."""

    device: str
    """Where to compute, as a torch device: "cuda" or "cpu"."""
    seed: int
    """The run's `seed`. A frame should depend on it and the frame's index only, not on earlier random draws."""
    arguments: Mapping[str, Argument]
    """The run's `arguments` from the trigger file. They are untrusted input: validate them."""
    scratch: Path
    """An empty folder of this task, which is deleted when the task ends."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """The files that the operator's list gives the script, by name. Their hashes have been compared."""
