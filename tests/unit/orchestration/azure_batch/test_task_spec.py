"""The Batch task of a step."""

import datetime as dt

import pytest

from frame_tools.contracts.ids import BatchRange, Work
from frame_tools.storage.mode import MAX_FRAME_PIXELS, MAX_FRAMES, STORAGE_MODE
from frame_tools.telemetry import logs
from orchestration.azure_batch.task_spec import TaskSpec, task_spec
from orchestration.settings import Settings
from tests.support.world import World

RUN_ID = "clip-0123456789"


def test_task_environment_has_correlation_id_and_mode(world: World) -> None:
    def spec(settings: Settings, environment: dict[str, str]) -> TaskSpec:
        batch = BatchRange(3, 3)
        return task_spec(RUN_ID, batch, attempt=1, image="stub:2", settings=settings, environment=environment)

    task = spec(world.changed(max_frames=9, max_frame_pixels=8).app.settings, {"A": "b"})
    limits = {MAX_FRAMES: "9", MAX_FRAME_PIXELS: "8"}
    assert task.environment == {"A": "b", logs.CORRELATION_ID: RUN_ID, STORAGE_MODE: "sdk", **limits}
    assert (task.task_id, task.image, task.output_folder) == ("b00003", "stub:2", f"{RUN_ID}/b00003")
    assert spec(world.changed(storage_mode="mount").app.settings, {}).environment[STORAGE_MODE] == "mount"


@pytest.mark.parametrize(
    ("work", "command"),
    [
        (BatchRange(3, 3), f"python -m scoring run --run {RUN_ID} --batch 3"),
        (BatchRange(3, 7), f"python -m scoring run --run {RUN_ID} --batch 3 --last 7"),
        ("split", f"python -m scoring split --run {RUN_ID}"),
        ("join", f"python -m scoring join --run {RUN_ID}"),
    ],
)
def test_command_line_of_each_work(world: World, work: Work, command: str) -> None:
    spec = task_spec(RUN_ID, work, attempt=2, image="stub:1", settings=world.app.settings, environment={})
    assert (spec.command, spec.task_id.endswith("-2")) == (command, True)


@pytest.mark.parametrize(
    ("work", "minutes"),
    [("join", 60), (BatchRange(3, 3), 60), (BatchRange(3, 7), 300), (BatchRange(0, 999), 48 * 60)],
)
def test_time_limit_grows_with_the_batches(world: World, work: Work, minutes: int) -> None:
    """Up to the time limit of the run."""
    spec = task_spec(RUN_ID, work, attempt=1, image="stub:1", settings=world.app.settings, environment={})
    assert spec.limit == dt.timedelta(minutes=minutes)
