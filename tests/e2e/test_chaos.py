"""A short slice of the campaign of random faults (`make chaos`)."""

from pathlib import Path

from tests.chaos.campaign import Limits, describe, run_campaign
from tests.chaos.faults import FAULTS
from tests.chaos.system import chaos_system

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
