"""Both ways to read frames keep one contract; what only a mounted folder can be is said in words and never followed."""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InputError, InternalError, TemporaryError
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
class Place:
    """Frames in one mode, and how a person puts one there."""

    storage: Storage
    environ: dict[str, str]
    put: Callable[[str, bytes], None]

    def open(self, ref: BlobRef = REF) -> FrameSource:
        return open_frames(self.environ, self.storage, ref)


@pytest.fixture(params=["sdk", "mount", "not set"])
def place(request: pytest.FixtureRequest, emulators: Cloud, tmp_path: Path) -> Place:
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
    return Place(storage, environ, put_file if request.param == "mount" else put_blob)


# The contract of both.


def test_a_frame_is_read_whole_and_read_again_as_it_is_then(place: Place) -> None:
    place.put("clip/frames/000001.jpg", b"one")
    frames = place.open()
    assert frames.read("000001.jpg") == b"one"
    place.put("clip/frames/000001.jpg", b"another")
    assert frames.read("000001.jpg") == b"another"


@pytest.mark.parametrize(
    "name", ["größe 1.jpg", "-1.jpg", ".1.jpg", "a..1.jpg", "sun & sea: 1?.jpg", "1%2F2.jpg", " 1.jpg"]
)
def test_every_name_that_a_manifest_may_hold_is_found(place: Place, name: str) -> None:
    place.put(f"Grün & co/Bilder (1)/{name}", b"one")
    assert place.open(BlobRef(container="input", name="Grün & co/Bilder (1)/")).read(name) == b"one"


def test_an_empty_file_is_no_bytes(place: Place) -> None:
    place.put("clip/frames/000001.jpg", b"")
    assert place.open().read("000001.jpg") == b""


def test_a_frame_that_is_gone_is_the_persons_to_mend(place: Place) -> None:
    place.put("clip/frames/000001.jpg", b"one")
    with pytest.raises(InputError) as error:
        place.open().read("000002.jpg")
    assert str(error.value) == (
        "The frame '000002.jpg' is not there any more. Upload it again, then resubmit what is missing."
    )


@pytest.mark.parametrize(
    "name", ["../secret", "..", ".", "", "/etc/hostname", "a/../../secret", "frames/000001.jpg", "a\\b", "a\0b"]
)
def test_a_name_never_leaves_the_folder(place: Place, name: str) -> None:
    place.put("secret", SECRET)
    place.put("clip/secret", SECRET)
    place.put("clip/frames/frames/000001.jpg", SECRET)
    with pytest.raises(InputError):
        place.open().read(name)


def test_a_frame_larger_than_the_plan_allows_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_source, "MAX_FRAME_BYTES", 8)
    place.put("clip/frames/000001.jpg", b"12345678")
    place.put("clip/frames/000002.jpg", b"123456789")
    assert place.open().read("000001.jpg") == b"12345678"
    with pytest.raises(InputError, match="more than 8 bytes"):
        place.open().read("000002.jpg")


# What only a mounted folder can be.


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
def test_a_link_is_not_followed(storage: Storage, mounts: Path, target: str) -> None:
    frames = mounts / "input" / "clip" / "frames"
    (frames / "here.jpg").write_bytes(b"a frame")
    (frames / "000001.jpg").symlink_to(target.format(mounts=mounts))
    with pytest.raises(InputError, match="is a link"):
        mounted(storage, mounts).read("000001.jpg")


@pytest.mark.parametrize("link", ["clip", "clip/frames"])
def test_a_folder_that_is_a_link_is_not_followed(storage: Storage, mounts: Path, link: str) -> None:
    (mounts / "input" / "clip" / "frames").rmdir()
    if link == "clip":
        (mounts / "input" / "clip").rmdir()
        (mounts / "work" / "frames").mkdir()
        (mounts / "work" / "frames" / "000001.jpg").write_bytes(SECRET)
    (mounts / "input" / link).symlink_to(mounts / "work", target_is_directory=True)
    with pytest.raises(InputError, match="behind a link"):
        mounted(storage, mounts).read("000001.jpg")


def test_pipes_and_folders_are_no_frames_and_do_not_hold_a_task_up(storage: Storage, mounts: Path) -> None:
    frames = mounts / "input" / "clip" / "frames"
    os.mkfifo(frames / "pipe.jpg")
    (frames / "folder.jpg").mkdir()
    for name in ("pipe.jpg", "folder.jpg"):
        with pytest.raises(InputError, match="plain file"):
            mounted(storage, mounts).read(name)


def test_a_name_too_long_for_a_file_system_is_the_persons_to_mend(storage: Storage, mounts: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        mounted(storage, mounts).read("é" * 140 + "1.jpg")


def test_a_prefix_that_leaves_the_container_is_refused(storage: Storage, mounts: Path) -> None:
    for name in ("../", "clip/../../work/", "/", "clip//"):
        with pytest.raises(InputError, match="can't be"):
            mounted(storage, mounts, name)


def test_a_mount_that_lags_behind_its_container_does_not_end_the_step(storage: Storage, mounts: Path) -> None:
    storage.input.write("clip/frames/000009.jpg", b"just uploaded")
    with pytest.raises(TemporaryError, match="not in the mounted folder"):
        mounted(storage, mounts).read("000009.jpg")


def test_a_file_that_may_not_be_read_is_told_with_its_remedy(
    storage: Storage, mounts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(code: type[OSError]) -> None:
        def opened(*_: object, **__: object) -> int:
            raise code(5, "Input/output error")

        monkeypatch.setattr(os, "open", opened)

    frames = mounted(storage, mounts)
    refuse(PermissionError)
    with pytest.raises(InternalError, match="Let others read the mount"):
        frames.read("000001.jpg")
    refuse(OSError)
    with pytest.raises(TemporaryError, match="Input/output error"):
        frames.read("000001.jpg")


@pytest.mark.parametrize("missing", ["the variable", "an empty variable", "the folder", "no folder but a file"])
def test_a_node_without_the_mount_says_so_at_once(
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
    with pytest.raises(InternalError, match=r"no folder work.*mounts blobfuse or nfs.*STORAGE_MODE to sdk"):
        open_frames(environ, storage, BlobRef(container="work", name="clip-0123456789/split/frames/"))


def test_a_word_that_is_no_mode_is_refused(storage: Storage) -> None:
    with pytest.raises(InternalError, match="sdk or mount"):
        open_frames({"STORAGE_MODE": "ftp"}, storage, REF)


def test_each_container_has_its_own_folder(storage: Storage, mounts: Path) -> None:
    environ = {"STORAGE_MODE": "mount", MOUNTS_FOLDER: str(mounts)}
    found = open_frames(environ, storage, BlobRef(container="work", name=""))
    assert isinstance(found, MountedFrames)
    assert found.folder == mounts / "work"
    assert found.read("000001.jpg") == SECRET


@given(name=st.text(max_size=30) | st.from_regex(r"[./\\a-z]{0,12}", fullmatch=True))
def test_no_name_at_all_reads_what_lies_outside(
    storage: Storage, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.mktemp("any")
    for file in ("secret", "input/secret", "input/clip/secret", "work/secret"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(SECRET)
    (root / "input/clip/frames").mkdir()
    with pytest.raises(InputError):
        mounted(storage, root).read(name)
