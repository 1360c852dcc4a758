"""Records as CSV, and their download under that suffix."""

import csv
import io
import json
from pathlib import Path

import pytest

from frame_tools.client.download import fetch
from frame_tools.client.records import records_to_csv
from frame_tools.contracts.errors import InputError
from frame_tools.storage.deployment import DataStorage
from frame_tools.storage.in_memory import BlobStore, InMemoryContainer

RECORDS = [
    {"frame": 0, "seconds": 0.0, "text": 'a "quoted", comma', "box": {"left": 1, "top": 2}},
    {"frame": 1, "seconds": 0.04, "boxes": [[1, 2]], "is_dark": True, "nothing": None},
]
LINES = b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)


def test_every_key_has_a_column() -> None:
    rows = list(csv.DictReader(io.StringIO(records_to_csv(LINES).decode())))
    assert [*rows[0]] == ["frame", "seconds", "text", "box.left", "box.top", "boxes", "is_dark", "nothing"]
    assert (rows[0]["text"], rows[0]["box.top"], rows[0]["boxes"]) == ('a "quoted", comma', "2", "")
    assert (rows[1]["boxes"], rows[1]["is_dark"], rows[1]["nothing"]) == ("[[1, 2]]", "true", "")


@pytest.fixture
def storage() -> DataStorage:
    container = InMemoryContainer("output", BlobStore())
    container.write("clip-0123456789/records.jsonl", LINES)
    container.write("clip-0123456789/video.mp4", b"the video")
    return DataStorage(input=container, triggers=container, output=container)


def test_suffix_csv_downloads_a_table(storage: DataStorage, tmp_path: Path) -> None:
    out = fetch(storage, "clip-0123456789", "clip-0123456789/records.jsonl", tmp_path / "table.csv")
    assert out.read_bytes() == records_to_csv(LINES)
    as_lines = fetch(storage, "clip-0123456789", "clip-0123456789/records.jsonl", tmp_path / "lines.jsonl")
    assert as_lines.read_bytes() == LINES


def test_video_is_no_table(storage: DataStorage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"table\.csv"):
        fetch(storage, "clip-0123456789", "clip-0123456789/video.mp4", tmp_path / "table.csv")
