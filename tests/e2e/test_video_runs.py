"""Runs whose tasks decode the video, on the running system: the same video as from stored frames, without them."""

from pathlib import Path
from typing import Any

import pytest

from frame_tools.contracts.paths import RunPaths
from tests.support.clips import Clip, Tone, make_clip
from tests.support.system import RunningSystem, digest

FRAMES = 60


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 numbered frames with key frames, B frames and sound."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_clip(path, Clip(frames=FRAMES, size=(96, 64), audio=(Tone(seconds=2.4),)))


def painted(system: RunningSystem, film: Path, out: Path, *options: str) -> tuple[dict[str, Any], str]:
    """Paint with the command line; return the run's status, and the digest of the video."""
    argv = ("paint", str(film), "--name", out.stem, "-o", str(out), "--scorer", "copy", "--frames-per-batch", "13")
    done = system.command(*argv, "--temporal-smoothing", "0.5", *options)
    assert done.returncode == 0, done.stderr + system.log()
    run_id = next(row["run_id"] for row in system.api.runs() if row["name"] == out.stem)
    return system.wait(run_id), digest(out.read_bytes())


def stored(system: RunningSystem, run_id: str) -> set[str]:
    """Return the folders of a run in `work`."""
    prefix = f"{run_id}/"
    return {item.name.removeprefix(prefix).partition("/")[0] for item in system.storage.work.list(prefix)}


def test_run_from_a_video_gives_the_video_of_its_frames(system: RunningSystem, film: Path, tmp_path: Path) -> None:
    decoded, video = painted(system, film, tmp_path / "decoded.mp4")
    frames, same = painted(system, film, tmp_path / "stored.mp4", "--source", "frames", "--format", "png")
    assert video == same
    assert "frames" not in stored(system, decoded["run_id"])
    assert "frames" in stored(system, frames["run_id"])
    inputs = sorted(item.name for item in system.storage.input.list("decoded/"))
    assert inputs == ["decoded/audio.mp4", "decoded/film.mp4", "decoded/index.json"]


def test_video_without_an_index_is_indexed_by_a_task(system: RunningSystem, film: Path) -> None:
    system.user_storage.input.write("alone/film.mp4", film.read_bytes())
    """What a person does who drops a video and a trigger file into storage: no option about how it is read."""
    first = system.wait(system.start("alone", scorer="copy", frames_per_batch=20, video="film.mp4"))
    split = RunPaths(first["run_id"]).split_folder
    assert [item.name for item in system.storage.work.list(split)] == [f"{split}/audio.mp4"]
    assert "frames" not in stored(system, first["run_id"])
    child = system.post(f"runs/{first['run_id']}/resubmit").json()
    assert child["run_id"] == first["run_id"]
    again = system.wait(
        system.start(
            "again", scorer="copy", frames_per_batch=20, video="film.mp4", input="alone", source="frames",
            image_format="png",
        )
    )  # fmt: skip
    assert "frames" in stored(system, again["run_id"])
    assert digest(system.video(again)) == digest(system.video(first))
