"""What a program is told of the run it works for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from frame_tools.contracts.options import Argument


@dataclass(frozen=True, kw_only=True)
class ProgramContext:
    """Handed to a script's `load`; the same in every task of a run, but for the folder and perhaps the device."""

    device: str
    """Where to compute, as torch calls it: "cuda" or "cpu"."""
    seed: int
    """The run's `seed`. A frame should depend on it and the frame's index only, not on what was drawn before."""
    arguments: Mapping[str, Argument]
    """The run's `arguments`, as the trigger file gave them: from outside, so check them."""
    scratch: Path
    """An empty folder of this task, removed when it ends."""
