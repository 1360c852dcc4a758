"""Contract of both frame sources, blobs and mounted folders; links and special files are rejected."""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InputError, InternalError, NextStep, TemporaryError
from frame_tools.contracts.plan import BlobRef
from frame_tools.storage.deployment import Storage
from frame_tools.storage.mode import MOUNTS
from local_cloud.cloud import Cloud
from scoring.pipeline import frame_source
from scoring.pipeline.frame_source import MOUNTS_FOLDER, FrameSource, MountedFrames, open_frames
from tests.support.world import create_storage

_numbers = itertools.count(1)
REF = BlobRef(container="input", name="clip/frames/")
SECRET = b"not a frame"


@dataclass(frozen=True)
class FrameStore:
    """Frames in one mode, and how a user uploads one."""

    storage: Storage
    environ: dict[str, str]
    put: Callable[[str, bytes], None]

    def open(self, ref: BlobRef = REF) -> FrameSource:
        return open_frames(self.environ, self.storage, ref)


@pytest.fixture(params=["sdk", "mount", "not set"])
def frame_store(request: pytest.FixtureRequest, emulators: Cloud, tmp_path: Path) -> FrameStore:
    storage = create_storage(dict(emulators.settings), f"frames{next(_numbers)}")
    for container in MOUNTS:
        (tmp_path / "fsmounts" / container).mkdir(parents=True)

    def put_blob(name: str, data: bytes) -> None:
        storage.input.write(name, data)

    def put_file(name: str, data: bytes) -> None:
        file = tmp_path / "fsmounts" / "input" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    environ = {"STORAGE_MODE": request.param, MOUNTS_FOLDER: str(tmp_path / "fsmounts")}
    if request.param == "not set":
        del environ["STORAGE_MODE"]
    return FrameStore(storage, environ, put_file if request.param == "mount" else put_blob)


# Both sources.


def test_read_returns_current_bytes(frame_store: FrameStore) -> None:
    frame_store.put("clip/frames/000001.jpg", b"one")
    frames = frame_store.open()
    assert frames.read("000001.jpg") == b"one"
    frame_store.put("clip/frames/000001.jpg", b"another")
    assert frames.read("000001.jpg") == b"another"


@pytest.mark.parametrize(
    "name", ["größe 1.jpg", "-1.jpg", ".1.jpg", "a..1.jpg", "sun & sea: 1?.jpg", "1%2F2.jpg", " 1.jpg"]
)
def test_read_finds_every_valid_name(frame_store: FrameStore, name: str) -> None:
    frame_store.put(f"Grün & co/Bilder (1)/{name}", b"one")
    assert frame_store.open(BlobRef(container="input", name="Grün & co/Bilder (1)/")).read(name) == b"one"


def test_empty_file_has_no_bytes(frame_store: FrameStore) -> None:
    frame_store.put("clip/frames/000001.jpg", b"")
    assert frame_store.open().read("000001.jpg") == b""


def test_missing_frame_is_an_input_error(frame_store: FrameStore) -> None:
    frame_store.put("clip/frames/000001.jpg", b"one")
    with pytest.raises(InputError) as error:
        frame_store.open().read("000002.jpg")
    assert "'000002.jpg'" in error.value.what
    assert error.value.next_step is NextStep.RESUBMIT


@pytest.mark.parametrize(
    "name", ["../secret", "..", ".", "", "/etc/hostname", "a/../../secret", "frames/000001.jpg", "a\\b", "a\0b"]
)
def test_name_cannot_leave_the_folder(frame_store: FrameStore, name: str) -> None:
    frame_store.put("secret", SECRET)
    frame_store.put("clip/secret", SECRET)
    frame_store.put("clip/frames/frames/000001.jpg", SECRET)
    with pytest.raises(InputError):
        frame_store.open().read(name)


def test_oversized_frame_is_rejected(frame_store: FrameStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_source, "MAX_FRAME_BYTES", 8)
    frame_store.put("clip/frames/000001.jpg", b"12345678")
    frame_store.put("clip/frames/000002.jpg", b"123456789")
    assert frame_store.open().read("000001.jpg") == b"12345678"
    with pytest.raises(InputError, match="more than 8 bytes"):
        frame_store.open().read("000002.jpg")


# Mounted folders only.


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    folder = tmp_path / "mounts"
    (folder / "input" / "clip" / "frames").mkdir(parents=True)
    (folder / "work").mkdir()
    (tmp_path / "secret").write_bytes(SECRET)
    (folder / "work" / "000001.jpg").write_bytes(SECRET)
    return folder


@pytest.fixture(scope="module")
def storage(emulators: Cloud) -> Storage:
    return create_storage(dict(emulators.settings), f"mounted{next(_numbers)}")


def mounted(storage: Storage, mounts: Path, name: str = REF.name) -> FrameSource:
    environ = {"STORAGE_MODE": "mount", MOUNTS_FOLDER: str(mounts)}
    return open_frames(environ, storage, BlobRef(container="input", name=name))


