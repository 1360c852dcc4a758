"""The scorers that a trigger may name: what each needs, and how many frames a task should get."""

from dataclasses import dataclass
from typing import Final, Literal

StyleKind = Literal["painting", "tuned", "checkpoint"]
Makes = Literal["pictures", "records"]


@dataclass(frozen=True, kw_only=True)
class ScorerSpec:
    """What the planner must know of a scorer; the code itself lives in `scoring/` and is never imported here."""

    name: str
    styles: tuple[StyleKind, ...] = ()
    """Kinds of style file that it takes; none: it takes no style."""
    mixes: bool = False
    """Whether it takes several styles with weights, and styles that change with time."""
    program: bool = False
    """Whether it runs a program of the operator's list."""
    arguments: tuple[str, ...] | None = ()
    """Names that the word `arguments` may hold; None: whatever the program knows."""
    makes: Makes | None = "pictures"
    """None: the operator's list says it for each program."""
    frames_per_batch: int
    """Default batch: large enough that starting a task costs little beside it, small enough to lose little."""
    has_known_throughput: bool = True
    """Whether `frame_tools.costs.throughput` has an upper bound for its speed; if False, the duration is unknown."""
    steady: float = 0.0
    """Default weight of the frame before (`steady`): painters flicker, copies and programs are to stay as they are."""
    weights_sha256: str | None = None
    """Of the weight file that the node image must hold; None for a scorer without weights."""

    @property
    def needs_style(self) -> bool:
        """Whether a run must name a style."""
        return bool(self.styles)


ANY_WEIGHTS: Final = "c0ebb06d6c3523d77c51f58f5f192b6531828f8750ecd691bfc26047f68ca107"
VGG_WEIGHTS: Final = "dc670af338242dc17f8cc5f68388fa902dda6d5bfb30371320dad3a722bcd6d1"
PAINTERS_STEADY: Final = 0.7
"""Measured: docs/steadiness.md."""

SCORERS: Final = {
    spec.name: spec
    for spec in (
        ScorerSpec(
            name="any",
            styles=("painting", "tuned"),
            mixes=True,
            frames_per_batch=96,
            steady=PAINTERS_STEADY,
            weights_sha256=ANY_WEIGHTS,
        ),
        ScorerSpec(
            name="tuned",
            styles=("tuned",),
            mixes=True,
            frames_per_batch=96,
            steady=PAINTERS_STEADY,
            weights_sha256=ANY_WEIGHTS,
        ),
        ScorerSpec(name="johnson", styles=("checkpoint",), frames_per_batch=96, steady=PAINTERS_STEADY),
        ScorerSpec(
            name="gatys",
            styles=("painting",),
            arguments=("steps",),
            frames_per_batch=12,
            has_known_throughput=False,
            steady=PAINTERS_STEADY,
            weights_sha256=VGG_WEIGHTS,
        ),
        ScorerSpec(name="model", program=True, makes=None, frames_per_batch=48, has_known_throughput=False),
        ScorerSpec(
            name="script", program=True, arguments=None, makes=None, frames_per_batch=48, has_known_throughput=False
        ),
        ScorerSpec(name="look", makes="records", frames_per_batch=120, weights_sha256=ANY_WEIGHTS),
        ScorerSpec(name="copy", frames_per_batch=120),
    )
}
