"""The scorers that a trigger can name: what each needs, and how many frames a batch has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts.choices import Makes, StrokeName, StyleKind


@dataclass(frozen=True, kw_only=True)
class ScorerSpec:
    """What the planner needs to know of a scorer. The scorer's code is in `scoring/` and is never imported here."""

    name: str
    styles: tuple[StyleKind, ...] = ()
    """Kinds of style file that it accepts; empty if it takes no style."""
    mixes: bool = False
    """Whether it accepts several styles with weights, and styles that change over time."""
    tunes: bool = False
    """Whether its paintings can be tuned before the first frame (option `tune`)."""
    program: bool = False
    """Whether it runs a program from the operator's list."""
    arguments: tuple[str, ...] | None = ()
    """Valid names in the option `arguments`; None: the program decides."""
    makes: Makes | None = "pictures"
    """None: the operator's list gives it for each program."""
    frames_per_batch: int
    """Default batch size: small enough to lose little on a failure; a task takes several batches."""
    has_known_throughput: bool = True
    """Whether `frame_tools.costs.throughput` bounds its seconds per frame; if False, the run's duration is unknown."""
    temporal_smoothing: float = 0.0
    """Default of the option: style scorers flicker; copies and programs stay unchanged."""
    strokes: StrokeName | None = None
    """Default of the option; None: frames are scored at the video's own size."""
    calm: float | None = None
    """Default of the option; None: the scorer has no such option."""
    weights_sha256: str | None = None
    """SHA-256 of the weight file that the node image must contain; None for a scorer without weights."""

    @property
    def needs_style(self) -> bool:
        """Whether a run must name a style."""
        return bool(self.styles)


ANY_WEIGHTS: Final = "fd51e33686c4eaede77c267ccf2cb7afdf77578395d38bf3e59eca3a8697a4ff"
VGG_WEIGHTS: Final = "dc670af338242dc17f8cc5f68388fa902dda6d5bfb30371320dad3a722bcd6d1"
STYLE_SMOOTHING: Final = 0.7
"""Measured: docs/steadiness.md."""
RENAMED_SCORERS: Final[Mapping[str, str]] = {"look": "describe"}
"""Names that scorers had in earlier versions, which stored plans, trigger files and scripts still use, and today's."""

SCORERS: Final = {
    spec.name: spec
    for spec in (
        ScorerSpec(
            name="any",
            styles=("painting", "tuned"),
            mixes=True,
            tunes=True,
            frames_per_batch=96,
            temporal_smoothing=STYLE_SMOOTHING,
            strokes="medium",
            calm=0.5,
            weights_sha256=ANY_WEIGHTS,
        ),
        ScorerSpec(
            name="tuned",
            styles=("tuned",),
            mixes=True,
            frames_per_batch=96,
            temporal_smoothing=STYLE_SMOOTHING,
            strokes="medium",
            calm=0.5,
            weights_sha256=ANY_WEIGHTS,
        ),
        ScorerSpec(name="johnson", styles=("checkpoint",), frames_per_batch=96, temporal_smoothing=STYLE_SMOOTHING),
        ScorerSpec(
            name="gatys",
            styles=("painting",),
            arguments=("steps",),
            frames_per_batch=12,
            has_known_throughput=False,
            temporal_smoothing=STYLE_SMOOTHING,
            weights_sha256=VGG_WEIGHTS,
        ),
        ScorerSpec(name="model", program=True, makes=None, frames_per_batch=48, has_known_throughput=False),
        ScorerSpec(
            name="script", program=True, arguments=None, makes=None, frames_per_batch=48, has_known_throughput=False
        ),
        ScorerSpec(name="describe", makes="records", frames_per_batch=120, weights_sha256=ANY_WEIGHTS),
        ScorerSpec(name="copy", frames_per_batch=120),
    )
}
