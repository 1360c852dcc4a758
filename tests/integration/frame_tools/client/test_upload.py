"""`upload` sends what is missing, verifies that it arrived, and starts the run."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from frame_tools.client.upload import extra_files, put_trigger, upload, upload_video
from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.trigger import Trigger
from frame_tools.media.split import split
from frame_tools.storage.blobs import Container
from frame_tools.storage.deployment import DataStorage
from tests.support.clips import Clip, Tone, make_clip

FRAMES = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A split clip with audio."""
    video = make_clip(tmp_path / "clip.mp4", Clip(frames=FRAMES, audio=(Tone(seconds=0.3),)))
    split(video, tmp_path / "split")
    return tmp_path / "split"


@pytest.fixture
def style(tmp_path: Path) -> Path:
    path = tmp_path / "starry night.png"
    Image.new("RGB", (20, 16), "orange").save(path)
    return path


def frame_file(folder: Path, number: int) -> Path:
    return folder / "frames" / f"{number:06d}.jpg"


def stored(storage: DataStorage, name: str) -> dict[str, str]:
    """Return the ETags of the run's blobs by relative name; an ETag changes with every write."""
    prefix = paths.input_blob(name, "")
    return {item.name.removeprefix(prefix): item.etag for item in storage.input.list(prefix)}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {relative for relative, etag in after.items() if before.get(relative) != etag}


def test_folder_and_style_arrive_completely(storage: DataStorage, folder: Path, style: Path, name: str) -> None:
    calls: list[tuple[int, int]] = []
    extras = extra_files([style])
    result = upload(folder, name=name, storage=storage, extras=extras, progress=lambda *at: calls.append(at))
    local = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    local[style.name] = style
    assert set(local) >= {"manifest.json", "audio.mp4", "frames/000001.jpg", f"frames/{FRAMES:06d}.jpg"}
    assert set(stored(storage, name)) == set(local)
    for relative, path in local.items():
        assert storage.input.need(paths.input_blob(name, relative)).data == path.read_bytes()
    assert (result.files, result.sent) == (len(local), len(local))
    assert calls == [(number, len(local)) for number in range(1, len(local) + 1)]


def test_second_upload_sends_nothing(storage: DataStorage, folder: Path, style: Path, name: str) -> None:
    first = upload(folder, name=name, storage=storage, extras=extra_files([style]))
    before = stored(storage, name)
    again = upload(folder, name=name, storage=storage, extras=extra_files([style]))
    assert (again.files, again.sent) == (first.files, 0)
    assert stored(storage, name) == before


def test_changed_frame_alone_is_sent_again(storage: DataStorage, folder: Path, name: str) -> None:
    upload(folder, name=name, storage=storage)
    before = stored(storage, name)
    path = frame_file(folder, 3)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1  # same size, so that only the MD5 differs
    path.write_bytes(data)
    assert upload(folder, name=name, storage=storage).sent == 1
    assert changed(before, stored(storage, name)) == {"frames/000003.jpg"}
    assert storage.input.need(paths.input_blob(name, "frames/000003.jpg")).data == data


def test_deleted_frame_alone_is_sent_again(storage: DataStorage, folder: Path, name: str) -> None:
    upload(folder, name=name, storage=storage)
    before = stored(storage, name)
    storage.input.delete(paths.input_blob(name, "frames/000002.jpg"))
    assert upload(folder, name=name, storage=storage).sent == 1
    assert changed(before, stored(storage, name)) == {"frames/000002.jpg"}


def test_frames_of_another_video_are_rejected(storage: DataStorage, folder: Path, name: str) -> None:
    storage.input.write(paths.input_blob(name, "frames/000007.jpg"), b"of a longer video")
    with pytest.raises(InputError, match="--name") as caught:
        upload(folder, name=name, storage=storage)
    assert "000007.jpg" in caught.value.what
    assert set(stored(storage, name)) == {"frames/000007.jpg"}, "nothing was sent"


def test_run_with_common_name_prefix_is_ignored(storage: DataStorage, folder: Path, name: str) -> None:
    storage.input.write(paths.input_blob(f"{name} two", "frames/000099.jpg"), b"of another run")
    assert upload(folder, name=name, storage=storage).sent == FRAMES + 2


@pytest.mark.parametrize("lost", ["frames/000004.jpg", "audio.mp4", "manifest.json"])
def test_file_missing_on_disk_is_named(storage: DataStorage, folder: Path, name: str, lost: str) -> None:
    (folder / lost).unlink()
    with pytest.raises(MissingError, match=lost.rsplit("/", 1)[-1]):
        upload(folder, name=name, storage=storage)
    assert stored(storage, name) == {}


def test_missing_style_is_named(storage: DataStorage, folder: Path, name: str) -> None:
    with pytest.raises(MissingError, match=r"nowhere\.jpg"):
        extra_files([folder / "nowhere.jpg"])
    assert stored(storage, name) == {}


class LossyContainer(Container):
    """A container that silently loses or truncates one file."""

    lost: str
    keeps = 0

    def upload_file(self, name: str, path: Path) -> None:
        if not name.endswith(self.lost):
            super().upload_file(name, path)
        elif self.keeps:
            self.write(name, path.read_bytes()[: self.keeps])


def lossy(storage: DataStorage, lost: str, *, keeps: int = 0) -> DataStorage:
    assert isinstance(storage.input, Container)
    container = LossyContainer(storage.input._client)
    container.lost, container.keeps = lost, keeps
    return replace(storage, input=container)


@pytest.mark.parametrize("keeps", [0, 10])
def test_lost_file_is_named_and_sent_by_the_next_upload(
    storage: DataStorage, folder: Path, name: str, keeps: int
) -> None:
    with pytest.raises(TemporaryError, match=r"frames/000005\.jpg") as caught:
        upload(folder, name=name, storage=lossy(storage, "000005.jpg", keeps=keeps))
    assert "again" in caught.value.remedy
    assert upload(folder, name=name, storage=storage).sent == 1


def test_video_and_style_are_sent_once(storage: DataStorage, folder: Path, style: Path, name: str) -> None:
    video = folder.parent / "clip.mp4"
    assert upload_video(video, name=name, storage=storage, extras=extra_files([style])).sent == 2
    before = stored(storage, name)
    assert set(before) == {"clip.mp4", style.name}
    assert upload_video(video, name=name, storage=storage, extras=extra_files([style])).sent == 0
    assert stored(storage, name) == before
    with pytest.raises(TemporaryError, match=r"clip\.mp4"):
        upload_video(video, name=f"{name} lost", storage=lossy(storage, "clip.mp4"))


def test_put_trigger_returns_the_run_id(storage: DataStorage, name: str) -> None:
    trigger = Trigger(scorer="copy", frames_per_batch=2)
    first = put_trigger(storage, name=name, trigger=trigger)
    blob = storage.triggers.need(f"{name}.json")
    assert first == ids.run_id_for(f"{name}.json", blob.etag)
    assert Trigger.parse_input(blob.data, "trigger") == trigger
    second = put_trigger(storage, name=name, trigger=trigger)
    assert second == ids.run_id_for(f"{name}.json", storage.triggers.need(f"{name}.json").etag)
    assert second != first, "writing the same trigger again starts a new run"


def test_put_trigger_rejects_path_in_name(storage: DataStorage) -> None:
    with pytest.raises(InputError, match="run's name"):
        put_trigger(storage, name="../input/clip", trigger=Trigger(scorer="copy"))
