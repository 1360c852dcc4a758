"""The scorer `copy` changes nothing and needs no torch; what a trigger may name, the registry can load."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from frame_tools.contracts.scorers import SCORERS
from scoring.scorers import registry
from scoring.scorers.identity import IdentityScorer
from tests.support.scorer_runs import moments, opened

WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
{code}
"""

COPY = """
import numpy as np
from scoring import image_codec
from scoring.scorers.identity import IdentityScorer
from scoring.types import FramePosition
picture = np.full((1, 5, 7, 3), 9, np.uint8)
assert IdentityScorer().open(None, {})(picture, (FramePosition(0, 0.0),)) is picture
"""


def run_without(names, code):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=names, code=code)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_frames_come_back_as_they_are(noise):
    frames = noise(2, 5, 7, 3)
    assert np.array_equal(opened(IdentityScorer())(frames, moments(2)), frames)


def test_copying_runs_where_torch_cannot_be_imported():
    result = run_without(["torch", "onnx", "azure"], COPY)
    assert result.returncode == 0, result.stderr


def test_absence_is_real():
    assert "ModuleNotFoundError: torch" in run_without(["torch"], "import scoring.scorers.any_painting.scorer").stderr


def test_scorers_import_no_azure():
    result = run_without(["azure"], "import scoring.scorers.any_painting.scorer, scoring.scorers.any_painting.convert")
    assert result.returncode == 0, result.stderr


def test_what_a_trigger_may_name_can_be_loaded():
    assert set(registry.LOADERS) == set(SCORERS)
