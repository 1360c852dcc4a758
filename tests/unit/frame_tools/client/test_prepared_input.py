"""What `paint` uploads: the video, its index and its sound, or the frames of a split."""

from pathlib import Path
from typing import Any

import pytest

from frame_tools.client.painting import INDEX_FILE, Painting, video_fields
from frame_tools.client.prepared_input import prepare_input
from frame_tools.contracts.choices import FrameOrigin
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.trigger import Trigger
from frame_tools.contracts.video_index import OBSTACLES
from frame_tools.media import video_indexing
from frame_tools.storage.deployment import DataStorage
from tests.support.clips import Clip, Tone, make_clip
from tests.support.memory_world import InMemoryCloud

SOUND = (Tone(seconds=1),)


@pytest.fixture
def storage() -> DataStorage:
    """An account in memory."""
    whole = InMemoryCloud().world().storage
    return DataStorage(input=whole.input, triggers=whole.triggers, output=whole.output)


def painting_of(video: Path, source: FrameOrigin | None = None, **options: Any) -> Painting:
    fields = {"scorer": "copy", "frames_per_batch": 10, **video_fields(video, source), **options}
    return Painting(
        video=video, out=video.with_name("out.mp4"), trigger=Trigger(**fields), extras={}, folder="c", name="c"
    )


def uploaded(storage: DataStorage, painting: Painting, folder: Path) -> tuple[list[str], Trigger]:
    """Prepare, upload and start; return the names in `input`, and the trigger."""
    prepared = prepare_input(painting, folder)
    prepared.upload(storage, name="c", extras={})
    completed = prepared.completed(painting)
    completed.start(storage)
    names = sorted(item.name.removeprefix("c/") for item in storage.input.list("c/"))
    return names, Trigger.parse_input(storage.triggers.need("c.json").data, "trigger")


def test_video_index_and_sound_are_sent(storage: DataStorage, tmp_path: Path) -> None:
    video = make_clip(tmp_path / "a b.mp4", Clip(frames=60, audio=SOUND))
    names, trigger = uploaded(storage, painting_of(video), tmp_path / "scratch")
    assert names == ["a b.mp4", "audio.mp4", INDEX_FILE]
    assert (trigger.video, trigger.index, trigger.source) == ("a b.mp4", INDEX_FILE, "video")
    assert storage.input.need("c/a b.mp4").data == video.read_bytes()
    manifest = Manifest.parse_input(storage.input.need(f"c/{INDEX_FILE}").data)
    assert manifest.index is not None
    assert not list((tmp_path / "scratch").glob("frames/*"))


def test_frames_are_sent_on_request(storage: DataStorage, tmp_path: Path) -> None:
    video = make_clip(tmp_path / "a.mp4", Clip(frames=3, audio=SOUND))
    names, trigger = uploaded(storage, painting_of(video, "frames"), tmp_path / "scratch")
    assert names == ["audio.mp4", "frames/000001.jpg", "frames/000002.jpg", "frames/000003.jpg", "manifest.json"]
    assert (trigger.video, trigger.index, trigger.source) == (None, None, "frames")


def test_video_that_tasks_cannot_decode_in_parts_is_split(storage: DataStorage, tmp_path: Path) -> None:
    video = make_clip(tmp_path / "a.ts", Clip(frames=30))
    painting = painting_of(video, frames_per_batch=2)
    names, trigger = uploaded(storage, painting, tmp_path / "scratch")
    assert len(names) == 31
    assert (trigger.video, trigger.index, trigger.source) == (None, None, "frames")
    manifest = Manifest.parse_input(storage.input.need("c/manifest.json").data)
    assert OBSTACLES["format"] in manifest.notes[-1]


def test_video_named_like_a_file_beside_it_gets_another_name(storage: DataStorage, tmp_path: Path) -> None:
    video = make_clip(tmp_path / "audio.mp4", Clip(frames=30, audio=SOUND))
    names, trigger = uploaded(storage, painting_of(video), tmp_path / "scratch")
    assert names == ["audio.mp4", INDEX_FILE, "video_audio.mp4"]
    assert trigger.video == "video_audio.mp4"
    assert storage.input.need("c/video_audio.mp4").data == video.read_bytes()


def test_complete_index_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = make_clip(tmp_path / "a.mp4", Clip(frames=30, audio=SOUND))
    prepared = prepare_input(painting_of(video), tmp_path / "scratch")
    with monkeypatch.context() as patch:
        patch.delattr(video_indexing, "read_whole_video")
        assert prepare_input(painting_of(video), tmp_path / "scratch") == prepared
    (tmp_path / "scratch" / "audio.mp4").unlink()
    assert prepare_input(painting_of(video), tmp_path / "scratch").manifest == prepared.manifest
    assert (tmp_path / "scratch" / "audio.mp4").is_file()
    split = prepare_input(painting_of(video, "frames"), tmp_path / "scratch")
    assert split.manifest == replace_index(prepared.manifest)


def replace_index(manifest: Manifest) -> Manifest:
    return manifest.model_copy(update={"index": None})
