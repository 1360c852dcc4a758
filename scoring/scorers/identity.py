"""The scorer `copy`: frames come back as they are. It proves the chain around it, and needs no torch."""

from frame_tools.contracts.choices import Makes
from scoring.types import FramePositions, Pictures, Prepared, RunInputs, Score


class IdentityScorer:
    """A scorer without a network; see `scoring.types.Scorer`."""

    makes: Makes = "pictures"
    in_order = False
    device = "cpu"
    frames_per_forward = 1

    def prepare(self, _run: RunInputs) -> Prepared:
        """Give nothing: there is nothing to know."""
        return {}

    def open(self, _run: RunInputs, _prepared: Prepared) -> Score:
        """Give the function that hands frames back."""
        return _unchanged


def _unchanged(frames: Pictures, _moments: FramePositions) -> Pictures:
    return frames
