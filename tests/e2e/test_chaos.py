"""A short slice of the campaign of random faults (`make chaos`)."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.chaos.campaign import Limits, describe, run_campaign
from tests.chaos.faults import FAULTS
from tests.chaos.invariants import problem_with_end
from tests.chaos.system import Excuse, Run, chaos_system
from tests.support.system import digest

SEED = 20
# Under the others, a run may need a remedy before it finishes, which takes longer.
KINDS = tuple(
    name for name in FAULTS if not name.startswith(("document_", "frame_", "sound_", "uploaded_", "trigger_"))
)


def test_runs_survive_random_faults(tmp_path: Path) -> None:
    limits = Limits(faults=12, seconds=60, runs_per_round=2, faults_per_round=12, kinds=KINDS)
    with chaos_system(tmp_path, SEED) as system:
        result = run_campaign(system, SEED, limits)
    assert result.faults.total() == limits.faults
    assert not result.violations, describe(result, SEED)


def test_untrue_ends_are_violations() -> None:
    output = SimpleNamespace(read=lambda name: None if name == "none" else SimpleNamespace(data=name.encode()))
    system: Any = SimpleNamespace(expected=digest(b"right"), direct=SimpleNamespace(output=output))

    def problem(run: Run, **status: str) -> str | None:
        return problem_with_end(system, run, status)

    run = Run("name", "name-0123456789")
    assert problem(run, status="finished", video="output/right") is None
    assert problem(run, status="finished", video="output/other") == "finished with another video"
    assert problem(run, status="finished", video="output/none") == "finished without a video"
    assert problem(run, status="cancelled") == "cancelled by nobody"
    assert problem(run, status="scoring") == "has not ended"
    assert problem(run, status="failed", reason="The disk is full") is not None
    run.excuses.append(Excuse("filled the disk", ("disk",)))
    assert problem(run, status="failed", reason="The disk is full") is None
    assert problem(run, status="failed", reason="Something broke") is not None
