"""The scorer `copy` changes nothing and needs no torch; unknown names are answered with the known ones."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from frame_tools.errors import InputError
from frame_tools.scorers import SCORERS
from scoring import registry

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
from pathlib import Path
from scoring import frames, registry, stream
score = registry.load("copy", Path()).prepare(None)
picture = np.full((5, 7, 3), 9, np.uint8)
outlets = stream.Outlets(lambda index, name, data: data)
stored = stream.run([(0, "a", lambda: frames.encode_png(picture))], score, outlets)
assert stored == (frames.encode_jpeg(picture),)
"""


def run_without(names, code):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=names, code=code)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_frames_come_back_as_they_are(noise, tmp_path):
    frames = noise(2, 5, 7, 3)
    scorer = registry.load("copy", tmp_path)
    assert np.array_equal(scorer.prepare(scorer.style_vector(frames[0]), strength=0.5)(frames), frames)


def test_copying_runs_where_torch_cannot_be_imported():
    result = run_without(["torch", "onnx", "azure"], COPY)
    assert result.returncode == 0, result.stderr


def test_absence_is_real():
    assert "ModuleNotFoundError: torch" in run_without(["torch"], "import scoring.stylize").stderr


def test_scorers_import_no_azure():
    result = run_without(["azure"], "import scoring.stylize, scoring.any_painting.convert")
    assert result.returncode == 0, result.stderr


def test_an_unknown_scorer_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="any, copy"):
        registry.load("oil", tmp_path)


def test_what_a_trigger_may_name_can_be_loaded():
    assert set(registry.LOADERS) == set(SCORERS)
