"""The identity scorer returns frames unchanged and needs neither torch nor Azure packages."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import scoring
from scoring.scorers.identity import IdentityScorer
from scoring.types import Pictures
from tests.support.scorer_runs import opened, positions

WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
{code}
"""

IDENTITY = """
import numpy as np
from scoring import image_codec
from scoring.scorers.identity import IdentityScorer
from scoring.types import FramePosition
picture = np.full((1, 5, 7, 3), 9, np.uint8)
assert IdentityScorer().open(None, {})(picture, (FramePosition(0, 0.0),)) is picture
"""


def run_without(names: list[str], code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in an interpreter that cannot import the packages `names`."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=names, code=code)],
        cwd=Path(scoring.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def test_frames_are_returned_unchanged(noise: Callable[..., Pictures]) -> None:
    frames = noise(2, 5, 7, 3)
    assert np.array_equal(opened(IdentityScorer())(frames, positions(2)), frames)


def test_identity_scorer_needs_no_torch() -> None:
    result = run_without(["torch", "onnx", "azure"], IDENTITY)
    assert result.returncode == 0, result.stderr


def test_blocked_packages_cannot_be_imported() -> None:
    assert "ModuleNotFoundError: torch" in run_without(["torch"], "import scoring.scorers.any_painting.scorer").stderr


def test_scorers_import_no_azure_packages() -> None:
    result = run_without(["azure"], "import scoring.scorers.any_painting.scorer, scoring.scorers.any_painting.convert")
    assert result.returncode == 0, result.stderr
