"""The scorer `copy`: returns frames unchanged. It tests the pipeline around it and needs no torch."""

from frame_tools.contracts.choices import Makes
from scoring.types import FramePositions, Pictures, Prepared, RunInputs, Score


class IdentityScorer:
    """A scorer without a network; see `scoring.types.Scorer`."""

    makes: Makes = "pictures"
    in_order: bool = False
    device: str = "cpu"
    frames_per_forward: int = 1

    def prepare(self, _run: RunInputs) -> Prepared:
        """Return an empty mapping."""
        return {}

    def open(self, _run: RunInputs, _prepared: Prepared) -> Score:
        """Return the function that returns frames unchanged."""
        return _identity


def _identity(frames: Pictures, _positions: FramePositions) -> Pictures:
    return frames
