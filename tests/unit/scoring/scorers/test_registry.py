"""Every scorer that a trigger file may name can be loaded."""

from frame_tools.contracts.scorers import SCORERS
from scoring.scorers.registry import LOADERS


def test_every_scorer_has_a_loader() -> None:
    assert set(LOADERS) == set(SCORERS)
