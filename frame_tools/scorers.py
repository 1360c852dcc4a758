"""The scorers that a trigger may name: what each needs, and how many frames a task should get."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class ScorerSpec:
    """What the planner must know of a scorer; the code itself lives in `scoring/` and is never imported here."""

    name: str
    needs_style: bool
    frames_per_batch: int
    """Default batch: large enough that starting a task costs little beside it, small enough to lose little."""
    weights_sha256: str | None
    """Of the weight file that the node image must hold; None for a scorer without weights."""


SCORERS: Final = {
    spec.name: spec
    for spec in (
        ScorerSpec(
            name="any",
            needs_style=True,
            frames_per_batch=48,
            weights_sha256="8b93f11122775803a5de6c0d6f1886f912478f10285053ed8de5f385ebf84476",
        ),
        ScorerSpec(name="copy", needs_style=False, frames_per_batch=120, weights_sha256=None),
    )
}
