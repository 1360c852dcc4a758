"""What a run from a video costs on the data account: operations that do not grow with the number of frames."""

from pathlib import Path

from frame_tools.client.painting import Painting, video_fields
from frame_tools.client.prepared_input import prepare_input
from frame_tools.contracts import paths
from frame_tools.contracts.choices import FrameOrigin
from frame_tools.contracts.trigger import Trigger
from frame_tools.storage.deployment import DataStorage
from orchestration.app import App
from tests.scale.open_runs import count_operations
from tests.support.clips import Clip, Tone, make_clip
from tests.support.in_memory_host import InMemoryHost
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World

SHORT, LONG = 30, 150
DATA_ACCOUNT = (paths.INPUT, paths.WORK, paths.OUTPUT, paths.TRIGGERS)


def painting_of(folder: Path, frames: int, source: FrameOrigin) -> Painting:
    """Return a painting in one batch of a clip with sound."""
    video = make_clip(folder / "clip.mp4", Clip(frames=frames, audio=(Tone(seconds=1),)))
    fields = {"scorer": "copy", "frames_per_batch": frames, **video_fields(video, source)}
    return Painting(
        video=video, out=folder / "out.mp4", trigger=Trigger(**fields), extras={}, folder="clip", name="clip"
    )


def operations(folder: Path, frames: int, source: FrameOrigin) -> int:
    """Paint a clip, and return the operations on the data account, from the upload to the report."""
    folder.mkdir()
    world = InMemoryCloud().world()
    painting = painting_of(folder, frames, source)
    prepared = prepare_input(painting, folder / "prepared")

    def paint(app: App) -> None:
        storage = DataStorage(input=app.storage.input, triggers=app.storage.triggers, output=app.storage.output)
        prepared.upload(storage, name="clip", extras={})
        counted = World(app)
        prepared.completed(painting).start(storage)
        run_id = counted.fire_trigger("clip.json")
        assert counted.finish(run_id) == "finished"

    counts = count_operations(world.app, paint).by_resource
    return sum(count for name, count in counts.items() if name.partition("/")[0] in DATA_ACCOUNT)


def test_operations_on_data_do_not_grow_with_the_frames(tmp_path: Path) -> None:
    assert operations(tmp_path / "long", LONG, "video") == operations(tmp_path / "short", SHORT, "video") < 40


def operations_of_video_alone(folder: Path, frames: int) -> tuple[int, int]:
    """Paint a clip that was uploaded without an index; return the operations on the data account, and all of them."""
    folder.mkdir()
    cloud = InMemoryCloud()
    world = cloud.world()
    video = make_clip(folder / "clip.mp4", Clip(frames=frames, audio=(Tone(seconds=1),)))

    def paint(app: App) -> None:
        host = InMemoryHost(cloud, World(app))
        host.world.upload_files("clip", {"clip.mp4": video.read_bytes()})
        trigger = host.world.upload_trigger("clip", video="clip.mp4", frames_per_batch=frames)
        assert host.play_until_end(host.world.fire_trigger(trigger)).status == "finished"

    counted = count_operations(world.app, paint)
    counts = counted.by_resource
    data = sum(count for name, count in counts.items() if name.partition("/")[0] in DATA_ACCOUNT)
    return data, counted.total


def test_operations_of_a_video_without_an_index_do_not_grow_with_the_frames(tmp_path: Path) -> None:
    """The task that makes the index reads the video once, and writes the sound; all else is as with an index."""
    long = operations_of_video_alone(tmp_path / "long", LONG)
    assert long == operations_of_video_alone(tmp_path / "short", SHORT)
    assert long[0] < 40


def test_stored_frames_cost_operations_each(tmp_path: Path) -> None:
    """What the other way costs: each frame is written and read, and so is the painted one."""
    grown = operations(tmp_path / "long", LONG, "frames") - operations(tmp_path / "short", SHORT, "frames")
    assert grown >= 3 * (LONG - SHORT)
