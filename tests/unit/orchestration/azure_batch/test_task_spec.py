"""The Batch task of a step."""

from frame_tools.storage.mode import STORAGE_MODE
from frame_tools.telemetry import logs
from orchestration.azure_batch.task_spec import task_spec
from tests.support.world import World


def test_task_environment_has_correlation_id_and_mode(world: World) -> None:
    spec = task_spec("clip-0123456789", 3, attempt=1, settings=world.app.settings, environment={"A": "b"})
    assert spec.environment == {"A": "b", logs.CORRELATION_ID: "clip-0123456789", "STORAGE_MODE": "sdk"}
    mounting = world.changed(storage_mode="mount").app.settings
    assert (
        task_spec("clip-0123456789", 3, attempt=1, settings=mounting, environment={}).environment[STORAGE_MODE]
        == "mount"
    )
