"""`write_run` writes a run's video or records atomically."""

import json
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest

from frame_tools.client.derived_files import DerivedFiles
from frame_tools.client.results import write_run
from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.blobs import Container
from frame_tools.storage.deployment import DataStorage


@pytest.fixture
def run_id(name: str) -> str:
    return ids.run_id_for(f"{name}.json", "an ETag")


def put_report(storage: DataStorage, run_id: str, **fields: Any) -> None:
    storage.output.write(
        RunPaths(run_id).report, json.dumps({"run_id": run_id, "status": "finished"} | fields).encode()
    )


def download(storage: DataStorage, run_id: str, out: Path, *, overwrite: bool = False) -> Path:
    return write_run(storage, run_id, out, derived=DerivedFiles(), overwrite=overwrite).out


class BrokenContainer(Container):
    """A container whose downloads are interrupted."""

    def download_to(self, name: str, target: IO[bytes]) -> str | None:
        target.write(b"half a vi")
        raise TemporaryError("The connection was lost", "Try again")


def test_video_is_written_to_a_file_or_into_a_folder(storage: DataStorage, run_id: str, tmp_path: Path) -> None:
    storage.output.write(RunPaths(run_id).video("mkv"), b"the video")
    put_report(storage, run_id, video=RunPaths(run_id).video("mkv"))
    assert download(storage, run_id, tmp_path / "new" / "out.mkv") == tmp_path / "new" / "out.mkv"
    assert download(storage, run_id, tmp_path) == tmp_path / f"{run_id}.mkv"
    assert (tmp_path / "new" / "out.mkv").read_bytes() == (tmp_path / f"{run_id}.mkv").read_bytes() == b"the video"
    assert {path.name for path in tmp_path.rglob("*")} == {"new", "out.mkv", f"{run_id}.mkv"}


def test_interrupted_download_keeps_the_old_file(storage: DataStorage, run_id: str, tmp_path: Path) -> None:
    storage.output.write(RunPaths(run_id).video("mp4"), b"the video")
    put_report(storage, run_id, video=RunPaths(run_id).video("mp4"))
    out = tmp_path / "out.mp4"
    out.write_bytes(b"from yesterday")
    assert isinstance(storage.output, Container)
    broken = replace(storage, output=BrokenContainer(storage.output._client))
    with pytest.raises(TemporaryError):
        download(broken, run_id, out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert out.read_bytes() == b"from yesterday"


def test_missing_report_and_missing_video_differ(storage: DataStorage, run_id: str, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=rf"report.*watch {run_id}"):
        download(storage, run_id, tmp_path)
    put_report(storage, run_id, status="failed", video=None)
    with pytest.raises(MissingError, match=rf"no video.*watch {run_id}"):
        download(storage, run_id, tmp_path)
    put_report(storage, run_id, video=RunPaths(run_id).video("mp4"))
    with pytest.raises(MissingError, match=r"video\.mp4"):
        download(storage, run_id, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="secrets"):
        download(storage, "../secrets", tmp_path)
