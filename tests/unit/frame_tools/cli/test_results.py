"""`get` and `redo` write a run's result with the files beside it, also where this machine never had the original."""

import json
from pathlib import Path

import av
import pytest

from frame_tools.client.comparison import painted_images
from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.messages import BatchMessage
from tests.support.cli import run, run_failing
from tests.support.clips import Clip, make_clip, read_number
from tests.support.fake_node import split
from tests.support.in_process_app import InProcessConnection, connection
from tests.support.world import painting

BESIDE = ("--compare", "side", "--gif", "--report")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> InProcessConnection:
    app = connection()
    for module in ("get", "redo"):
        monkeypatch.setattr(f"frame_tools.cli.{module}.connect", lambda *_arguments: app)
    monkeypatch.setattr("frame_tools.client.polling.poll_pause", lambda _elapsed: 0)
    return app


def finished(cloud: InProcessConnection, frames: int = 5) -> str:
    run_id = cloud.world.start("clip", frames)
    assert cloud.world.finish(run_id) == "finished"
    return run_id


@pytest.mark.parametrize("has_manifest", [True, False])
def test_get_writes_the_files_beside_the_video(cloud: InProcessConnection, has_manifest: bool) -> None:
    run_id = finished(cloud)
    if not has_manifest:
        cloud.world.storage.input.delete("clip/manifest.json")
    result = run("get", run_id, "new/out.mp4", *BESIDE)
    assert result.exit_code == ExitCode.OK, result.output
    written = ["new/out.mp4", "new/out_side.mp4", "new/out.gif", "new/out_report"]
    assert result.stdout.splitlines() == written
    ((left, *_),) = [[image.crop((0, 0, image.width // 2, image.height)) for image in painted_images(Path(written[1]))]]
    assert read_number(left) == 0
    assert (Path(written[3]) / "report.html").is_file()


def test_get_splits_a_video_that_the_cloud_split(cloud: InProcessConnection, tmp_path: Path) -> None:
    world = cloud.world
    run_id = world.fire_trigger(world.upload_video())
    world.deliver_messages()
    split(world.storage, run_id, 4)
    world.storage.finished_batches.send(BatchMessage(run_id=run_id, batch="split"))
    world.deliver_messages()
    assert world.finish(run_id) == "finished"
    frames = world.frame_count(run_id)
    clip = make_clip(tmp_path / "clip.mp4", Clip(frames=frames))
    world.storage.input.write("video/video.mp4", clip.read_bytes())
    assert run("get", run_id, "out.mp4", "--compare", "wipe").exit_code == ExitCode.OK
    with av.open("out_wipe.mp4") as video:
        assert len(list(video.decode(video=0))) == frames


def test_get_says_which_input_is_gone(cloud: InProcessConnection) -> None:
    run_id = finished(cloud)
    cloud.world.storage.input.delete("clip/frames/000003.jpg")
    error = run_failing(ExitCode.INPUT, "get", run_id, "out.mp4", "--compare", "side")
    assert "4 frames" in error
    assert "--compare" in error


def test_redo_follows_and_downloads(cloud: InProcessConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = finished(cloud)
    monkeypatch.setattr(type(cloud.client), "post", lambda _api, _path, _body="": {"run_id": run_id})
    result = run("redo", run_id, "-o", "again.mp4", *BESIDE)
    assert (result.exit_code, result.stdout) == (ExitCode.OK, f"{run_id}\n"), result.output
    assert {path.name for path in Path().iterdir()} == {"again.mp4", "again_side.mp4", "again.gif", "again_report"}


def test_redo_checks_names_before_it_starts(cloud: InProcessConnection) -> None:
    run_id = finished(cloud)
    Path("again.mp4").write_bytes(b"mine")
    assert "again.mp4" in run_failing(ExitCode.INPUT, "redo", run_id, "-o", "again.mp4")
    other = "other-0123456789"
    assert "2 results" in run_failing(ExitCode.INPUT, "redo", run_id, other, "-o", "both.mp4")


def test_redo_with_another_painting_uploads_the_painting_only(cloud: InProcessConnection) -> None:
    run_id = finished(cloud)
    Path("the wave.png").write_bytes(painting())
    before = {item.name for item in cloud.world.storage.input.list("")}
    result = run("redo", run_id, "-s", "the wave.png", "--scorer", "any", "--strength", "80%", "--json")
    assert result.exit_code == ExitCode.OK, result.output
    new = json.loads(result.stdout)["run_id"]
    assert new != run_id
    assert {item.name for item in cloud.world.storage.input.list("")} - before == {"clip/the wave.png"}
    assert cloud.world.storage.triggers.read("clip by_the wave.json") is not None
    cloud.client.status(new)
    request = cloud.request(new)
    assert (request.input, request.style, request.strength) == ("clip", "the wave.png", 0.8)


def test_redo_with_a_painting_names_what_is_wrong(cloud: InProcessConnection) -> None:
    run_id = finished(cloud)
    Path("wave.png").write_bytes(painting())
    assert "nowhere.png" in run_failing(ExitCode.MISSING, "redo", run_id, "-s", "nowhere.png")
    assert "0,1" in run_failing(ExitCode.INPUT, "redo", run_id, "-s", "wave.png", "--which", "0,1")
    assert "strength" in run_failing(ExitCode.INPUT, "redo", run_id, "-s", "wave.png", "--strength", 3)
    assert [item.name for item in cloud.world.storage.triggers.list("")] == ["clip.json"]