@pytest.mark.parametrize("target", ["{mounts}/../secret", "../../../../secret", "/etc/hostname", "here.jpg", "nowhere"])
def test_link_is_not_followed(storage: Storage, mounts: Path, target: str) -> None:
    frames = mounts / "input" / "clip" / "frames"
    (frames / "here.jpg").write_bytes(b"a frame")
    (frames / "000001.jpg").symlink_to(target.format(mounts=mounts))
    with pytest.raises(InputError, match=r"000001\.jpg.*link"):
        mounted(storage, mounts).read("000001.jpg")


@pytest.mark.parametrize("link", ["clip", "clip/frames"])
def test_linked_folder_is_not_followed(storage: Storage, mounts: Path, link: str) -> None:
    (mounts / "input" / "clip" / "frames").rmdir()
    if link == "clip":
        (mounts / "input" / "clip").rmdir()
        (mounts / "work" / "frames").mkdir()
        (mounts / "work" / "frames" / "000001.jpg").write_bytes(SECRET)
    (mounts / "input" / link).symlink_to(mounts / "work", target_is_directory=True)
    with pytest.raises(InputError, match=r"000001\.jpg.*link"):
        mounted(storage, mounts).read("000001.jpg")


def test_pipes_and_folders_are_rejected_without_waiting(storage: Storage, mounts: Path) -> None:
    frames = mounts / "input" / "clip" / "frames"
    os.mkfifo(frames / "pipe.jpg")
    (frames / "folder.jpg").mkdir()
    for name in ("pipe.jpg", "folder.jpg"):
        with pytest.raises(InputError, match=name):
            mounted(storage, mounts).read(name)


def test_name_too_long_is_an_input_error(storage: Storage, mounts: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        mounted(storage, mounts).read("é" * 140 + "1.jpg")


def test_prefix_cannot_leave_the_container(storage: Storage, mounts: Path) -> None:
    for name in ("../", "clip/../../work/", "/", "clip//"):
        with pytest.raises(InputError, match="valid frame name"):
            mounted(storage, mounts, name)


def test_stale_mount_is_a_temporary_error(storage: Storage, mounts: Path) -> None:
    storage.input.write("clip/frames/000009.jpg", b"just uploaded")
    with pytest.raises(TemporaryError, match="not in the mounted folder"):
        mounted(storage, mounts).read("000009.jpg")


def test_unreadable_file_names_a_remedy(storage: Storage, mounts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(code: type[OSError]) -> None:
        def opened(*_: object, **__: object) -> int:
            raise code(5, "Input/output error")

        monkeypatch.setattr(os, "open", opened)

    frames = mounted(storage, mounts)
    refuse(PermissionError)
    with pytest.raises(InternalError, match="read access to the mount"):
        frames.read("000001.jpg")
    refuse(OSError)
    with pytest.raises(TemporaryError, match="Input/output error"):
        frames.read("000001.jpg")


@pytest.mark.parametrize("missing", ["the variable", "an empty variable", "the folder", "no folder but a file"])
def test_missing_mount_is_an_internal_error(
    storage: Storage, mounts: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mounts)
    environ = {"STORAGE_MODE": "mount", MOUNTS_FOLDER: str(mounts)}
    if missing == "the variable":
        del environ[MOUNTS_FOLDER]
    elif missing == "an empty variable":
        environ[MOUNTS_FOLDER] = ""
    else:
        (mounts / "work" / "000001.jpg").unlink()
        (mounts / "work").rmdir()
        if missing != "the folder":
            (mounts / "work").write_bytes(b"")
    with pytest.raises(InternalError, match=r"folder work.*mounts blobfuse or nfs.*STORAGE_MODE to sdk"):
        open_frames(environ, storage, BlobRef(container="work", name="clip-0123456789/split/frames/"))


def test_unknown_storage_mode_is_rejected(storage: Storage) -> None:
    with pytest.raises(InternalError, match="sdk or mount"):
        open_frames({"STORAGE_MODE": "ftp"}, storage, REF)


def test_each_container_has_its_own_mount(storage: Storage, mounts: Path) -> None:
    environ = {"STORAGE_MODE": "mount", MOUNTS_FOLDER: str(mounts)}
    frames = open_frames(environ, storage, BlobRef(container="work", name=""))
    assert isinstance(frames, MountedFrames)
    assert frames.folder == mounts / "work"
    assert frames.read("000001.jpg") == SECRET


@given(name=st.text(max_size=30) | st.from_regex(r"[./\\a-z]{0,12}", fullmatch=True))
def test_no_name_reads_outside_the_folder(
    storage: Storage, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.mktemp("any")
    for file in ("secret", "input/secret", "input/clip/secret", "work/secret"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(SECRET)
    (root / "input/clip/frames").mkdir()
    with pytest.raises(InputError):
        mounted(storage, root).read(name)
